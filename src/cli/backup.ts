/** `backup` and `restore`: a copy of what a server keeps, made while it runs, and a folder made of such a copy. Path: command line -> [backup] -> admin port, or the folder. */
import { copyFile, open, rename, rm } from 'node:fs/promises';
import { UnavailableError } from '../shared/errors.js';
import { folderOf } from './engine-option.js';
import type { Output } from './output.js';
import { UsageError } from './usage-error.js';

export interface BackupCommandOptions {
  readonly admin: string;
}

export interface RestoreCommandOptions {
  readonly engine: string;
}

/** @throws UnavailableError */
export async function backup(file: string, { admin }: BackupCommandOptions, output: Output): Promise<void> {
  const { path, epoch } = await askForCopy(admin);
  try {
    await moveTo(file, path);
  } finally {
    await rm(path, { force: true });
  }
  output.line(JSON.stringify({ event: 'backup', file, epoch }));
}

/** On the disk, and whole, before it takes the place of an older one. @throws UnavailableError */
async function moveTo(file: string, path: string): Promise<void> {
  const unfinished = `${file}.unfinished`;
  try {
    await copyFile(path, unfinished);
    const copy = await open(unfinished, 'r+');
    await copy.sync().finally(() => copy.close());
    await rename(unfinished, file);
  } catch (cause) {
    await rm(unfinished, { force: true });
    const sentence = `the copy of the server cannot be put to ${file} (${(cause as NodeJS.ErrnoException).code}): look at its disk, and run this on the machine of the server, by a user that reads its folder (${path})`;
    throw new UnavailableError(sentence, { cause });
  }
}

async function askForCopy(admin: string): Promise<{ readonly path: string; readonly epoch: string }> {
  let response: Response;
  try {
    response = await fetch(`http://${admin}/backup`, { method: 'POST' });
  } catch (cause) {
    const sentence = `no admin port of a bridge server at ${admin}: start one with serve --admin-port N, and give it by --admin`;
    throw new UnavailableError(sentence, { cause });
  }
  const text = (await response.text()).trim();
  if (!response.ok) throw new UnavailableError(`the server at ${admin} makes no copy: ${text}`);
  return JSON.parse(text) as { path: string; epoch: string };
}

/** @throws UsageError, EngineInUseError, EngineFormatError, StorageFullError, EngineUnavailableError */
export async function restore(file: string, { engine }: RestoreCommandOptions, output: Output): Promise<void> {
  const folder = folderOf(engine);
  if (folder === undefined)
    throw new UsageError('--engine memory keeps nothing: give sqlite:DIR with the folder to restore to');
  const { restoreSqlite } = await import('../server/engine/sqlite/restore-sqlite.js');
  const { epoch, generation } = await restoreSqlite(file, folder);
  output.line(JSON.stringify({ event: 'restored', folder, epoch, generation }));
}

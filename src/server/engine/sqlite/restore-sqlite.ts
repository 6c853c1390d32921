/**
 * A copy that was made as a backup becomes the state of a folder. Path: restore -> [restore sqlite] -> sqlite journal. Whoever saw what came after the copy
 * has seen what never was: the generation rises, and every watch is told. Full, or no such copy: the folder is as it was.
 */
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  BridgeError,
  EngineFormatError,
  EngineInUseError,
  EngineUnavailableError,
  StorageFullError,
} from '../../../shared/errors.js';
import type { Life } from '../engine.js';
import { isFullDisk } from './sqlite-failure.js';
import { FILE_NAME } from './sqlite-file.js';
import { SqliteJournal } from './sqlite-journal.js';

/** @throws EngineInUseError where there is a state already, EngineFormatError, StorageFullError, EngineUnavailableError */
export async function restoreSqlite(backup: string, folder: string): Promise<Life> {
  const path = join(resolve(folder), FILE_NAME);
  const coming = join(resolve(folder), 'coming');
  try {
    mkdirSync(resolve(folder), { recursive: true });
    checkFree(folder);
    // Of a restore that was killed: SQLite would take the log in it for that of this copy.
    rmSync(coming, { recursive: true, force: true });
    mkdirSync(coming);
  } catch (cause) {
    if (cause instanceof EngineInUseError) throw cause;
    throw new EngineUnavailableError(`${folder} cannot be made: give a folder that is empty, or not there`, { cause });
  }
  try {
    copyFileSync(resolve(backup), join(coming, FILE_NAME));
    const life = await beginAnew(coming);
    renameSync(join(coming, FILE_NAME), path);
    return life;
  } catch (error) {
    if (error instanceof BridgeError && !(error instanceof EngineFormatError)) throw error;
    const said = error instanceof Error ? error.message.replaceAll(join(coming, FILE_NAME), 'it') : String(error);
    if (isFullDisk(error))
      throw new StorageFullError(`${folder} has no room for ${backup}: nothing was done`, { cause: error });
    const sentence = `${backup} cannot be restored (${said}): give a file that backup wrote`;
    if (error instanceof EngineFormatError) throw new EngineFormatError(sentence, { cause: error });
    throw new EngineUnavailableError(sentence, { cause: error });
  } finally {
    rmSync(coming, { recursive: true, force: true });
  }
}

/** @throws EngineInUseError */
function checkFree(folder: string): void {
  // The log of a server that was killed lies beside its database: it would be taken for that of the copy, and undo it.
  const there = readdirSync(resolve(folder)).filter((name) => name.startsWith(FILE_NAME));
  if (there.length === 0) return;
  throw new EngineInUseError(
    `${folder} holds a state already: give an empty folder, or move ${there.join(' and ')} away first`,
  );
}

/** @throws EngineFormatError for what no server has kept its state in, and what the journal throws */
async function beginAnew(folder: string): Promise<Life> {
  const journal = new SqliteJournal(folder);
  try {
    const { epoch } = await journal.open({ epoch: undefined });
    // An empty file is an empty database, in which a state would begin.
    if (epoch === '') throw new EngineFormatError('it holds no state');
    return await journal.beginGeneration();
  } finally {
    await journal.close();
  }
}

/**
 * A copy that was made as a backup becomes the state of a folder. Path: restore -> [restore sqlite] -> sqlite journal. Whoever saw what came after the copy
 * has seen what never was: the generation rises, and every watch is told. Full, or no such copy: the folder is as it was.
 */
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BridgeError, EngineInUseError, EngineUnavailableError } from '../../../shared/errors.js';
import type { Life } from '../engine.js';
import { FILE_NAME } from './sqlite-file.js';
import { SqliteJournal } from './sqlite-journal.js';

/** @throws EngineInUseError where there is a state already, EngineFormatError, StorageFullError, EngineUnavailableError */
export async function restoreSqlite(backup: string, folder: string): Promise<Life> {
  const path = join(resolve(folder), FILE_NAME);
  if (existsSync(path)) {
    throw new EngineInUseError(`${folder} holds a state already: give an empty folder, or move ${path} away first`);
  }
  const coming = join(resolve(folder), 'coming');
  try {
    mkdirSync(coming, { recursive: true });
    copyFileSync(resolve(backup), join(coming, FILE_NAME));
    const journal = new SqliteJournal(coming);
    await journal.open({ epoch: undefined });
    const life = await journal.beginGeneration();
    await journal.close();
    renameSync(join(coming, FILE_NAME), path);
    return life;
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    const sentence = `${backup} cannot be restored: ${error instanceof Error ? error.message : String(error)}`;
    throw new EngineUnavailableError(sentence, { cause: error });
  } finally {
    rmSync(coming, { recursive: true, force: true });
  }
}

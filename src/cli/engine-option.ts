/** `--engine` and `--durability`: an engine by its name. Path: serve, demo -> [engine option] -> the engine, loaded only when it is asked for. */
import type { Engine } from '../server/index.js';
import { UsageError } from './usage-error.js';

/** Undefined: memory, as a server has it without being told. @throws UsageError */
export async function engineOf(text: string, durability: 'fsync' | 'os' | undefined): Promise<Engine | undefined> {
  const folder = folderOf(text);
  if (folder === undefined) {
    if (durability === undefined) return undefined;
    throw new UsageError('--durability is of an engine that outlives its server: give --engine sqlite:DIR too');
  }
  const { LocalEngine, SqliteJournal } = await import('../server/index.js');
  return new LocalEngine(new SqliteJournal(folder, { durability }));
}

/** The folder of a sqlite engine; undefined for memory. @throws UsageError */
export function folderOf(text: string): string | undefined {
  if (text === 'memory') return undefined;
  const folder = text.startsWith(SQLITE) ? text.slice(SQLITE.length) : '';
  if (folder !== '') return folder;
  throw new UsageError(`--engine ${text}: give memory, or sqlite:DIR with the folder to keep the state in`);
}

const SQLITE = 'sqlite:';

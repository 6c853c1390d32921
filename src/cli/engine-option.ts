/**
 * `--engine` and what belongs to it: an engine by its name. Path: serve, demo -> [engine option] -> the engine, loaded only when it is asked for.
 */
import { resolve } from 'node:path';
import type { SqliteJournal } from '../server/engine/sqlite/sqlite-journal.js';
import type { Engine } from '../server/index.js';
import { UsageError } from './usage-error.js';

export interface EngineCommandOptions {
  /** `memory`, `sqlite:DIR`, or the address of a Redis. */
  readonly engine: string;
  /** Of sqlite. */
  readonly durability?: 'fsync' | 'os';
  /** Of Redis. */
  readonly ack?: 'primary' | 'replica' | 'disk';
  /** Of Redis. */
  readonly behindMs?: number;
  /** Of Redis. */
  readonly advertise?: string;
}

/** Undefined: memory, as a server has it without being told. @throws UsageError, InvalidOptionsError */
export async function engineOf({
  engine,
  durability,
  ack,
  behindMs,
  advertise,
}: EngineCommandOptions): Promise<Engine | undefined> {
  const isRedis = REDIS.test(engine);
  const folder = isRedis ? undefined : folderOf(engine);
  if (durability !== undefined && folder === undefined) {
    throw new UsageError('--durability is of an engine that keeps on a disk: give --engine sqlite:DIR too');
  }
  if ((ack !== undefined || behindMs !== undefined || advertise !== undefined) && !isRedis) {
    throw new UsageError(
      '--ack, --behind-ms and --advertise are of a shared engine: give --engine redis://HOST:PORT too',
    );
  }
  if (isRedis) {
    const { RedisEngine } = await import('../server/index.js');
    return new RedisEngine(engine, { ack, behindMs, advertise });
  }
  if (folder === undefined) return undefined;
  const [journal, { LocalEngine }] = await Promise.all([
    journalOf(folder, durability),
    import('../server/engine/local-engine.js'),
  ]);
  return new LocalEngine(journal);
}

/** It reads while the rest of the server is loaded. */
export async function journalOf(folder: string, durability?: 'fsync' | 'os'): Promise<SqliteJournal> {
  const { SqliteThread } = await import('../server/engine/sqlite/sqlite-thread.js');
  const thread = new SqliteThread(resolve(folder));
  thread.begin(durability ?? 'fsync');
  const { SqliteJournal } = await import('../server/engine/sqlite/sqlite-journal.js');
  const journal = new SqliteJournal(folder, { durability });
  journal.adopt(thread);
  return journal;
}

/** The folder of a sqlite engine; undefined for memory. @throws UsageError */
export function folderOf(text: string): string | undefined {
  if (text === 'memory') return undefined;
  const folder = text.startsWith(SQLITE) ? text.slice(SQLITE.length) : '';
  if (folder !== '') return folder;
  throw new UsageError(
    `--engine ${text.replace(LOGIN, '//…@')}: give memory, sqlite:DIR with the folder to keep the state in, or redis://HOST:PORT`,
  );
}

const SQLITE = 'sqlite:';
const REDIS = /^(rediss?(\+\w+)?:\/\/|unix:)/;
/** Who somebody is may stand there. */
const LOGIN = /\/\/.*@/;

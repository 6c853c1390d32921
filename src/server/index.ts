/** The public names of `bridged-state/server`. */
export type { TokenOption } from './access.js';
export type { BridgeServer } from './bridge-server.js';
export { startBridgeServer } from './bridge-server.js';
export type { BridgeServerMetrics } from './bridge-server-metrics.js';
export type {
  Commit,
  Engine,
  EngineHealth,
  EngineHost,
  EngineStats,
  Follower,
  Following,
  Group,
  Kept,
  Life,
  Outcome,
} from './engine/engine.js';
export type { Journal } from './engine/journal.js';
export type { LocalEngineOptions } from './engine/local-engine.js';
export { LocalEngine } from './engine/local-engine.js';
export { MemoryEngine } from './engine/memory-engine.js';
export type { RedisEngineOptions } from './engine/redis/redis-engine.js';
export { RedisEngine } from './engine/redis/redis-engine.js';
export type { SqliteJournalOptions } from './engine/sqlite/sqlite-journal.js';
export { SqliteJournal } from './engine/sqlite/sqlite-journal.js';
export type { BridgeServerOptions } from './server-options.js';

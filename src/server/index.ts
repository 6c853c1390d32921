/** The public names of `bridged-state/server`. */
export type { TokenOption } from './access.js';
export type { BridgeServer } from './bridge-server.js';
export { startBridgeServer } from './bridge-server.js';
export type { BridgeServerMetrics } from './bridge-server-metrics.js';
export type { Commit, Engine } from './engine/engine.js';
export { MemoryEngine } from './engine/memory-engine.js';
export type { BridgeServerOptions } from './server-options.js';

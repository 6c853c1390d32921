import { AsyncResource } from 'node:async_hooks';
import type { DispatchedWatch } from '../../src/main/watch/dispatched-watch.js';
import { deliver, watchedVariable } from '../../src/main/watch/dispatcher.js';
import { WatchStats } from '../../src/main/watch/watch-stats.js';
import { UpdateRecord } from '../../src/shared/delivery/update.js';
import type { Kernel } from './kernel.js';
import { repeat, SET_AT_MS } from './kernel.js';

/** From the columns to the watcher's call, which is what the main thread does for an update. */
export function dispatcherKernels(): Kernel[] {
  let calls = 0;
  const watch: DispatchedWatch = {
    ref: 'watch-1',
    sessionId: 'bench',
    watcher: () => {
      calls += 1;
    },
    filter: undefined,
    condition: undefined,
    hasCondition: false,
    limit: undefined,
    stats: new WatchStats(),
    verifies: false,
    isStopped: false,
    filterPromises: false,
    gate: undefined,
    batch: undefined,
    turns: undefined,
    handleIdentified: () => undefined,
    handleBatchBegun: () => undefined,
    handleGateFull: () => undefined,
    context: new AsyncResource('test'),
    clock: { wallAtMs: (nowMs) => nowMs },
    handleError: (error) => {
      throw error;
    },
    handleGone: () => undefined,
    handleHeld: () => {},
  };
  const fan = watchedVariable(watch, 'fan');
  const update = Object.assign(new UpdateRecord(), {
    version: 1,
    timestamp: SET_AT_MS,
    receivedAt: SET_AT_MS + 1,
    source: 'bench',
  });
  return [
    repeat('dispatcher: deliver to a watcher', (index) => {
      update.version += 1;
      update.revision = update.version;
      update.value = index;
      deliver(fan, update, SET_AT_MS + 2);
      return calls;
    }),
  ];
}

import type { DispatchedWatch } from '../../src/main/watch/dispatcher.js';
import { Dispatcher } from '../../src/main/watch/dispatcher.js';
import { WatchStats } from '../../src/main/watch/watch-stats.js';
import { EMPTY_METADATA } from '../../src/shared/values/metadata.js';
import type { Kernel } from './kernel.js';
import { repeat, SET_AT_MS } from './kernel.js';

/** From the columns to the watcher's call, which is what the main thread does for an update. */
export function dispatcherKernels(): Kernel[] {
  const dispatcher = new Dispatcher();
  let calls = 0;
  const watch: DispatchedWatch = {
    ref: 'watch-1',
    sessionId: 'bench',
    watcher: () => {
      calls += 1;
    },
    filter: undefined,
    condition: undefined,
    limit: undefined,
    stats: new WatchStats(),
    verifies: false,
    isStopped: false,
    handleError: (error) => {
      throw error;
    },
    handleHeld: () => {},
  };
  const { handle } = dispatcher.allot(watch, 'fan');
  let version = 1;
  return [
    repeat('dispatcher: deliver to a watcher', (index) => {
      version += 1;
      dispatcher.deliver(
        handle,
        version,
        index,
        SET_AT_MS,
        SET_AT_MS + 1,
        version,
        0,
        0,
        0,
        'bench',
        EMPTY_METADATA,
        undefined,
        SET_AT_MS + 2,
      );
      return calls;
    }),
  ];
}

/** The client under measurement, by what the scenario chose. */
import { BridgedState } from '../../src/main/index.js';
import { PlainWatchClient } from '../baselines/plain-watch-client.js';
import type { BenchTransport } from '../bench-options.js';
import type { WatchClient } from './watch-client.js';

export type ClientChoice =
  | { readonly kind: BenchTransport; readonly workers: number }
  /** Plain grpc-js on the main thread: one stream a watch, no workers. */
  | { readonly kind: 'plain' };

export async function openWatchClient(choice: ClientChoice, port: number, sessionId: string): Promise<WatchClient> {
  if (choice.kind === 'plain') return new PlainWatchClient(port, sessionId);
  const state = await BridgedState.open({
    endpoint: `127.0.0.1:${port}`,
    sessionId,
    workers: choice.workers,
    transport: choice.kind,
  });
  return {
    watch: async (name, onUpdate, onError) => {
      const watch = await state.watchVariables(
        name,
        (_identifier, _old, value, { version, missed }) => onUpdate(value as number, version, missed),
        { onError },
      );
      return () => watch.stop();
    },
    set: (name, value) => state.setVariable(name, value),
    close: () => state.close(),
  };
}

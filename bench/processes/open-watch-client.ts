/** The client under measurement, by what the scenario chose. */
import { BridgedState } from '../../src/main/index.js';
import { PlainWatchClient } from '../baselines/plain-watch-client.js';
import type { BenchTransport } from '../bench-options.js';
import { loadPeer } from '../peers/load-peer.js';
import type { PeerName } from '../peers/peer-programs.js';
import type { ValueKind } from './measured-value.js';
import { MEASURED_VALUES } from './measured-value.js';
import type { WatchClient } from './watch-client.js';

export type ClientChoice =
  | {
      readonly kind: BenchTransport;
      readonly workers: number;
      readonly watchesAllByOneCall?: boolean;
      /** Of a link: how far apart messages of updates are, ms; its own default when left out. Asked of Python alone. */
      readonly spacingMs?: number;
    }
  /** Plain grpc-js on the main thread: one stream a watch, no workers. */
  | { readonly kind: 'plain' }
  /** Another system, by its own client on the main thread. */
  | { readonly kind: PeerName };

export function workersOf(choice: ClientChoice): number | undefined {
  return 'workers' in choice ? choice.workers : undefined;
}

/** As a row names it. */
export function transportOf(choice: ClientChoice): string {
  const way = watchesAllByOneCall(choice) ? `${choice.kind}, one call` : choice.kind;
  return 'workers' in choice && choice.spacingMs !== undefined ? `${way}, ${choice.spacingMs} ms` : way;
}

/** A watch of many names, where others are asked for a watch each. */
export function watchesAllByOneCall(choice: ClientChoice): boolean {
  return 'workers' in choice && choice.watchesAllByOneCall === true;
}

/** A client of ours can be asked for all names at once as well. */
export function bothWays(choice: ClientChoice): ClientChoice[] {
  return 'workers' in choice ? [choice, { ...choice, watchesAllByOneCall: true }] : [choice];
}

/** The peer that is measured; undefined when our server is. */
export function peerOf(choice: ClientChoice): PeerName | undefined {
  return 'workers' in choice || choice.kind === 'plain' ? undefined : choice.kind;
}

export interface WatchPlace {
  readonly choice: ClientChoice;
  readonly port: number;
  readonly session: string;
  readonly values: ValueKind;
}

export async function openWatchClient({ choice, port, session, values }: WatchPlace): Promise<WatchClient> {
  const { read } = MEASURED_VALUES[values];
  if (choice.kind === 'plain') return new PlainWatchClient(port, session, read);
  if (!('workers' in choice))
    return (await loadPeer(choice.kind)).openWatchClient(
      port,
      values === 'number' ? Number : (text) => read(JSON.parse(text)),
    );
  const state = await BridgedState.open({
    endpoint: `127.0.0.1:${port}`,
    sessionId: session,
    workers: choice.workers,
    transport: choice.kind,
    // A hundred thousand at once are measured to their end, however long this machine takes.
    limits: { openTimeoutMs: OPEN_TIMEOUT_MS },
  });
  return {
    watch: async (name, onUpdate, onError) => {
      const watch = await state.watchVariables(
        name,
        (_identifier, _old, value, { version, missed }) => onUpdate(read(value), version, missed),
        { onError },
      );
      return () => watch.stop();
    },
    watchAll: async (names, onUpdate, onError) => {
      const places = new Map(names.map((name, place) => [name, place]));
      const watch = await state.watchVariables(
        names,
        (name, _old, value, { version, missed }) => onUpdate(places.get(name)!, read(value), version, missed),
        { onError },
      );
      return () => watch.stop();
    },
    set: (name, value) => state.setVariable(name, value),
    close: () => state.close(),
  };
}

const OPEN_TIMEOUT_MS = 300_000;

/** Many clients in one process, each a state with a connection of its own and all with the same watches: what a restarted server has to take back. */
import { setTimeout as pause } from 'node:timers/promises';
import { BridgedState } from '../../src/main/index.js';
import type { BenchTransport } from '../bench-options.js';
import { answerParent } from './child-link.js';
import { nowUs } from './monotonic-clock.js';
import { variableName } from './variable-name.js';

interface ClientsPlan {
  readonly transport: BenchTransport;
  /** One watch of all names a client. */
  readonly byOneCall: boolean;
  readonly port: number;
  readonly session: string;
  readonly clients: number;
  readonly watches: number;
}

let states: BridgedState[] = [];
let watchesInAll = 0;
/** Watches that have lost their server since they were live. */
let away = 0;
/** Watches that are live, and when the last one became it. */
let live = 0;
let liveAtUs = 0;
/** Watches that a later server has given a value, and when the last one got it. */
let resynced = 0;
let resyncedAtUs = 0;
let firstError: string | undefined;

const calls = {
  open: async ({ transport, byOneCall, port, session, clients, watches }: ClientsPlan) => {
    watchesInAll = clients * watches;
    for (let client = 0; client < clients; client += 1) {
      const state = await BridgedState.open({
        endpoint: `127.0.0.1:${port}`,
        sessionId: session,
        transport,
        workers: 0,
      });
      states.push(state);
      const names = Array.from({ length: watches }, (_, watch) => variableName(watch));
      await Promise.all((byOneCall ? [names] : names.map((name) => [name])).map((some) => watchSome(state, some)));
    }
  },
  /** Resolves when all are live again, and have a value of the server that was started again where it `resyncs`, with the moments, us; or with what is lacking. */
  back: async ({ deadlineMs, resyncs }: { deadlineMs: number; resyncs: boolean }) => {
    const deadlineUs = nowUs() + deadlineMs * 1_000;
    const lacking = () => watchesInAll - Math.min(away, live, resyncs ? resynced : watchesInAll);
    while (lacking() > 0 && nowUs() < deadlineUs) await pause(20);
    return { liveAtUs, resyncedAtUs, lacking: lacking(), firstError };
  },
  close: async (_: null) => {
    await Promise.all(states.map((state) => state.close()));
    states = [];
  },
};

export type ClientsCalls = typeof calls;

answerParent(calls);

async function watchSome(state: BridgedState, names: readonly string[]): Promise<void> {
  let isLive = false;
  let wasAway = false;
  const waiting = new Set(names);
  await state.watchVariables(
    names,
    (name, _old, _value, { resync }) => {
      if (!resync || !waiting.delete(name)) return;
      resynced += 1;
      resyncedAtUs = nowUs();
    },
    {
      onState: (name) => {
        if ((name === 'live') === isLive) return;
        isLive = !isLive;
        live += isLive ? names.length : -names.length;
        if (isLive) liveAtUs = nowUs();
        else if (!wasAway) {
          wasAway = true;
          away += names.length;
        }
      },
      onError: (error) => {
        firstError ??= String(error);
      },
    },
  );
}

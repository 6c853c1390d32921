/** Registers the variables of a measurement and sets them by schedule; the same for the product and its baselines. */
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { callPlain, connectPlain } from '../baselines/plain-calls.js';
import { loadPeer } from '../peers/load-peer.js';
import type { BatchSetter } from '../peers/peer.js';
import type { PeerName } from '../peers/peer-programs.js';
import { answerParent } from './child-link.js';
import { openLinkSetter } from './link-setter.js';
import type { ValueKind } from './measured-value.js';
import { MEASURED_VALUES, typeUrlOf } from './measured-value.js';
import { nowUs } from './monotonic-clock.js';
import { registerVariables } from './register-variables.js';
import { SetConnection } from './set-connection.js';
import { variableName } from './variable-name.js';
import type { SetBatch, WritePlan } from './write-schedule.js';
import { WriteSchedule } from './write-schedule.js';

export interface WriteReport {
  readonly acknowledged: number;
  readonly failed: number;
  /** The first one's reason. */
  readonly failure: string | undefined;
  /** How late the calls were made, ms: part of every latency of the run. */
  readonly lateP99Ms: number;
  /** CPU of all threads from the first set to the last answer, us; said by those that are measured themselves. */
  readonly cpuUs?: number;
}

interface Preparation {
  readonly port: number;
  readonly session: string;
  readonly variables: number;
  /** Whose server that is; ours when undefined. */
  readonly peer: PeerName | undefined;
  readonly values: ValueKind;
  /** How sets reach our server. */
  readonly setsBy: 'link' | 'calls';
  /** For a writer that measures several ways of setting. */
  readonly kind?: string;
}

let setter: BatchSetter | undefined;
let valueKind: ValueKind = 'number';
/** Turns of the loop until what was set is on its way: the link has a port in between. */
let turnsToFlush = 3;

const calls = {
  /** Makes the session and its variables, all at version 1. */
  prepare: async ({ port, session, variables, peer, values, setsBy }: Preparation) => {
    valueKind = values;
    if (peer === undefined) {
      await register(port, session, variables);
      setter = setsBy === 'link' ? await openLinkSetter(port, session) : await openCallSetter(port, session);
      turnsToFlush = setsBy === 'link' ? 8 : 3;
    } else {
      const names = Array.from({ length: variables }, (_, variable) => variableName(variable));
      setter = await (await loadPeer(peer)).openSetter(port, names);
    }
  },
  write: (plan: WritePlan) => follow(new WriteSchedule(plan)),
};

export type WriterCalls = typeof calls;

answerParent(calls);

async function register(port: number, sessionId: string, variables: number): Promise<void> {
  const client = connectPlain(port);
  await callPlain(client, 'InitializeSession', { sessionId });
  await registerVariables(client, sessionId, variables, valueKind);
  client.close();
}

async function openCallSetter(port: number, sessionId: string): Promise<BatchSetter> {
  const connection = await SetConnection.open(port);
  const typeUrl = typeUrlOf(valueKind);
  return {
    set: (texts, onAnswer) => {
      connection.set(sessionId, typeUrl, texts, (answer, callFailure) => {
        const errors = answer?.errors ?? {};
        const refused = answer === undefined ? texts.size : answer.success === true ? 0 : Object.keys(errors).length;
        onAnswer(refused, Object.values(errors)[0] ?? callFailure);
      });
    },
  };
}

async function follow(schedule: WriteSchedule): Promise<WriteReport> {
  let acknowledged = 0;
  let failed = 0;
  let failure: string | undefined;
  let open = 0;
  const lateness = createHistogram();

  const send = (batch: SetBatch): void => {
    open += 1;
    setter!.set(textsOf(schedule, batch), (refused, why) => {
      open -= 1;
      acknowledged += batch.count - refused;
      failed += refused;
      if (refused > 0) failure ??= why;
    });
  };

  while (!schedule.isDone) {
    await waitUntil(schedule.nextAtUs);
    // An answer that does not come must not cost memory without end; the sets held back keep their time.
    while (open > MAX_OPEN_CALLS) await pause(1);
    const sentUs = nowUs();
    for (const batch of schedule.takeDue(sentUs)) {
      lateness.record(Math.max(1, Math.round(sentUs - schedule.scheduledAtUs(batch.first))));
      send(batch);
    }
  }
  while (open > 0) await pause(1);
  return { acknowledged, failed, failure, lateP99Ms: lateness.percentile(99) / 1_000 };
}

function textsOf(schedule: WriteSchedule, { first, count }: SetBatch): Map<string, string> {
  const { write } = MEASURED_VALUES[valueKind];
  const texts = new Map<string, string>();
  for (let set = first; set < first + count; set += 1) {
    texts.set(variableName(schedule.variableOf(set)), write(schedule.scheduledAtUs(set)));
  }
  return texts;
}

/** Timers of the event loop are a millisecond or two late, which would be the larger part of what we measure. */
async function waitUntil(atUs: number): Promise<void> {
  const aheadMs = (atUs - nowUs()) / 1_000;
  if (aheadMs > 3) await pause(aheadMs - 2);
  // What was written goes out in these turns: the thread sleeps after them.
  for (let turns = 0; turns < turnsToFlush; turns += 1) await turn();
  const leftMs = (atUs - nowUs()) / 1_000;
  if (leftMs > 0) Atomics.wait(SLEEP, 0, 0, leftMs);
}

const SLEEP = new Int32Array(new SharedArrayBuffer(4));
const MAX_OPEN_CALLS = 5_000;

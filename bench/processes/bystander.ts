/** A client that sets one variable of its own session, one set after another, and says how long it waited: what others' requests cost it. */
import type { RecordableHistogram } from 'node:perf_hooks';
import { createHistogram } from 'node:perf_hooks';
import type { Client } from '@grpc/grpc-js';
import { callPlain, connectPlain, integerValue } from '../baselines/plain-calls.js';
import { answerParent } from './child-link.js';
import { nowUs } from './monotonic-clock.js';
import { registerVariables } from './register-variables.js';
import type { Latency } from './update-recorder.js';
import { readLatency } from './update-recorder.js';
import { variableName } from './variable-name.js';

const SESSION = 'bystander';
let client: Client | undefined;
let histogram: RecordableHistogram | undefined;
let isStopped = true;
let done: Promise<void> | undefined;

const calls = {
  prepare: async ({ port }: { port: number }) => {
    client = connectPlain(port);
    await callPlain(client, 'InitializeSession', { sessionId: SESSION });
    await registerVariables(client, SESSION, 1);
  },
  /** Resolves when the first set was answered. */
  start: async (_: null) => {
    await setOnce();
    histogram = createHistogram({ lowest: 1, highest: 60e9, figures: 3 });
    isStopped = false;
    done = setOn(histogram);
  },
  /** How long the sets since `start` waited, ms. */
  stop: async (_: null): Promise<Latency> => {
    isStopped = true;
    await done;
    return readLatency(histogram!);
  },
};

export type BystanderCalls = typeof calls;

answerParent(calls);

async function setOn(waits: RecordableHistogram): Promise<void> {
  while (!isStopped) {
    const sentUs = nowUs();
    await setOnce();
    waits.record(Math.max(1, Math.round((nowUs() - sentUs) * 1_000)));
  }
}

let lastValue = 0;

async function setOnce(): Promise<void> {
  lastValue += 1;
  const { success, errorMessage } = await callPlain(client!, 'SetVariable', {
    sessionId: SESSION,
    variableIdentifier: variableName(0),
    value: integerValue(lastValue),
  });
  if (success !== true) throw new Error(`the bystander was refused: ${errorMessage}`);
}

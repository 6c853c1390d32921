/** The client that asks for much at once. */
import type { Client } from '@grpc/grpc-js';
import { callPlain, connectPlain } from '../baselines/plain-calls.js';
import { answerParent } from './child-link.js';
import { LARGE_REQUESTS, SESSION } from './large-requests.js';
import { nowUs } from './monotonic-clock.js';
import { registerVariables } from './register-variables.js';

let client: Client | undefined;
let place = 0;
let rounds = 0;
let send: (() => Promise<void>) | undefined;

const calls = {
  /** Connects, and makes the session with what the request at that place of LARGE_REQUESTS is about. */
  prepare: async (plan: { port: number; place: number }) => {
    client = connectPlain(plan.port);
    place = plan.place;
    const { variables, nameOf, prepare } = LARGE_REQUESTS[place]!;
    await callPlain(client, 'InitializeSession', { sessionId: SESSION });
    await registerVariables(client, SESSION, variables, 'number', nameOf);
    await prepare?.(client);
  },
  make: (_: null) => {
    rounds += 1;
    send = LARGE_REQUESTS[place]!.make(client!, rounds);
  },
  /** Resolves with the time until it was answered, ms. */
  send: async (_: null) => {
    const sentUs = nowUs();
    await send!();
    return (nowUs() - sentUs) / 1_000;
  },
};

export type LargeClientCalls = typeof calls;

answerParent(calls);

/** The house of a life: server, wire, pools, states and the writer outside. Owner: the life, which closes it. */
import type { BridgedStateOptions, StateProvider } from '../../../src/main/index.js';
import { BridgedState, LocalState, WorkerPool } from '../../../src/main/index.js';
import { PlainClient } from '../../server/plain-client.js';
import type { ServerProcessOptions } from '../../support/server-process.js';
import { FaultyProxy } from '../faults/faulty-proxy.js';
import { ServerHouse } from '../faults/server-house.js';
import type { Recorder } from '../history/recorder.js';
import type { LifePlan, StatePlan } from './life-plan.js';
import { OutsideWriter } from './outside-writer.js';
import type { WriterAnswer, WriterCall } from './writer-calls.js';
import { callEach } from './writer-calls.js';

export interface World {
  readonly sessionIds: readonly string[];
  readonly states: StateProvider[];
  readonly pools: readonly WorkerPool[];
  /** Before each server; none where nothing goes over a wire. */
  readonly proxies: readonly FaultyProxy[];
  readonly house: ServerHouse | undefined;
  /** What `open` opens a state with. */
  optionsOf(state: StatePlan): BridgedStateOptions;
  /** Opens a state anew, as it was planned. */
  open(state: StatePlan): Promise<StateProvider>;
  /** Calls from outside, not over the wire that breaks. */
  call(session: number, calls: readonly WriterCall[], atOnce?: number): Promise<WriterAnswer[]>;
  /** By a client outside; `isMadeAnew` in the same breath. Resolves whether it was, undefined where nobody knows. */
  endSession(session: number, server: number, isForced: boolean, isMadeAnew: boolean): Promise<boolean | undefined>;
  /** Nobody outside uses a session, until the next call. */
  leave(): Promise<void>;
  /** All but the states, which the life closes, and who ends sessions. */
  close(): Promise<void>;
  /** Ends what the life has made at its servers, and then the servers that are its own. */
  cleanUp(): Promise<void>;
  /** The last. */
  closeHouse(): Promise<void>;
}

/** `steady`: one that outlives this life, where none of it is to be killed. */
export function openWorld(plan: LifePlan, recorder: Recorder, steady: ServerHouse | undefined): Promise<World> {
  return plan.isLocal ? openLocalWorld(plan) : openBridgedWorld(plan, recorder, steady);
}

async function openLocalWorld(plan: LifePlan): Promise<World> {
  const sessionIds = sessionIdsOf(plan);
  const open = async ({ session, maxMainMs }: StatePlan) =>
    new LocalState({ sessionId: sessionIds[session]!, maxMainMs });
  const states: StateProvider[] = await Promise.all(plan.states.map(open));
  return {
    ...{ sessionIds, states, pools: [], proxies: [], house: undefined, open },
    call: (session, calls, atOnce = AT_ONCE) => callEach(states[session]!, calls, atOnce),
    optionsOf: () => ({ endpoint: '' }),
    endSession: async () => false,
    ...{ leave: nothing, close: nothing, cleanUp: nothing, closeHouse: nothing },
  };
}

async function openBridgedWorld(plan: LifePlan, recorder: Recorder, steady: ServerHouse | undefined): Promise<World> {
  const sessionIds = sessionIdsOf(plan);
  const house =
    plan.hasOwnHouse || steady === undefined ? await ServerHouse.start(plan.engine, serverOptionsOf(plan)) : steady;
  const { servers } = house;
  const proxies = await Promise.all(servers.map(({ port }) => FaultyProxy.start(port)));
  const direct = servers.map(({ port }) => `127.0.0.1:${port}`);
  const callTimeoutMs = callTimeoutOf(plan);
  const clients = servers.map(({ port }) => new PlainClient(port));
  const writer = await OutsideWriter.start(direct, sessionIds, callTimeoutMs);
  const pools = await Promise.all(plan.pools.map((pool) => WorkerPool.open({ ...pool, logger: logger() })));
  const optionsOf = ({ session, pool, transport, maxMainMs }: StatePlan) => ({
    endpoints: proxies.map(({ endpoint }) => endpoint),
    sessionId: sessionIds[session]!,
    pool: pools[pool]!,
    transport,
    maxMainMs,
    verify: true,
    logger: logger(),
    ...SOON,
    limits: { ...SOON.limits, callTimeoutMs },
  });
  const open = (state: StatePlan): Promise<StateProvider> => BridgedState.open(optionsOf(state));
  const states = await Promise.all(plan.states.map(open));
  return {
    ...{ sessionIds, states, pools, proxies, house, open, optionsOf },
    call: (session, calls, atOnce = AT_ONCE) => writer.call(session, calls, atOnce),
    endSession: async (session, server, isForced, isMadeAnew) => {
      const sessionId = sessionIds[session]!;
      const client = clients[server]!;
      const ending = client.answer('CleanupSession', { sessionId, force: isForced });
      const making = isMadeAnew ? client.call('InitializeSession', { sessionId }) : undefined;
      const [ended] = await Promise.allSettled([ending, making]);
      if (ended.status === 'rejected') return undefined;
      const { response, errorCode } = ended.value;
      return (
        response.success === true || errorCode === 'SESSION_NOT_FOUND' || (errorCode === undefined ? false : undefined)
      );
    },
    leave: () => writer.leave(),
    cleanUp: async () => {
      for (const sessionId of sessionIds) await clients[0]!.call('CleanupSession', { sessionId, force: true });
      for (const client of clients) client.close();
    },
    closeHouse: async () => {
      if (house !== steady) await house.close();
    },
    close: async () => {
      await writer.close();
      await Promise.all(pools.map((pool) => pool.close()));
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };

  /** Handled events are nobody's error. */
  function logger() {
    return {
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: (_: object, message: string) =>
        void recorder.history.troubles.push({ kind: 'logged-error', what: message }),
    };
  }
}

/** Without a fault no call may fail by its time, however busy the machine is. */
export function callTimeoutOf(plan: LifePlan): number {
  return plan.hasFaults || plan.hasOwnHouse ? CALL_MS : PATIENT_CALL_MS;
}

function sessionIdsOf({ seed, life, sessions, program }: LifePlan): string[] {
  return Array.from({ length: sessions }, (_, place) => `${program}-${seed}-${life}-${place}`);
}

function serverOptionsOf({ mayExpire }: LifePlan): ServerProcessOptions {
  return mayExpire ? { ...SERVER_OPTIONS, sessionTtlMs: SHORT_TTL_MS } : SERVER_OPTIONS;
}

async function nothing(): Promise<void> {
  // It has none of it.
}

function ignore(): void {
  // Nobody reads it.
}

/** Sessions of lives that are over go soon: memory has to be flat over many of them. */
export const SERVER_OPTIONS = { sessionTtlMs: 20_000, heartbeatMs: 200 } as const;

/** Less than an `abandon` takes, and clients that are there say so often enough. */
const SHORT_TTL_MS = 250;

/** A life is short: breaks are found and mended within seconds. */
const SOON = {
  reconnect: { baseMs: 20, capMs: 200, spreadMs: 20 },
  breaker: { failures: 8, openMs: 100 },
  keepalive: { timeMs: 1_000, timeoutMs: 500 },
  limits: { connectTimeoutMs: 1_000, openTimeoutMs: 5_000 },
} as const;

const CALL_MS = 4_000;
const PATIENT_CALL_MS = 30_000;

const AT_ONCE = 1_000;

/** Sets that are answered when they are on the disk: by a sqlite engine, and by a plain file with fdatasync and the same grouping, below which no engine can be. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalEngine, SqliteJournal } from '../../src/server/index.js';
import { silentLogger } from '../../src/shared/logger.js';
import { DEFAULT_HISTORY_LIMITS } from '../../src/shared/state/history.js';
import { acceptDecoded, acceptRegistration, NO_SETTER } from '../../src/shared/state/operation.js';
import { randomId, systemClock } from '../../src/shared/system-clock.js';
import { answerParent } from './child-link.js';

export interface DurablePlan {
  readonly transport: 'sqlite' | 'fdatasync';
  readonly folder: string;
  /** So many at once, each after its answer; 0: at `rate`, whatever is answered. */
  readonly inFlight: number;
  readonly rate: number;
  /** Values a set: of several an atomic group. */
  readonly batch: number;
  readonly seconds: number;
}

export interface DurableFigures {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** Values. */
  readonly perSecond: number;
}

interface Keeper {
  set(batch: number): Promise<unknown>;
  close(): Promise<void>;
}

const calls = {
  sets: async (plan: DurablePlan): Promise<DurableFigures> => {
    const keeper = await (plan.transport === 'sqlite' ? engineKeeper(plan.folder) : fileKeeper(plan.folder));
    try {
      await load(keeper, { ...plan, seconds: WARMUP_SECONDS });
      return await load(keeper, plan);
    } finally {
      await keeper.close();
    }
  },
  /** Leaves a folder with so many variables. */
  fill: async ({ folder, variables }: { folder: string; variables: number }): Promise<null> => {
    const { engine, register } = await openEngine(folder);
    for (let from = 0; from < variables; from += 1_000) await register(from, Math.min(1_000, variables - from));
    await engine.close();
    return null;
  },
};

export type DurableCalls = typeof calls;

async function load(keeper: Keeper, { inFlight, rate, batch, seconds }: DurablePlan): Promise<DurableFigures> {
  const took: number[] = [];
  const beganAtMs = performance.now();
  const endsAtMs = beganAtMs + seconds * 1_000;
  if (inFlight > 0) {
    const one = async (): Promise<void> => {
      while (performance.now() < endsAtMs) {
        const askedAtMs = performance.now();
        await keeper.set(batch);
        took.push(performance.now() - askedAtMs);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, one));
  } else {
    const waiting = new Set<Promise<void>>();
    let asked = 0;
    for (let nowMs = performance.now(); nowMs < endsAtMs; nowMs = performance.now()) {
      for (const due = ((nowMs - beganAtMs) * rate) / 1_000; asked < due; asked += 1) {
        // From when it was due: a set that had to wait for its call took as long.
        const dueAtMs = beganAtMs + (asked * 1_000) / rate;
        const done = keeper.set(batch).then(() => {
          took.push(performance.now() - dueAtMs);
          waiting.delete(done);
        });
        waiting.add(done);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(waiting);
  }
  took.sort((a, b) => a - b);
  const at = (quantile: number): number => took[Math.floor(quantile * (took.length - 1))] ?? 0;
  const perSecond = (took.length * batch * 1_000) / (performance.now() - beganAtMs);
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), perSecond };
}

async function openEngine(folder: string) {
  const engine = new LocalEngine(new SqliteJournal(folder));
  const newId = (): string => randomId('var');
  await engine.open({
    table: { maxVariables: 1_000_000, history: DEFAULT_HISTORY_LIMITS, newId, timestampAt: systemClock.wallAtMs },
    nowMs: systemClock.nowMs,
    epoch: undefined,
    newEpoch: () => randomId('epoch'),
    logger: silentLogger,
    handleHealth: () => undefined,
  });
  const follower = { handleCommit: () => undefined, windows: () => [] };
  const create = { metadata: {}, createdAtMs: systemClock.nowMs() };
  const following = (await engine.follow('bench', follower, create))!;
  const ask = async (operations: Parameters<typeof engine.commit>[0]['operations'], isAtomic: boolean) =>
    engine.commit({ sessionId: 'bench', operations, isAtomic, setter: NO_SETTER, nowMs: systemClock.nowMs() });
  const register = (from: number, count: number) =>
    ask(
      Array.from({ length: count }, (_, place) =>
        acceptRegistration({ name: `v${from + place}`, type: 'string', initial: '' }, newId()),
      ),
      false,
    );
  return { engine, following, ask, register };
}

async function engineKeeper(folder: string): Promise<Keeper> {
  const { engine, following, ask, register } = await openEngine(folder);
  await register(0, VARIABLES);
  const variables = [...following.table.variables()];
  let sets = 0;
  const next = () => {
    sets += 1;
    const variable = variables[sets % VARIABLES]!;
    return acceptDecoded(variable.name, variable, `${sets} ${PADDING}`);
  };
  return {
    set: (batch) => ask(Array.from({ length: batch }, next), batch > 1),
    close: () => engine.close(),
  };
}

/** What comes while a write is under way goes with the next. */
async function fileKeeper(folder: string): Promise<Keeper> {
  const file = await open(join(folder, 'floor'), 'w');
  const bytes = Buffer.from(`x ${PADDING}`);
  let waiting: { readonly size: number; readonly resolve: () => void }[] = [];
  let isBusy = false;
  const write = async (): Promise<void> => {
    isBusy = true;
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      await file.write(Buffer.concat(group.flatMap(({ size }) => Array.from({ length: size }, () => bytes))));
      await file.datasync();
      for (const { resolve } of group) resolve();
    }
    isBusy = false;
  };
  return {
    set: (size) =>
      new Promise<void>((resolve) => {
        waiting.push({ size, resolve });
        if (!isBusy) queueMicrotask(() => void (isBusy ? undefined : write()));
      }),
    close: () => file.close(),
  };
}

const VARIABLES = 1_000;
const PADDING = 'x'.repeat(140);
const WARMUP_SECONDS = 0.5;

answerParent(calls);

/** Draws one step. Pure: the same numbers make the same step. */
import type { LifePlan, VariablePlan } from './life-plan.js';
import type { Program } from './programs.js';
import type { Random } from './random.js';
import type { Step, StepKind, WatchPlan } from './step.js';

/** Where the step happens. */
export interface House extends Pick<LifePlan, 'variables' | 'states' | 'sessions' | 'pools' | 'engine'> {
  readonly program: Program;
}

/** `watches`: how many the steps before have started. */
export function drawStep(random: Random, does: StepKind, house: House, watches: number): Step {
  const { program, variables, states } = house;
  const pauseMs = random.chance(0.4) ? 0 : random.whole(0, program.pauseMs);
  const state = random.whole(0, states.length - 1);
  const session = random.whole(0, house.sessions - 1);
  const plain = places(variables, false);
  const by = random.chance(0.5) ? 'state' : 'writer';
  // The newest are the most interesting: they may still be opening.
  const watch = random.chance(0.5)
    ? Math.max(0, watches - 1 - random.whole(0, 2))
    : random.whole(0, Math.max(0, watches - 1));
  // One server alone is nothing to draw: a seed plans what it planned before there were several.
  const isShared = house.engine.servers > 1;
  const server = isShared ? random.whole(0, house.engine.servers - 1) : 0;
  switch (does) {
    case 'watch':
      return { does, pauseMs, state, ...drawWatch(random, house, watches), isHasty: random.chance(0.06) };
    case 'add':
    case 'remove':
      return { does, pauseMs, watch, variables: random.some(plain, random.whole(1, 3)), byId: random.chance(0.1) };
    case 'stop':
      return { does, pauseMs, watch, by: random.one(['stop', 'stop', 'unwatch', 'end'] as const) };
    case 'set': {
      const kind = random.one(['plain', 'plain', 'plain', 'plain', 'equal', 'expected', 'stale'] as const);
      const padding = random.chance(0.1) ? random.whole(100, 20_000) : 0;
      return { does, pauseMs, state, variable: random.one(plain), kind, byId: random.chance(0.2), padding };
    }
    case 'burst': {
      const sets = random.one([10, 30, 100, 400]);
      const chosen = random.some(plain, random.whole(1, 4));
      return { does, pauseMs, state, variables: chosen, sets, by, atOnce: random.one([1, 5, 20, 400]) };
    }
    case 'batch':
      return { does, pauseMs, state, variables: random.some(plain, random.whole(1, 5)), by };
    case 'atomic':
      return { does, pauseMs, state, rounds: random.one([1, 1, 3, 20]), by };
    case 'delete':
    case 'register':
      return { does, pauseMs, session, variable: random.one(plain) };
    case 'end-session': {
      const anew = random.one(['at-once', 'at-once', 'after', 'never'] as const);
      const chosen = random.some(plain, random.whole(1, plain.length));
      const target = { session, server, variables: chosen, anew };
      return { does, pauseMs, ...target, isForced: random.chance(0.85), retypes: random.chance(0.5) };
    }
    case 'abandon':
      return { does, pauseMs, forMs: random.one([300, 600, 1_000]) };
    case 'retype':
      return { does, pauseMs, session, variable: random.one(plain) };
    case 'rollback':
      return { does, pauseMs, state, variable: random.one(plain), back: random.whole(1, 5) };
    case 'import':
      return { does, pauseMs, state, variables: random.some(plain, random.whole(1, 5)) };
    case 'wait': {
      const chosen = random.some(plain, random.whole(1, 2));
      return { does, pauseMs, state, variables: chosen, timeoutMs: random.one([100, 1_000]) };
    }
    case 'move':
      return { does, pauseMs, state, size: random.whole(1, 40), forMs: random.whole(0, 300) };
    case 'read':
      return {
        does,
        pauseMs,
        state,
        variable: random.one(plain),
        what: random.one(['get', 'list', 'history', 'watchers'] as const),
      };
    case 'block':
      return { does, pauseMs, forMs: random.one([20, 100, 300, 600]) };
    case 'restart-worker': {
      const pool = random.whole(0, house.pools.length - 1);
      return { does, pauseMs, pool, worker: random.whole(0, Math.max(0, house.pools[pool]!.workers - 1)) };
    }
    case 'cut':
    case 'stall':
    case 'silence':
      return { does, pauseMs, server, forMs: random.one(isShared ? LONG_FAULTS_MS : SHORT_FAULTS_MS) };
    case 'pause-server':
      return { does, pauseMs, server, forMs: random.one(isShared ? LONG_PAUSES_MS : SHORT_FAULTS_MS) };
    case 'cut-engine':
      return { does, pauseMs, server, forMs: random.one(LONG_FAULTS_MS) };
    case 'delay':
      return { does, pauseMs, server, forMs: random.whole(100, 800), delayMs: random.one([2, 20, 80]) };
    case 'kill-server':
      return { does, pauseMs, server, forMs: isShared ? random.one(LONG_FAULTS_MS) : 0 };
    case 'kill-engine':
    case 'fill-engine':
      return { does, pauseMs, forMs: random.one(SHORT_FAULTS_MS) };
    case 'fail-over':
      return { does, pauseMs };
    case 'reopen':
      return { does, pauseMs, state, sets: random.one([0, 5, 40]) };
    default:
      return does satisfies never;
  }
}

function drawWatch(
  random: Random,
  { program, variables }: House,
  place: number,
): { variables: number[]; plan: WatchPlan } {
  const isAtomic = random.chance(program.atomicShare);
  const isRateLimited = random.chance(isAtomic ? 0.1 : 0.25);
  const rate = random.one(['debounce', 'throttle', 'conflate'] as const);
  const filter = isAtomic
    ? 'none'
    : random.one(['none', 'none', 'none', 'none', 'none', 'function', 'condition'] as const);
  const of = (kind: typeof rate, ms: number) => (isRateLimited && rate === kind ? ms : 0);
  const plan: WatchPlan = {
    form: random.chance(0.25) ? 'iterator' : 'callback',
    includeInitial: random.chance(0.4),
    filter,
    above: filter === 'condition' ? random.whole(0, 300) * ABOVE_UNIT : undefined,
    debounceMs: of('debounce', random.whole(5, 80)),
    maxWaitMs: of('debounce', random.one([0, 100])),
    throttleMs: of('throttle', random.whole(5, 80)),
    conflates: isRateLimited && rate === 'conflate',
    // By its place, and not drawn, so that a seed plans what it planned before there were any.
    priority: (['normal', 'urgent', 'background', 'normal', 'background'] as const)[place % 5]!,
    // Of an array the filter is asked before anything of it is told: the judge reads what was asked and told as one order.
    isBatch: place % 4 === 2 && filter !== 'function',
    waitsForMissing: random.chance(0.3),
    pattern: undefined,
    bufferLimit: random.one(program.bufferLimits),
    // What drops the oldest tears batches by its nature.
    overflow: isAtomic ? 'conflate' : random.one(['conflate', 'conflate', 'drop-oldest', 'error'] as const),
    isAtomic,
    staleAfterMs: random.chance(0.1) ? 300 : 0,
    endedBy: random.one(['nothing', 'nothing', 'signal', 'owner'] as const),
    byId: !isAtomic && random.chance(0.12),
  };
  const legs = places(variables, true);
  // Nothing is drawn where there are none, so that a seed plans what it planned before.
  if (program.patternShare > 0 && random.chance(program.patternShare)) {
    const pattern = random.one(['plain-*', '*-*', 'leg-?']);
    const chosen = variables.flatMap(({ name }, at) => (fits(name, pattern) ? [at] : []));
    const free = { filter: 'none', above: undefined, isAtomic: false, waitsForMissing: true, byId: false } as const;
    // One that drops the oldest keeps a value of each variable where it has room for that.
    const bufferLimit = Math.max(plan.bufferLimit, 64);
    return { variables: chosen, plan: { ...plan, ...free, bufferLimit, pattern } };
  }
  if (isAtomic) return { variables: legs, plan };
  const all = filter === 'condition' ? numbersAmong(variables) : variables.map((_, place) => place);
  // None of them is a number: a condition over a number keeps everything out, which is fine too.
  const from = all.length > 0 ? all : legs;
  return { variables: random.some(from, random.one([1, 1, 2, 4])), plan };
}

function fits(name: string, pattern: string): boolean {
  return pattern === '*-*' ? name.includes('-') : name.startsWith(pattern.slice(0, -1));
}

function places(variables: readonly VariablePlan[], areLegs: boolean): number[] {
  return variables.flatMap(({ isLeg }, place) => (isLeg === areLegs ? [place] : []));
}

function numbersAmong(variables: readonly VariablePlan[]): number[] {
  return variables.flatMap(({ type, isLeg }, place) => (type === 'integer' && !isLeg ? [place] : []));
}

const SHORT_FAULTS_MS = [0, 5, 50, 200, 500];
/** So long that clients have to go on at another server. */
const LONG_FAULTS_MS = [0, 50, 500, 3_000];
const LONG_PAUSES_MS = [50, 500, 3_000, 10_000];
/** Sessions and variables below one number of a set: a threshold of this many sets. */
const ABOVE_UNIT = 4_096;

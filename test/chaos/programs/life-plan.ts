/** Draws a life from its seed: the house it happens in and what is done there, step by step. Pure. */
import { TAGGED_TYPES, type TaggedType } from '../history/value-tag.js';
import type { EngineSetup, Program, ProgramName } from './programs.js';
import { FAULTS, OF_THE_HOUSE, PROGRAMS, PROGRAMS_OF } from './programs.js';
import { Random } from './random.js';
import type { Step, StepKind } from './step.js';
import { drawStep } from './step-plan.js';

export interface LifePlan {
  readonly seed: number;
  readonly life: number;
  readonly program: ProgramName;
  readonly engine: EngineSetup;
  readonly isLocal: boolean;
  readonly hasFaults: boolean;
  /** The server is this life's own, because it is killed. */
  readonly hasOwnHouse: boolean;
  /** Sessions end soon that nobody uses. */
  readonly mayExpire: boolean;
  /** No watch may miss a change. */
  readonly isGapless: boolean;
  readonly variables: readonly VariablePlan[];
  readonly sessions: number;
  readonly pools: readonly PoolPlan[];
  readonly states: readonly StatePlan[];
  readonly steps: readonly Step[];
}

/** Each session has all of them. */
export interface VariablePlan {
  readonly name: string;
  readonly type: TaggedType;
  /** One of those that are only set all together. */
  readonly isLeg: boolean;
  /** Not there at first. */
  readonly isLate: boolean;
}

export interface PoolPlan {
  readonly workers: number;
  readonly credits: number;
}

export interface StatePlan {
  readonly transport: 'link' | 'stream';
  /** 0 = its watchers have all the time that they need. */
  readonly maxMainMs: number;
  readonly session: number;
  readonly pool: number;
}

/** `lengthMs`: about how long its steps take. */
export function planLife(
  seed: number,
  life: number,
  lengthMs: number,
  asked?: ProgramName,
  engine: EngineSetup = IN_MEMORY,
): LifePlan {
  const random = new Random(seed, life);
  const drawn = random.one(PROGRAMS_OF[engine.engine]);
  const name = asked ?? drawn;
  const program: Program = PROGRAMS[name];
  // In process each state is a session of its own.
  const count = random.whole(...program.states);
  const sessions = program.isLocal ? count : random.whole(...program.sessions);
  const variables = drawVariables(random);
  const pools = Array.from({ length: random.whole(...program.pools) }, () => ({
    workers: random.whole(...program.workers),
    credits: random.one(program.credits),
  }));
  const states = Array.from({ length: Math.max(count, sessions) }, (_, place) => ({
    // Each session has a state at least.
    session: place < sessions ? place : random.whole(0, sessions - 1),
    pool: random.whole(0, pools.length - 1),
    // Not drawn, so that a seed plans what it planned before there were links.
    transport: (seed + life + place) % 3 === 0 ? ('stream' as const) : ('link' as const),
    // Nor this. Less than a few calls take.
    maxMainMs: (seed + 2 * life + place) % 2 === 0 ? 0.05 : 0,
  }));
  const house = { program, variables, states, sessions, pools, engine };
  const steps: Step[] = [];
  const restarts = new Map<string, number>();
  let watches = 0;
  for (let spentMs = 0; spentMs < lengthMs; ) {
    // Something to see from the start.
    const does = watches < FIRST_WATCHES ? 'watch' : random.weighted<StepKind>(program.weights);
    const step = drawStep(random, does, house, watches);
    if (step.does === 'restart-worker' && !mayDie(restarts, step)) continue;
    if (does === 'watch') watches += 1;
    spentMs +=
      step.pauseMs +
      (step.does === 'block' || step.does === 'abandon' ? step.forMs : 0) +
      (step.does === 'kill-server' ? 600 : 0);
    steps.push(step);
  }
  return {
    ...{ seed, life, program: name, engine, isLocal: program.isLocal, variables, sessions, pools, states, steps },
    hasFaults: steps.some(({ does }) => FAULTS.has(does)),
    hasOwnHouse: steps.some(({ does }) => OF_THE_HOUSE.has(does)),
    mayExpire: steps.some(({ does }) => does === 'abandon'),
    isGapless: program.isGapless && engine.engine !== 'memory',
  };
}

function drawVariables(random: Random): VariablePlan[] {
  const plain = Array.from({ length: random.whole(3, 10) }, (_, place) => ({
    // One is named as the server names its ids.
    name: place === 1 ? 'var_0123456789abcdef0123' : `plain-${place}`,
    type: random.one(TAGGED_TYPES),
    isLeg: false,
    isLate: place > 1 && random.chance(0.15),
  }));
  const legs = Array.from({ length: random.whole(2, 6) }, (_, place) => ({
    name: `leg-${place}`,
    type: 'integer' as const,
    isLeg: true,
    isLate: false,
  }));
  return [...plain, ...legs];
}

/** One that dies five times in a row is given up, and says so: that is no life. */
function mayDie(
  restarts: Map<string, number>,
  { pool, worker }: { readonly pool: number; readonly worker: number },
): boolean {
  const key = `${pool}/${worker}`;
  const before = restarts.get(key) ?? 0;
  restarts.set(key, before + 1);
  return before < MAX_RESTARTS;
}

/** One server that keeps nothing. */
export const IN_MEMORY: EngineSetup = { engine: 'memory', servers: 1 };
const FIRST_WATCHES = 3;
const MAX_RESTARTS = 3;

/** The programs: what each does how often, and in which house. */
import type { StepKind } from './step.js';

export type EngineName = 'memory' | 'sqlite' | 'redis';

/** What a life is led over. */
export interface EngineSetup {
  readonly engine: EngineName;
  /** More than one only where they share the engine. */
  readonly servers: number;
}

export interface Program {
  readonly weights: Readonly<Partial<Record<StepKind, number>>>;
  readonly isLocal: boolean;
  readonly workers: readonly [number, number];
  readonly credits: readonly number[];
  readonly pools: readonly [number, number];
  readonly states: readonly [number, number];
  readonly sessions: readonly [number, number];
  /** Longest pause between two steps. */
  readonly pauseMs: number;
  readonly bufferLimits: readonly number[];
  /** Share of watches over the legs, atomic. */
  readonly atomicShare: number;
  /** Of watches by a pattern. */
  readonly patternShare: number;
  /** No watch is slow, so that none may miss a change where the state outlives its servers. */
  readonly isGapless: boolean;
}

const SETTING = { set: 20, burst: 6, batch: 5, atomic: 4, read: 2 } as const;
const WATCHING = { watch: 9, add: 4, remove: 4, stop: 5 } as const;
const LIVES = { delete: 2, register: 3 } as const;
/** What meets a session that is ended, or a name that begins anew, while it is under way. */
const ENDS = { 'end-session': 4, retype: 3, rollback: 2, import: 2, wait: 3, move: 1 } as const;
const BREAKS = { cut: 2, stall: 1, silence: 0.5, delay: 1, 'pause-server': 0.7 } as const;

const USUAL = {
  isLocal: false,
  workers: [0, 3],
  credits: [64, 256, 16_384],
  pools: [1, 2],
  states: [1, 3],
  sessions: [1, 2],
  pauseMs: 40,
  bufferLimits: [1_024, 1_024, 64, 8],
  atomicShare: 0.2,
  patternShare: 0,
  isGapless: false,
} as const;

const GENTLE = { credits: [16_384], bufferLimits: [16_384], states: [2, 3], isGapless: true } as const;

export const PROGRAMS = {
  /** Watches that stay, and sets: what has to hold first. */
  steady: { ...USUAL, weights: { ...SETTING, watch: 6 } },
  /** In process: no wire, no worker. */
  local: { ...USUAL, weights: { ...SETTING, ...WATCHING, ...LIVES, block: 1 }, isLocal: true, pauseMs: 20 },
  /** Everything that asks for no fault: each call has to succeed. */
  calm: { ...USUAL, weights: { ...SETTING, ...WATCHING, ...LIVES } },
  /** States that share their workers, of the same session and of others. */
  shared: { ...USUAL, weights: { ...SETTING, ...WATCHING, reopen: 1 }, states: [3, 4], pools: [1, 1], workers: [1, 2] },
  /** A main thread that is busy, short buffers and few credits. */
  overflow: {
    ...USUAL,
    weights: {
      watch: 10,
      stop: 4,
      add: 3,
      remove: 3,
      burst: 16,
      atomic: 6,
      set: 4,
      block: 8,
      delete: 1,
      register: 1.5,
    },
    workers: [1, 2],
    credits: [64, 64, 128],
    bufferLimits: [4, 8, 16, 64, 1_024],
  },
  /** A wire that breaks in every way. */
  breaks: { ...USUAL, weights: { ...SETTING, ...WATCHING, ...LIVES, ...BREAKS } },
  /** A server that dies and begins anew. */
  kills: { ...USUAL, weights: { ...SETTING, ...WATCHING, ...LIVES, 'kill-server': 1.2, cut: 1 }, pauseMs: 60 },
  /** Workers that die, also while something opens or stops. */
  workers: { ...USUAL, weights: { ...SETTING, ...WATCHING, ...LIVES, 'restart-worker': 5, block: 1 }, workers: [1, 3] },
  /** Batches that are whole, or not there. */
  atomic: {
    ...USUAL,
    weights: { watch: 8, stop: 4, atomic: 24, set: 4, cut: 3, block: 2, 'restart-worker': 1, delay: 1 },
    workers: [1, 2],
    atomicShare: 0.8,
  },
  /** Watches that come and go, faster than they open. */
  stopping: {
    ...USUAL,
    weights: { watch: 20, add: 8, remove: 8, stop: 18, burst: 8, block: 2, cut: 1, 'restart-worker': 1 },
    credits: [64, 256],
    pauseMs: 10,
  },
  /** States that close while sets and watches are under way. */
  closing: { ...USUAL, weights: { ...SETTING, ...WATCHING, reopen: 5 }, states: [2, 3] },
  /** All of it. */
  everything: {
    ...USUAL,
    weights: {
      ...SETTING,
      ...WATCHING,
      ...LIVES,
      ...BREAKS,
      'kill-server': 0.4,
      'restart-worker': 1.5,
      block: 2,
      reopen: 0.7,
    },
    states: [2, 4],
    bufferLimits: [1_024, 64, 8],
  },
  /** Sessions that are ended, and made anew, while everything is under way: no call may be left without its answer. */
  ends: { ...USUAL, weights: { ...SETTING, ...WATCHING, ...LIVES, ...ENDS, watch: 24 }, patternShare: 0.2 },
  /** The same with all that breaks. */
  endings: {
    ...USUAL,
    weights: {
      ...SETTING,
      ...WATCHING,
      ...LIVES,
      ...ENDS,
      ...{ watch: 24, cut: 2, silence: 0.5, delay: 1, 'restart-worker': 1.5, block: 1, reopen: 1 },
    },
    states: [2, 3],
    bufferLimits: [1_024, 64, 8],
    patternShare: 0.2,
  },
  /** Sessions that end because nobody comes to them for too long. */
  abandoned: {
    ...USUAL,
    weights: { ...SETTING, ...WATCHING, ...LIVES, watch: 16, abandon: 3, 'end-session': 1, wait: 2, cut: 1 },
    patternShare: 0.2,
  },
  /** A server that dies and goes on where it was, while nothing else can make a watch miss anything. */
  restarts: { ...USUAL, ...GENTLE, weights: { ...SETTING, ...WATCHING, 'kill-server': 3 }, pauseMs: 60 },
  /** Servers that share their state, one of them always in trouble. */
  fronts: {
    ...USUAL,
    ...GENTLE,
    weights: {
      ...SETTING,
      ...WATCHING,
      'kill-server': 1,
      'pause-server': 0.5,
      cut: 1,
      'cut-engine': 1,
      'kill-engine': 0.5,
    },
    pauseMs: 80,
  },
  /** What keeps the state has no more room, now and then, and dies too. */
  full: {
    ...USUAL,
    ...GENTLE,
    weights: { ...SETTING, ...WATCHING, 'fill-engine': 2, 'kill-server': 0.5, 'kill-engine': 0.5 },
    pauseMs: 60,
  },
  /** A Redis and its replica that change places, and servers that die meanwhile. */
  failovers: {
    ...USUAL,
    ...GENTLE,
    weights: { ...SETTING, ...WATCHING, 'fail-over': 2, 'kill-server': 0.5, 'cut-engine': 0.5 },
    pauseMs: 80,
  },
} as const satisfies Readonly<Record<string, Program>>;

export type ProgramName = keyof typeof PROGRAMS;

export const PROGRAM_NAMES = Object.keys(PROGRAMS) as ProgramName[];

const OF_ENGINES: ReadonlySet<ProgramName> = new Set(['restarts', 'fronts', 'full', 'failovers']);

const OF_BOTH = ['breaks', 'kills', 'atomic', 'closing', 'everything', 'full'] as const;
const OF_ENDS = ['ends', 'endings', 'abandoned'] as const;

/** Those that an engine's lives are drawn from. */
export const PROGRAMS_OF: Readonly<Record<EngineName, readonly ProgramName[]>> = {
  memory: PROGRAM_NAMES.filter((name) => !OF_ENGINES.has(name)),
  sqlite: ['restarts', 'restarts', ...OF_BOTH, ...OF_ENDS],
  redis: ['fronts', 'fronts', ...OF_BOTH, 'failovers', ...OF_ENDS],
};

/** After these calls may fail that would not otherwise. */
export const FAULTS: ReadonlySet<StepKind> = new Set<StepKind>([
  ...(['cut', 'stall', 'silence', 'delay', 'pause-server', 'kill-server', 'restart-worker'] as const),
  ...(['cut-engine', 'kill-engine', 'fill-engine', 'fail-over', 'abandon'] as const),
]);

/** They break more than what lies before a server: the house is of one life. */
export const OF_THE_HOUSE: ReadonlySet<StepKind> = new Set<StepKind>([
  ...(['kill-server', 'kill-engine', 'fill-engine', 'fail-over', 'abandon'] as const),
]);

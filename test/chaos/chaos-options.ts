/** The arguments of `npm run chaos`. */
import { parseArgs } from 'node:util';
import type { EngineName, EngineSetup, ProgramName } from './programs/programs.js';
import { PROGRAM_NAMES, PROGRAMS_OF } from './programs/programs.js';
import type { LoadOptions } from './restart-load.js';

export interface ChaosOptions {
  readonly seed: number;
  /** So many, from `seed` on, a life of each in turn. */
  readonly seeds: number;
  /** Only this one of the seed. */
  readonly life: number | undefined;
  /** Lives at most. */
  readonly lives: number;
  /** No life begins after this, ms. */
  readonly untilMs: number;
  readonly program: ProgramName | undefined;
  readonly engine: EngineSetup;
  /** About how long the steps of a life take, ms. */
  readonly lengthMs: number;
  readonly printsSteps: boolean;
  /** No lives, but so many kills of a server under load. */
  readonly load: LoadOptions | undefined;
  /** Folder for the histories of lives that broke a promise. */
  readonly dump: string | undefined;
}

export const USAGE = `npm run chaos -- [options]
  --seed N       whose lives; default: drawn, and printed
  --seeds K      so many seeds, from N on, a life of each in turn (1)
  --minutes M    begins lives for this long; default: until --lives are over, 1 without it
  --lives K      lives at most
  --life N       only that one, as a failing one says
  --program P    one of ${PROGRAM_NAMES.join(', ')}; default: drawn for each life
  --engine E     memory, sqlite or redis, in a folder of its own; default memory
  --servers K    servers over one Redis; default 2
  --length S     seconds of steps a life; default 5
  --kills K      instead of lives: a server over sqlite, loaded, that is killed so often,
                 with --rate sets a second (5000), --watches (2000) and --variables (100000)
  --steps        prints the steps of each life
  --dump FOLDER  writes there what happened in a life that breaks a promise, as JSON`;

/** @throws Error with a sentence */
export function parseChaosOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      lives: { type: 'string' },
      life: { type: 'string' },
      program: { type: 'string' },
      engine: { type: 'string' },
      servers: { type: 'string' },
      kills: { type: 'string' },
      rate: { type: 'string' },
      watches: { type: 'string' },
      variables: { type: 'string' },
      length: { type: 'string' },
      steps: { type: 'boolean' },
      dump: { type: 'string' },
    },
  });
  const { program } = values;
  if (program !== undefined && !isProgram(program)) {
    throw new Error(`--program ${program}: use one of ${PROGRAM_NAMES.join(', ')}`);
  }
  const life = numberOf('life', values.life);
  const lives = life === undefined ? numberOf('lives', values.lives) : 1;
  const minutes = numberOf('minutes', values.minutes) ?? (lives === undefined ? 1 : Number.POSITIVE_INFINITY);
  const seed = numberOf('seed', values.seed) ?? Math.floor(Math.random() * 1_000_000);
  const engine = engineOf(values.engine ?? 'memory', numberOf('servers', values.servers));
  const kills = numberOf('kills', values.kills);
  if (kills !== undefined && engine.engine !== 'sqlite') throw new Error('--kills: of --engine sqlite');
  const watches = numberOf('watches', values.watches) ?? 2_000;
  const variables = Math.max(watches, numberOf('variables', values.variables) ?? 100_000);
  const rate = numberOf('rate', values.rate) ?? 5_000;
  return {
    seed,
    load: kills === undefined ? undefined : { seed, kills, rate, watches, variables },
    seeds: Math.max(1, numberOf('seeds', values.seeds) ?? 1),
    life,
    lives: lives ?? Number.POSITIVE_INFINITY,
    untilMs: minutes * 60_000,
    program,
    engine,
    lengthMs: (numberOf('length', values.length) ?? 5) * 1_000,
    printsSteps: values.steps ?? false,
    dump: values.dump,
  };
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (text === '' || !Number.isFinite(number) || number < 0) throw new Error(`--${name} ${text}: a number from 0`);
  return number;
}

function engineOf(engine: string, servers: number | undefined): EngineSetup {
  if (!(engine in PROGRAMS_OF))
    throw new Error(`--engine ${engine}: use one of ${Object.keys(PROGRAMS_OF).join(', ')}`);
  if (engine !== 'redis' && (servers ?? 1) !== 1)
    throw new Error('--servers: several share an engine, give --engine redis');
  return { engine: engine as EngineName, servers: Math.max(1, servers ?? (engine === 'redis' ? 2 : 1)) };
}

function isProgram(name: string): name is ProgramName {
  return (PROGRAM_NAMES as readonly string[]).includes(name);
}

/** What `npm run bench` runs: a job for the product and, in the same run, for its baselines. */
import type { BenchOptions } from '../bench-options.js';
import type { Row } from '../report/row.js';
import { medianRow } from '../report/row.js';

export interface Scenario {
  readonly name: string;
  /** For --help: what is measured, in a line. */
  readonly summary: string;
  /** Takes minutes: runs only when it is named. */
  readonly isLong?: boolean;
  run(options: BenchOptions): Promise<Outcome>;
}

export interface Outcome {
  readonly title: string;
  /** Ours, with its ratios, before its baselines. */
  readonly rows: readonly Row[];
  /** What makes the figures worthless, such as an update that was neither delivered nor counted as missed: the run fails. */
  readonly problems: readonly string[];
}

export interface Measured {
  /** Undefined when it could not be measured, which has been told. */
  readonly row: Row | undefined;
  readonly problems: readonly string[];
}

/** How much a scenario does. `rate` counts updates that watchers get per second, in all. */
export interface Load {
  readonly watches: number;
  readonly rate: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** The scenario's own load for the size asked for, with what the command line says instead. */
export function loadOf(options: BenchOptions, sizes: { readonly quick: Load; readonly normal: Load }): Load {
  const own = options.size === 'quick' ? sizes.quick : sizes.normal;
  return {
    watches: options.watches ?? own.watches,
    rate: options.rate ?? own.rate,
    seconds: options.seconds ?? (options.size === 'full' ? FULL_SECONDS : own.seconds),
    warmupSeconds: own.warmupSeconds,
  };
}

/** Makes each measurement `runs` times, in turn and then backwards, so that a machine that gets slower does not favour one; medians. */
export async function measureInTurn(runs: number, measure: readonly (() => Promise<Measured>)[]): Promise<Measured[]> {
  const made: Measured[][] = measure.map(() => []);
  for (let run = 0; run < runs; run += 1) {
    const order = measure.map((_, place) => (run % 2 === 0 ? place : measure.length - 1 - place));
    for (const place of order) made[place]!.push(await measure[place]!());
  }
  return made.map((runs) => {
    const rows = runs.flatMap(({ row }) => row ?? []);
    return {
      row: rows.length === 0 ? undefined : medianRow(rows),
      problems: runs.flatMap(({ problems }) => problems),
    };
  });
}

/** One outcome of a scenario that varies something: its cases one after the other. */
export async function outcomeOfCases<C>(
  title: string,
  cases: readonly C[],
  measure: (value: C) => Promise<Outcome>,
): Promise<Outcome> {
  const rows: Row[] = [];
  const problems: string[] = [];
  for (const value of cases) {
    try {
      const outcome = await measure(value);
      rows.push(...outcome.rows);
      problems.push(...outcome.problems);
    } catch (error) {
      // The cases before are worth having all the same, and so may be those behind.
      problems.push(`${title}, at ${value}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { title, rows, problems };
}

const FULL_SECONDS = 30;

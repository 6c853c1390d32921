/** Which plots a page has, and what to read from each. Decides only; draw-plots.ts draws in the browser. A plot that no row fills is left out. */
import { CURVE_PERCENTILES } from '../processes/update-recorder.js';
import type { Figure, Row } from './row.js';
import { labelOf } from './table.js';

export interface Axis {
  /** With its unit. */
  readonly label: string;
  readonly isLog: boolean;
  /** Where it has marks, and what stands there; its own choice when left out. */
  readonly marks?: readonly (readonly [at: number, text: string])[];
}

export interface Series {
  readonly name: string;
  /** Place in the page's colours. */
  readonly color: number;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly title: string;
  /** What to read from it: one sentence. */
  readonly reading: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

export interface Bars {
  readonly title: string;
  readonly reading: string;
  readonly bars: readonly { readonly name: string; readonly color: number; readonly value: number }[];
}

/** The curves of a scenario's rows; of one case, where it has several. */
export function plotsOf(scenario: string, rows: readonly Row[]): Plot[] {
  const swept = SWEEPS[scenario];
  if (swept !== undefined) return swept(rows).filter(hasLine);
  const cases = [...new Set(rows.map((row) => row.case))];
  const percentiles = cases.map((name) =>
    percentilePlot(
      name,
      rows.filter((row) => row.case === name),
    ),
  );
  // With several numbers of workers on the command line any scenario is a sweep of them too.
  return [...percentiles, ...(cases.length === 1 ? workerPlots(rows) : [])].filter(hasLine);
}

export function barsOf(scenario: string, rows: readonly Row[]): Bars[] {
  if (SWEEPS[scenario] !== undefined) return [];
  const cases = [...new Set(rows.map((row) => row.case))];
  return cases.flatMap((name) => {
    const own = rows.filter((row) => row.case === name);
    const end = name === undefined ? '' : `: ${name}`;
    return BARS.filter(({ only }) => only === undefined || only.includes(scenario))
      .map(({ figure, title, reading }) => ({
        title: `${title}${end}`,
        reading,
        bars: own.flatMap((row) => {
          const value = row[figure];
          return value === undefined || value <= 0 ? [] : [{ name: labelOf(row), color: colorOf(row), value }];
        }),
      }))
      .filter(({ bars }) => bars.length > 0);
  });
}

/** The same client has the same colour in every plot. */
function colorOf({ transport }: Row): number {
  const place = COLOR_ORDER.indexOf(transport);
  return place < 0 ? COLOR_ORDER.length : place;
}

function percentilePlot(name: string | undefined, rows: readonly Row[]): Plot {
  return {
    title: name === undefined ? 'latency by percentile' : `latency by percentile: ${name}`,
    reading:
      'Lower is better. From left to right ever rarer updates: at p99 one in a hundred is later than the line, so the right end is what a user notices.',
    x: { label: 'percentile of all updates', isLog: false, marks: PERCENTILE_MARKS },
    y: { label: 'latency, ms', isLog: true },
    series: rows.map((row) => ({
      name: labelOf(row),
      color: colorOf(row),
      points: curveOf(row),
    })),
  };
}

/** All points where they are known, else those of the table. */
function curveOf({ curve_ms, p50_ms, p90_ms, p99_ms, p999_ms }: Row): [number, number][] {
  if (curve_ms !== undefined) return curve_ms.map((ms, place) => [ninesOf(CURVE_PERCENTILES[place]!), ms]);
  return [p50_ms, p90_ms, p99_ms, p999_ms].flatMap((ms, place) =>
    ms === undefined ? [] : [[ninesOf([50, 90, 99, 99.9][place]!), ms] as [number, number]],
  );
}

/** A line a client: the figure against what the scenario varied. */
function linesOf(rows: readonly Row[], x: Figure, y: Figure): Series[] {
  return [...new Set(rows.map(labelOf))].map((name) => {
    const own = rows.filter((row) => labelOf(row) === name);
    const points = own.flatMap((row) => {
      const [at, value] = [row[x], row[y]];
      return at === undefined || value === undefined || value <= 0 ? [] : [[at, value] as const];
    });
    return { name, color: colorOf(own[0]!), points: points.toSorted(([a], [b]) => a - b) };
  });
}

function latencyPlots(rows: readonly Row[], x: Axis, along: Figure, against: string): Plot[] {
  return (
    [
      [
        'p50_ms',
        'median latency',
        'Half of all updates are later than the line; a line that stays flat is one that the axis below does not concern.',
      ],
      [
        'p99_ms',
        'p99 latency',
        'One update in a hundred is later than the line; where it turns upwards the machine is full, and what follows is queueing.',
      ],
    ] as const
  ).map(([figure, title, reading]) => ({
    title: `${title} against ${against}`,
    reading,
    x,
    y: { label: 'latency, ms', isLog: true },
    series: linesOf(rows, along, figure),
  }));
}

function cpuPlots(rows: readonly Row[], x: Axis, along: Figure, against: string): Plot[] {
  return (
    [
      ['client_cpu_us', 'CPU of the watching process'],
      ['server_cpu_us', 'CPU of the server'],
    ] as const
  ).map(([figure, title]) => ({
    title: `${title} against ${against}`,
    reading:
      'All threads, per update, the writer’s sets included at the server: what falls to the right is cost that updates share when they travel together.',
    x,
    y: { label: 'us an update', isLog: true },
    series: linesOf(rows, along, figure),
  }));
}

/** Against the number of workers, a line a carrier. */
function workerPlots(rows: readonly Row[]): Plot[] {
  const ours = rows.filter(({ workers }) => workers !== undefined);
  const byCarrier = (figure: Figure) =>
    [...new Set(ours.map(({ transport }) => transport))].map((transport) => {
      const own = ours.filter((row) => row.transport === transport);
      const [line] = linesOf(
        own.map(({ workers = 0, ...row }) => ({ ...row, watches: workers })),
        'watches',
        figure,
      );
      return { ...line!, name: transport };
    });
  return (
    [
      [
        'p50_ms',
        'median latency',
        'latency, ms',
        'More threads than cores wait for each other; the least worker count at the bottom is the one to take.',
      ],
      ['p99_ms', 'p99 latency', 'latency, ms', 'The rare late update, by the number of workers.'],
      ['main_busy_us', 'main thread', 'us an update', 'What workers buy: with 0 all work is on the main thread.'],
      [
        'client_cpu_us',
        'CPU of the watching process',
        'us an update',
        'What workers cost: an update that crosses threads wakes one more.',
      ],
    ] as const
  ).map(([figure, title, unit, reading]) => ({
    title: `${figure === 'p50_ms' ? 'latency by workers: ' : ''}${title} against workers`,
    reading,
    x: WORKERS,
    y: { label: unit, isLog: true },
    series: byCarrier(figure),
  }));
}

function hasLine({ series }: Plot): boolean {
  return series.some(({ points }) => points.length > 1);
}

/** Place of a percentile on an axis where each further nine is as far again: 90 is 1, 99 is 2. */
function ninesOf(percentile: number): number {
  return -Math.log10(1 - percentile / 100);
}

const PERCENTILE_MARKS = [50, 90, 99, 99.9, 99.99].map(
  (percentile) => [ninesOf(percentile), `p${percentile}`] as const,
);

const RATE: Axis = { label: 'updates a second', isLog: true };
const WATCHES: Axis = { label: 'watches', isLog: true };
const WORKERS: Axis = {
  label: 'worker threads',
  isLog: false,
  marks: [0, 1, 2, 3, 4].map((count) => [count, String(count)] as const),
};

/** Scenarios whose cases are points of one line. */
const SWEEPS: Readonly<Record<string, (rows: readonly Row[]) => Plot[]>> = {
  rates: (rows) => [...latencyPlots(rows, RATE, 'rate', 'rate'), ...cpuPlots(rows, RATE, 'rate', 'rate')],
  watches: (rows) => [
    ...latencyPlots(rows, WATCHES, 'watches', 'watches'),
    ...cpuPlots(rows, WATCHES, 'watches', 'watches'),
  ],
  memory: (rows) =>
    (
      [
        [
          'server_kb_per_watch',
          'server memory of a watch',
          'KB a watch',
          'Growth of resident memory, shared out: to the left what is there once weighs most, to the right is what a further watch costs.',
        ],
        [
          'client_kb_per_watch',
          'client memory of a watch',
          'KB a watch',
          'The same at the watching process, its workers included.',
        ],
        [
          'server_rss_mb',
          'server memory in all',
          'MB resident',
          'Variables, their history and watches: read from it what machine a number of watches needs.',
        ],
        [
          'open_ms',
          'time to open all watches',
          'ms',
          'Until the server has registered the last one; several clients open one after the other.',
        ],
      ] as const
    ).map(([figure, title, unit, reading]) => ({
      title: `${title} against watches`,
      reading,
      x: WATCHES,
      y: { label: unit, isLog: true },
      series: linesOf(rows, 'watches', figure),
    })),
  workers: workerPlots,
};

const BARS: readonly { figure: Figure; title: string; reading: string; only?: readonly string[] }[] = [
  { figure: 'reached', title: 'sets a second', reading: 'Higher is better.', only: ['sets'] },
  {
    figure: 'main_elu',
    title: 'main thread utilisation',
    reading: 'Share of the time that the main thread was busy, 0 to 1: what is left is your program’s.',
  },
  {
    figure: 'client_cpu_us',
    title: 'CPU of the client, us an update or set',
    reading: 'All threads of the watching or setting process; lower is better.',
  },
  {
    figure: 'server_cpu_us',
    title: 'CPU of the server, us an update or set',
    reading: 'All threads; lower is better.',
  },
  {
    figure: 'open_ms',
    title: 'time to open all watches, ms',
    reading: 'Until the server has registered the last one; lower is better.',
  },
  {
    figure: 'client_kb_per_watch',
    title: 'client memory per watch, KB',
    reading: 'Growth of resident memory; lower is better.',
  },
  {
    figure: 'server_kb_per_watch',
    title: 'server memory per watch, KB',
    reading: 'Growth of resident memory; lower is better.',
  },
  {
    figure: 'watch_unwatch_us',
    title: 'watching and unwatching again, us',
    reading: 'Time per watch of a round; lower is better.',
  },
  {
    figure: 'back_ms',
    title: 'all watches back, ms',
    reading: 'From the moment at which the server listens again; lower is better.',
  },
  { figure: 'set_us', title: 'a set with one watcher, us', reading: 'The call itself; lower is better.' },
];

const COLOR_ORDER = ['link', 'stream', 'plain', 'redis', 'nats', 'nats-kv', 'etcd', 'tcp'];

/** One line of figures, as it stands in the JSON. A figure that was not measured is absent, never 0. */

export interface Row {
  readonly scenario: string;
  /** `link`, `stream`, either with `, one call` where a watch has all names, `plain` (grpc-js without us), a peer such as `redis`, `tcp`, `local`, `emitter`, or `micro`. */
  readonly transport: string;
  /** What a scenario varied, in words, such as `1 in flight`; absent where it has one case. */
  readonly case?: string;
  readonly workers?: number;
  readonly watches?: number;
  /** Sets that were on their way at once. */
  readonly in_flight?: number;
  /** Updates that watchers shall get, or sets, per second: asked for and reached. */
  readonly rate?: number;
  readonly reached?: number;
  readonly expected?: number;
  readonly delivered?: number;
  readonly missed?: number;
  readonly p50_ms?: number;
  readonly p90_ms?: number;
  readonly p99_ms?: number;
  readonly p999_ms?: number;
  readonly max_ms?: number;
  /** The longest wait for the first such request of a new server, whose code has not run before. */
  readonly first_max_ms?: number;
  /** Until the large request was answered itself. */
  readonly answered_ms?: number;
  /** Main thread's loop, per update, without the work that a scenario puts there itself. */
  readonly main_busy_us?: number;
  readonly main_elu?: number;
  readonly loop_delay_p99_ms?: number;
  readonly client_cpu_us?: number;
  readonly server_cpu_us?: number;
  readonly client_rss_mb?: number;
  readonly server_rss_mb?: number;
  /** How late the writer made its calls: part of every latency beside it. */
  readonly writer_late_p99_ms?: number;
  readonly open_ms?: number;
  readonly client_kb_per_watch?: number;
  readonly client_heap_kb_per_watch?: number;
  readonly server_kb_per_watch?: number;
  readonly server_heap_kb_per_watch?: number;
  /** CPU while nothing happens, of one core. */
  readonly client_idle_percent?: number;
  readonly server_idle_percent?: number;
  /** From the moment at which a server that was started again listened: until all watches were registered again, and until all had its value. */
  readonly back_ms?: number;
  readonly resynced_ms?: number;
  /** That it took from each client until then, on average. */
  readonly connections_per_client?: number;
  /** Watching and unwatching again, per watch. */
  readonly watch_unwatch_us?: number;
  /** Resident memory and the main thread's heap after all rounds, less what they were after the first. */
  readonly client_growth_mb?: number;
  readonly client_heap_growth_mb?: number;
  readonly server_growth_mb?: number;
  readonly server_heap_growth_mb?: number;
  readonly streams_left?: number;
  readonly set_us?: number;
  readonly notify_us?: number;
  readonly mean_ns?: number;
  readonly p50_ns?: number;
  readonly p99_ns?: number;
  readonly per_second?: number;
  /** Latency at each of CURVE_PERCENTILES (processes/update-recorder.ts), ms. */
  readonly curve_ms?: readonly number[];
  /** By baseline, by figure: ours divided by the baseline's. */
  readonly ratios?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** The keys of a row that hold numbers. */
export type Figure = Exclude<keyof Row, 'scenario' | 'transport' | 'case' | 'curve_ms' | 'ratios'>;

/** As a scenario makes them: what it did not measure is undefined. */
export type RawRow = { readonly [K in Figure]?: number | undefined } & {
  readonly scenario: string;
  readonly transport: string;
  readonly case?: string | undefined;
  readonly curve_ms?: readonly number[] | undefined;
};

/** Leaves out what is not a finite number, and rounds to four digits: the noise is in the second. */
export function rowOf(raw: RawRow): Row {
  const row: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    if (typeof value === 'string') row[key] = value;
    else if (Array.isArray(value)) row[key] = value.map(roundTo4);
    else if (typeof value === 'number' && Number.isFinite(value)) row[key] = roundTo4(value);
  }
  return row as unknown as Row;
}

/** Undefined stays so. */
export function mbOf(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / 2 ** 20;
}

/** Counts add up over the runs, so that nothing missed hides; of everything else the median. */
export function medianRow(rows: readonly Row[]): Row {
  const [first] = rows;
  if (first === undefined) throw new RangeError('a median needs at least one row');
  const figures: Record<string, number> = {};
  for (const key of figuresOf(rows)) {
    const values = rows.map((row) => row[key]).filter((value) => value !== undefined);
    figures[key] = TOTALLED.has(key) ? values.reduce((sum, value) => sum + value, 0) : median(values);
  }
  const curves = rows.flatMap(({ curve_ms }) => (curve_ms === undefined ? [] : [curve_ms]));
  const curve = curves[0]?.map((_, place) => median(curves.map((points) => points[place]!)));
  const { scenario, transport } = first;
  return rowOf({ scenario, transport, case: first.case, ...figures, curve_ms: curve });
}

/** `ours / baseline` for each named figure that both have. */
export function ratiosTo(ours: Row, baseline: Row, figures: readonly Figure[]): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const key of figures) {
    const [a, b] = [ours[key], baseline[key]];
    if (a !== undefined && b !== undefined && b > 0) ratios[ratioName(key)] = roundTo4(a / b);
  }
  return ratios;
}

export function withRatios(row: Row, baseline: string, ratios: Record<string, number>): Row {
  return Object.keys(ratios).length === 0 ? row : { ...row, ratios: { ...row.ratios, [baseline]: ratios } };
}

/** A ratio has no unit: `p99_ms` becomes `p99`. */
export function ratioName(figure: Figure): string {
  return figure.replace(/_(?:ms|us|ns|mb)$/, '');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function figuresOf(rows: readonly Row[]): Figure[] {
  const keys = new Set<string>();
  for (const row of rows) for (const [key, value] of Object.entries(row)) if (typeof value === 'number') keys.add(key);
  return [...keys] as Figure[];
}

function roundTo4(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(4));
}

const TOTALLED: ReadonlySet<string> = new Set(['expected', 'delivered', 'missed']);

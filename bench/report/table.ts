/** Rows as an aligned table: one line a row, beneath it its baselines, and the ratios to them. A column that no row fills is left out. */
import type { Figure, Row } from './row.js';
import { ratioName } from './row.js';

export interface Column {
  readonly title: string;
  /** One figure, or two that stand together. */
  readonly figures: readonly [Figure] | readonly [Figure, Figure];
}

/** `ours` first, then the rows that it is compared with. */
export function formatTable(rows: readonly Row[], columns: readonly Column[] = COLUMNS): string {
  const shown = columns.filter(({ figures }) => rows.some((row) => row[figures[0]] !== undefined));
  const lines = [['', ...shown.map(({ title }) => title)]];
  for (const row of rows) lines.push([labelOf(row), ...shown.map((column) => cellOf(row, column))]);
  // With one carrier the number of workers says whose the ratios are.
  const areOneCarrier = new Set(rows.filter(({ ratios }) => ratios).map(({ transport }) => transport)).size === 1;
  for (const row of rows) {
    for (const [baseline, ratios] of Object.entries(row.ratios ?? {})) {
      const label = `${row.workers === undefined || !areOneCarrier ? labelOf(row) : `${row.workers}w`} / ${baseline}`;
      lines.push([label, ...shown.map(({ figures }) => ratioCell(ratios, figures))]);
    }
  }
  return align(lines);
}

/** Who was measured: the transport and its workers, or the kernel. */
export function labelOf({ scenario, transport, workers }: Row): string {
  if (transport === 'micro') return scenario.slice('micro '.length);
  return workers === undefined ? transport : `${transport} ${workers}w`;
}

/** First column to the left, the others to the right. */
export function align(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, place) => Math.max(...lines.map((line) => line[place]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, place) => (place === 0 ? cell.padEnd(widths[place]!) : cell.padStart(widths[place]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Three digits, no exponents. */
export function formatFigure(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value));
  if (size >= 10) return value.toFixed(1);
  return size >= 0.1 ? value.toFixed(2) : value.toFixed(3);
}

function cellOf(row: Row, { figures }: Column): string {
  const values = figures.map((figure) => row[figure]);
  if (values.every((value) => value === undefined)) return '';
  return values.map((value) => (value === undefined ? '-' : formatFigure(value))).join('/');
}

function ratioCell(ratios: Readonly<Record<string, number>>, figures: readonly Figure[]): string {
  const values = figures.map((figure) => ratios[ratioName(figure)]);
  if (values.every((value) => value === undefined)) return '';
  return values.map((value) => (value === undefined ? '-' : `x${formatFigure(value)}`)).join('/');
}

const COLUMNS: readonly Column[] = [
  { title: 'reached', figures: ['reached'] },
  { title: 'delivered', figures: ['delivered', 'expected'] },
  { title: 'missed', figures: ['missed'] },
  { title: 'open ms', figures: ['open_ms'] },
  { title: 'client KB', figures: ['client_kb_per_watch'] },
  { title: 'heap KB', figures: ['client_heap_kb_per_watch'] },
  { title: 'server KB', figures: ['server_kb_per_watch'] },
  { title: 'heap KB', figures: ['server_heap_kb_per_watch'] },
  { title: 'idle % c/s', figures: ['client_idle_percent', 'server_idle_percent'] },
  { title: 'back ms', figures: ['back_ms'] },
  { title: 'resynced ms', figures: ['resynced_ms'] },
  { title: 'connections', figures: ['connections_per_client'] },
  { title: 'us per watch', figures: ['watch_unwatch_us'] },
  { title: 'growth MB c/s', figures: ['client_growth_mb', 'server_growth_mb'] },
  { title: 'heap growth MB c/s', figures: ['client_heap_growth_mb', 'server_heap_growth_mb'] },
  { title: 'streams left', figures: ['streams_left'] },
  { title: 'set us', figures: ['set_us'] },
  { title: 'notify us', figures: ['notify_us'] },
  { title: 'p50 ms', figures: ['p50_ms'] },
  { title: 'p90', figures: ['p90_ms'] },
  { title: 'p99', figures: ['p99_ms'] },
  { title: 'p99.9', figures: ['p999_ms'] },
  { title: 'max', figures: ['max_ms'] },
  { title: 'first max', figures: ['first_max_ms'] },
  { title: 'answered ms', figures: ['answered_ms'] },
  { title: 'main us', figures: ['main_busy_us'] },
  { title: 'elu', figures: ['main_elu'] },
  { title: 'loop99', figures: ['loop_delay_p99_ms'] },
  { title: 'cpu us c/s', figures: ['client_cpu_us', 'server_cpu_us'] },
  { title: 'rss c/s', figures: ['client_rss_mb', 'server_rss_mb'] },
  { title: 'mean ns', figures: ['mean_ns'] },
  { title: 'p50', figures: ['p50_ns'] },
  { title: 'p99', figures: ['p99_ns'] },
  { title: 'per second', figures: ['per_second'] },
];

/** What ARCHITECTURE promises, held against what was measured. Over budget is said, and fails nothing: machines are noisy. */
import type { Figure, Row } from './row.js';
import { formatFigure, labelOf } from './table.js';

export interface Budget {
  readonly scenario: string;
  readonly transport: string;
  readonly figure: Figure;
  readonly limit: number;
  readonly unit: string;
  /** The load that it is promised for; any when left out. */
  readonly load?: { readonly watches: number; readonly rate?: number };
}

export function judgeBudgets(rows: readonly Row[], budgets: readonly Budget[] = BUDGETS): string[] {
  return rows.flatMap((row) =>
    budgets
      .filter(({ scenario, transport }) => scenario === row.scenario && transport === row.transport)
      .filter(({ figure }) => row[figure] !== undefined)
      .map((budget) => judge(row, budget)),
  );
}

function judge(row: Row, { figure, limit, unit, load }: Budget): string {
  const value = row[figure]!;
  const measured = `${labelOf(row)}: ${NAMES[figure] ?? figure} ${formatFigure(value)} ${unit}`;
  const promised = `${formatFigure(limit)} ${unit}`;
  if (load !== undefined && (load.watches !== row.watches || load.rate !== row.rate)) {
    const rate = load.rate === undefined ? '' : ` at ${load.rate}/s`;
    return `${measured} (the budget of ${promised} is for ${load.watches} watches${rate})`;
  }
  return `${measured}: ${value <= limit ? 'within budget' : 'over budget'} (${promised})`;
}

const STEADY_LOAD = { watches: 5_000, rate: 10_000 };
const MANY = { watches: 100_000 };

export const BUDGETS: readonly Budget[] = [
  { scenario: 'steady', transport: 'stream', figure: 'p99_ms', limit: 5, unit: 'ms', load: STEADY_LOAD },
  { scenario: 'steady', transport: 'link', figure: 'p50_ms', limit: 0.5, unit: 'ms', load: STEADY_LOAD },
  { scenario: 'steady', transport: 'link', figure: 'p99_ms', limit: 2, unit: 'ms', load: STEADY_LOAD },
  { scenario: 'memory', transport: 'link', figure: 'client_kb_per_watch', limit: 1, unit: 'KB', load: MANY },
  { scenario: 'memory', transport: 'link, one call', figure: 'client_kb_per_watch', limit: 1, unit: 'KB', load: MANY },
  { scenario: 'memory', transport: 'link', figure: 'server_kb_per_watch', limit: 0.342, unit: 'KB', load: MANY },
  { scenario: 'memory', transport: 'link', figure: 'server_idle_percent', limit: 1, unit: '% of a core', load: MANY },
  { scenario: 'restart', transport: 'link', figure: 'back_ms', limit: 2_000, unit: 'ms', load: MANY },
  { scenario: 'restart', transport: 'link, one call', figure: 'back_ms', limit: 2_000, unit: 'ms', load: MANY },
  { scenario: 'restart', transport: 'link', figure: 'connections_per_client', limit: 3, unit: 'a client', load: MANY },
  { scenario: 'open', transport: 'stream', figure: 'client_kb_per_watch', limit: 45, unit: 'KB' },
  { scenario: 'open', transport: 'stream', figure: 'server_kb_per_watch', limit: 45, unit: 'KB' },
  { scenario: 'local', transport: 'local', figure: 'set_us', limit: 2, unit: 'us' },
  { scenario: 'local', transport: 'local', figure: 'notify_us', limit: 1, unit: 'us' },
  { scenario: 'micro condition: changedBy', transport: 'micro', figure: 'p50_ns', limit: 150, unit: 'ns' },
];

const NAMES: Partial<Record<Figure, string>> = {
  p50_ms: 'p50',
  server_idle_percent: 'CPU of the server while nothing changes',
  back_ms: 'all watches back',
  connections_per_client: 'connections',
  p99_ms: 'p99',
  client_kb_per_watch: 'memory per watch, client',
  server_kb_per_watch: 'memory per watch, server',
  set_us: 'set with one watcher',
  notify_us: 'notification',
  p50_ns: 'condition filter, median',
};

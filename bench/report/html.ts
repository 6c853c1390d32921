/** The figures as a page that stands alone: plots drawn here, as SVG. */
import type { Report } from './json.js';
import type { Figure, Row } from './row.js';
import { formatFigure, formatTable, labelOf } from './table.js';

export function formatHtml({ machine, commit, rows }: Report): string {
  const scenarios = [...new Set(rows.map(({ scenario }) => scenario))].filter((name) => !name.startsWith('micro'));
  const sections = scenarios.map((scenario) =>
    sectionOf(
      scenario,
      rows.filter((row) => row.scenario === scenario),
    ),
  );
  const kernels = rows.filter((row) => row.mean_ns !== undefined);
  const microSection =
    kernels.length === 0 ? '' : `<h2>micro</h2>${bars('mean ns of one operation', kernels, 'mean_ns')}`;
  const { cpu, cores, memory_mb, node } = machine;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>bridged-state benchmarks</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
pre{overflow-x:auto;font-size:12px;background:#f6f6f6;padding:.8rem}figure{display:inline-block;margin:0 1rem 1rem 0}
figcaption{font-size:13px;font-weight:600}svg text{font:11px system-ui,sans-serif;fill:#444}</style>
<h1>bridged-state benchmarks</h1>
<p>${escapeHtml(cpu)}, ${cores} cores, ${memory_mb} MB, Node ${escapeHtml(node)}${commit === undefined ? '' : `, commit ${escapeHtml(commit.slice(0, 12))}`}.
Ours is <b style="color:${COLORS[0]}">stream</b>; <b>plain</b> is grpc-js without us. Compare within this page only: machines are noisy.</p>
${sections.join('\n')}
${microSection}
</html>
`;
}

function sectionOf(scenario: string, rows: readonly Row[]): string {
  const plots = [
    percentiles(rows),
    bars('main thread utilisation', rows, 'main_elu'),
    bars('client memory per watch, KB', rows, 'client_kb_per_watch'),
    bars('server memory per watch, KB', rows, 'server_kb_per_watch'),
    sweep(rows),
  ];
  return `<h2>${escapeHtml(scenario)}</h2>${plots.join('')}<pre>${escapeHtml(formatTable(rows))}</pre>`;
}

/** Latency against percentile, on a logarithmic scale. */
function percentiles(rows: readonly Row[]): string {
  const figures: readonly Figure[] = ['p50_ms', 'p90_ms', 'p99_ms', 'p999_ms', 'max_ms'];
  const lines = rows
    .filter((row) => row.p50_ms !== undefined)
    .map((row) => ({ name: labelOf(row), values: figures.map((figure) => row[figure]) }));
  return linePlot('latency by percentile, ms', ['p50', 'p90', 'p99', 'p99.9', 'max'], lines);
}

/** The p99 against the number of workers, when there were several. */
function sweep(rows: readonly Row[]): string {
  const ours = rows.filter(({ workers, p99_ms }) => workers !== undefined && p99_ms !== undefined);
  if (ours.length < 2) return '';
  const lines = [
    { name: 'p50', values: ours.map(({ p50_ms }) => p50_ms) },
    { name: 'p99', values: ours.map(({ p99_ms }) => p99_ms) },
  ];
  return linePlot(
    'latency by workers, ms',
    ours.map(({ workers }) => String(workers)),
    lines,
  );
}

interface Line {
  readonly name: string;
  readonly values: readonly (number | undefined)[];
}

function linePlot(title: string, labels: readonly string[], lines: readonly Line[]): string {
  const all = lines.flatMap(({ values }) => values.filter((value) => value !== undefined && value > 0)) as number[];
  if (all.length === 0) return '';
  // Whole decades, so that at least two lines of the scale are there.
  const [low, high] = [Math.floor(Math.log10(Math.min(...all))), Math.ceil(Math.log10(Math.max(...all) * 1.01))];
  const x = (place: number) => 50 + (place * (WIDTH - 80)) / Math.max(1, labels.length - 1);
  const y = (value: number) => HEIGHT - 25 - ((Math.log10(value) - low) / (high - low)) * (HEIGHT - 45);
  const decades = [];
  for (let power = low; power <= high; power += 1) {
    const at = y(10 ** power).toFixed(1);
    decades.push(
      `<path d="M45 ${at}H${WIDTH - 25}" stroke="#ddd"/><text x="40" y="${at}" text-anchor="end">${10 ** power}</text>`,
    );
  }
  const drawn = lines.map(({ name, values }, number) => {
    const color = COLORS[number % COLORS.length];
    const points = values.flatMap((value, place) =>
      value === undefined || value <= 0 ? [] : [[x(place), y(value)] as const],
    );
    const path = points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ');
    return `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"><title>${escapeHtml(name)}</title></polyline>`;
  });
  const ticks = labels.map(
    (label, place) => `<text x="${x(place)}" y="${HEIGHT - 5}" text-anchor="middle">${escapeHtml(label)}</text>`,
  );
  const names = lines.map(
    ({ name }, number) => `<span style="color:${COLORS[number % COLORS.length]}">${escapeHtml(name)}</span>`,
  );
  return figureOf(`${escapeHtml(title)}: ${names.join(', ')}`, HEIGHT, [...decades, ...drawn, ...ticks]);
}

function bars(title: string, rows: readonly Row[], figure: Figure): string {
  const shown = rows.filter((row) => (row[figure] ?? 0) > 0);
  if (shown.length === 0) return '';
  const longest = Math.max(...shown.map((row) => row[figure]!));
  const left = 15 + 6.2 * Math.max(...shown.map((row) => labelOf(row).length));
  const drawn = shown.map((row, place) => {
    const width = (row[figure]! / longest) * Math.max(60, WIDTH - left - 60);
    const color = row.transport === 'plain' || row.transport === 'emitter' ? COLORS[1] : COLORS[0];
    return `<text x="0" y="${place * 20 + 16}">${escapeHtml(labelOf(row))}</text>
<rect x="${left.toFixed(1)}" y="${place * 20 + 4}" width="${width.toFixed(1)}" height="15" fill="${color}"/>
<text x="${(left + width + 4).toFixed(1)}" y="${place * 20 + 16}">${formatFigure(row[figure]!)}</text>`;
  });
  return figureOf(escapeHtml(title), shown.length * 20 + 8, drawn, Math.max(WIDTH, left + 130));
}

/** `caption` is HTML. */
function figureOf(caption: string, height: number, parts: readonly string[], width = WIDTH): string {
  return `<figure><figcaption>${caption}</figcaption>
<svg width="${width.toFixed(0)}" height="${height}" role="img">${parts.join('\n')}</svg></figure>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

const WIDTH = 460;
const HEIGHT = 240;
const COLORS = ['#0b6bcb', '#b5542b', '#4b8b3b', '#7a4fa3', '#888888'];

/**
 * The figures as a page that stands alone: its plots are drawn by uPlot, which is in the page like the figures. Light or dark as the system is.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Report } from './json.js';
import type { Bars, Plot } from './plots.js';
import { barsOf, plotsOf } from './plots.js';
import type { Row } from './row.js';
import { formatFigure, formatTable } from './table.js';

export function formatHtml({ machine, commit, date, runs, rows }: Report): string {
  const plots: Plot[] = [];
  const scenarios = [...new Set(rows.map(({ scenario }) => scenario))].filter((name) => !name.startsWith('micro'));
  const sections = scenarios.map((scenario) => {
    const own = rows.filter((row) => row.scenario === scenario);
    const drawn = plotsOf(scenario, own);
    plots.push(...drawn);
    return sectionOf(scenario, own, drawn);
  });
  const kernels = rows.filter(({ mean_ns }) => mean_ns !== undefined);
  const { cpu, cores, memory_mb, node, platform, kernel } = machine;
  const facts = [
    `${cpu}, ${cores} cores, ${memory_mb} MB`,
    `${platform}${kernel === undefined ? '' : ` ${kernel}`}, Node ${node}`,
    ...(date === undefined ? [] : [date.slice(0, 10)]),
    ...(commit === undefined ? [] : [`commit ${commit.slice(0, 12)}`]),
    ...(runs === undefined ? [] : [runs === 1 ? 'one run' : `medians of ${runs} interleaved runs`]),
  ];
  const links = scenarios.map((name) => `<a class="to" data-to="${escapeHtml(name)}">${escapeHtml(name)}</a>`);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>bridged-state benchmarks</title>
<style>${librarySource('uplot/dist/uPlot.min.css')}
${STYLE}</style>
<h1>bridged-state benchmarks</h1>
<p>${escapeHtml(facts.join(' · '))}</p>
<p>Ours are <b>link</b> and <b>stream</b>, with their number of workers and full lines; the others have dashed ones. <b>plain</b> is grpc-js
without us. Compare within this page only: machines are noisy, and all of a plot was measured in the same turn. Pointing at a plot shows its
figures; a click on a name hides its line.</p>
<nav>${links.join(' ')}</nav>
${sections.join('\n')}
${kernels.length === 0 ? '' : `<section id="micro"><h2>micro</h2>${table(kernels)}</section>`}
<script id="plots" type="application/json">${JSON.stringify(plots).replaceAll('<', '\\u003c')}</script>
<script id="library">${librarySource('uplot/dist/uPlot.iife.min.js')}</script>
<script type="module">${drawingSource()}</script>
</html>
`;
}

function sectionOf(scenario: string, rows: readonly Row[], plots: readonly Plot[]): string {
  const figures = plots.map(
    ({ title, reading }) =>
      `<figure><figcaption><b>${escapeHtml(title)}</b><br>${escapeHtml(reading)}</figcaption><div class="plot"></div></figure>`,
  );
  const bars = barsOf(scenario, rows).map(formatBars);
  const cases = [...new Set(rows.map((row) => row.case))];
  const tables = cases.map((name) => {
    const head = name === undefined ? '' : `<h3>${escapeHtml(name)}</h3>`;
    return `${head}${table(rows.filter((row) => row.case === name))}`;
  });
  return `<section id="${escapeHtml(scenario)}"><h2>${escapeHtml(scenario)}</h2>
<div class="grid">${figures.join('\n')}${bars.join('\n')}</div>
${tables.join('\n')}</section>`;
}

function formatBars({ title, reading, bars }: Bars): string {
  const longest = Math.max(...bars.map(({ value }) => value));
  const lines = bars.map(
    ({ name, color, value }) => `<span>${escapeHtml(name)}</span>
<span class="bar" style="width:${((value / longest) * 100).toFixed(1)}%;background:var(--c${color})"></span><span>${formatFigure(value)}</span>`,
  );
  return `<figure><figcaption><b>${escapeHtml(title)}</b><br>${escapeHtml(reading)}</figcaption>
<div class="bars">${lines.join('\n')}</div></figure>`;
}

function table(rows: readonly Row[]): string {
  return `<pre>${escapeHtml(formatTable(rows))}</pre>`;
}

/** Without the comment that names an address: the page loads nothing. */
function librarySource(file: string): string {
  const source = readFileSync(createRequire(import.meta.url).resolve(file), 'utf8');
  return source.replace(/^\/\*!.*?\*\//s, '/* uPlot 1.6, MIT License, by Leon Sorokin */').trim();
}

function drawingSource(): string {
  const source = readFileSync(new URL('./draw-plots.js', import.meta.url), 'utf8');
  return source.replace(/^\/\/# sourceMappingURL=.*$/m, '').trim();
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

const STYLE = `:root{color-scheme:light dark;--paper:#fff;--ink:#33373d;--soft:#f4f5f7;--grid:#dfe2e6;
--c0:#0b62c4;--c1:#12908e;--c2:#c2571a;--c3:#c2213a;--c4:#3d8b2f;--c5:#7d8b1c;--c6:#7a47b8;--c7:#777c85;--c8:#777c85}
@media (prefers-color-scheme:dark){:root{--paper:#15181c;--ink:#d5d9df;--soft:#20242a;--grid:#363c44;
--c0:#63a8ff;--c1:#3fc9c4;--c2:#f0955a;--c3:#ff7085;--c4:#7bcf6a;--c5:#c6d257;--c6:#bd93f5;--c7:#9aa1ab;--c8:#9aa1ab}}
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--paper)}
h2{margin:2.5rem 0 .5rem;border-bottom:1px solid var(--grid)}nav{display:flex;flex-wrap:wrap;gap:.9rem}
a.to{color:var(--c0);cursor:pointer;text-decoration:underline}
pre{overflow-x:auto;font-size:12px;line-height:1.45;background:var(--soft);padding:.8rem;border-radius:6px}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(30rem,100%),1fr));gap:1.6rem}
figure{margin:0;min-width:0}figcaption{font-size:13px;min-height:4.6em}
.bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:5px .6rem;align-items:center;font-size:13px}
.bar{display:block;height:14px;border-radius:3px;min-width:2px}
.u-legend{font-size:12px}.u-legend .u-series>*{padding:1px 4px}.u-cursor-x,.u-cursor-y{border-color:var(--ink)!important}`;

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { benchModule } from './bench-module.js';

const { formatFigure, formatTable } = await import(benchModule('report/table'));
const { formatHtml } = await import(benchModule('report/html'));

const ours = {
  scenario: 'steady',
  transport: 'stream',
  workers: 2,
  watches: 5_000,
  rate: 10_000,
  reached: 10_000,
  expected: 100_000,
  delivered: 100_000,
  missed: 0,
  p50_ms: 1.234,
  p90_ms: 2.345,
  p99_ms: 12.345,
  p999_ms: 123.456,
  max_ms: 234.5,
  main_busy_us: 12.34,
  main_elu: 0.1234,
  loop_delay_p99_ms: 1.234,
  client_cpu_us: 45.67,
  server_cpu_us: 45.67,
  client_rss_mb: 345.6,
  server_rss_mb: 345.6,
  writer_late_p99_ms: 0.3,
  ratios: { plain: { p99: 0.5, main_elu: 0.25, client_cpu: 1.5 } },
};
const { workers: _, ratios: __, ...rest } = ours;
const plain = { ...rest, transport: 'plain', p99_ms: 24.69 };

describe('table', () => {
  const lines: string[] = formatTable([ours, plain]).split('\n');

  test('the largest row fits into 120 columns', () => {
    assert.ok(Math.max(...lines.map((line) => line.length)) <= 120, lines.join('\n'));
  });

  test('the baseline stands beneath ours, and the ratios beneath both', () => {
    assert.match(lines[1]!, /^stream 2w /);
    assert.match(lines[2]!, /^plain /);
    assert.match(lines[3]!, /^2w \/ plain .*x0\.50 .*x0\.25 .*x1\.50\/-/);
    assert.equal(lines.length, 4);
  });

  test('the ratios of two carriers are told apart', () => {
    const labels: string[] = formatTable([ours, { ...ours, transport: 'link' }, plain])
      .split('\n')
      .slice(4);
    assert.deepEqual(
      labels.map((line) => line.split('  ')[0]),
      ['stream 2w / plain', 'link 2w / plain'],
    );
  });

  test('columns end where their title ends', () => {
    const end = lines[0]!.indexOf('p99') + 'p99'.length;
    assert.match(lines[1]!.slice(0, end), / 12\.3$/);
    assert.match(lines[2]!.slice(0, end), / 24\.7$/);
  });

  test('a column that no row fills is left out', () => {
    assert.doesNotMatch(lines[0]!, /set us|mean ns/);
  });

  test('figures keep three digits and need no exponent', () => {
    assert.deepEqual([0, 0.01234, 1.234, 12.34, 123.4, 1e7].map(formatFigure), [
      '0',
      '0.012',
      '1.23',
      '12.3',
      '123',
      '10000000',
    ]);
  });
});

describe('page', () => {
  const machine = { cpu: 'a <fast> one', cores: 2, memory_mb: 1_024, node: 'v20', platform: 'linux' };
  const page: string = formatHtml({ machine, rows: [ours, { ...ours, workers: 4, p99_ms: 9 }, plain] });

  test('it loads nothing from elsewhere', () => {
    assert.doesNotMatch(page, /src=|href=|url\(|https?:/);
  });

  test('it plots latency, main thread and the sweep of workers', () => {
    for (const title of ['latency by percentile', 'main thread utilisation', 'latency by workers']) {
      assert.ok(page.includes(title), title);
    }
    assert.equal(page.match(/<svg/g)?.length, page.match(/<\/svg>/g)?.length);
    const figures = page.replace(/<script id="library">.*?<\/script>|<script type="module">.*?<\/script>/gs, '');
    assert.ok(figures.length < page.length - 40_000, 'the page has its library in it');
    assert.doesNotMatch(figures, /NaN|undefined|Infinity/);
  });

  test('each plot says what to read from it, and its marks are where its points are', () => {
    const rates = [1_000, 100_000].map((rate) => ({ ...ours, scenario: 'rates', case: `${rate}/s`, rate }));
    const memory = [1_000, 1_000_000].map((watches) => ({
      ...ours,
      scenario: 'memory',
      watches,
      server_kb_per_watch: 0.4,
    }));
    const curve_ms = [1, 1.1, 1.2, 2.3, 4, 8, 12, 20, 50, 100, 150, 200];
    const drawn = draw(formatHtml({ machine, rows: [{ ...ours, curve_ms }, ...rates, ...memory] }));
    assert.ok(drawn.length >= 5, `${drawn.length} plots`);
    for (const { plot, options, data } of drawn) {
      assert.match(plot.reading, /[.]$/);
      assert.ok(plot.x.label !== '' && plot.y.label !== '');
      for (const [place, axis] of ['x', 'y'].entries()) {
        const [least, most] = options.scales[axis].range();
        const { splits, values, filter } = options.axes[place];
        const marks: number[] = splits({}, 0, least, most);
        const names: string[] = values({}, filter === undefined ? marks : filter({}, marks));
        assert.ok(
          marks.some((mark) => mark >= least && mark <= most),
          `${plot.title}: ${axis} has no mark`,
        );
        for (const name of names) assert.match(name, /^p?[\d.]+( [kM])?$/);
      }
      for (const value of data.flat()) assert.ok(value === null || Number.isFinite(value), `${plot.title}: ${value}`);
    }
  });

  test('what it quotes is escaped', () => {
    assert.ok(page.includes('a &lt;fast> one'));
  });
});

interface Drawn {
  readonly plot: {
    readonly title: string;
    readonly reading: string;
    readonly x: { readonly label: string };
    readonly y: { readonly label: string };
  };
  // biome-ignore lint/suspicious/noExplicitAny: what the page gives to its plotting library.
  readonly options: any;
  readonly data: (number | null)[][];
}

/** What the page's own code asks its library to draw, in a world that has of a browser only what it needs. */
function draw(page: string): Drawn[] {
  const plots = JSON.parse(/<script id="plots" type="application\/json">(.*?)<\/script>/s.exec(page)![1]!);
  const code = /<script type="module">(.*?)<\/script>/s.exec(page)![1]!.replace('export {};', '');
  const drawn: Drawn[] = [];
  const element = { clientWidth: 400, replaceChildren: () => undefined, textContent: JSON.stringify(plots) };
  runInNewContext(code, {
    document: {
      documentElement: element,
      getElementById: () => element,
      querySelectorAll: (selector: string) => (selector === '.plot' ? plots.map(() => element) : []),
    },
    getComputedStyle: () => ({ getPropertyValue: () => '#000' }),
    matchMedia: () => ({ addEventListener: () => undefined }),
    addEventListener: () => undefined,
    uPlot: class {
      constructor(options: object, data: (number | null)[][]) {
        drawn.push({ plot: plots[drawn.length], options, data });
      }
    },
  });
  return drawn;
}

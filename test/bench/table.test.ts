import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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
    assert.doesNotMatch(page, /NaN|undefined|Infinity/);
  });

  test('what it quotes is escaped', () => {
    assert.ok(page.includes('a &lt;fast> one'));
  });
});

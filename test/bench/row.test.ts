import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { benchModule } from './bench-module.js';

const { median, medianRow, ratiosTo, rowOf, withRatios } = await import(benchModule('report/row'));
const { joinReports } = await import(benchModule('report/json'));
const { judgeBudgets } = await import(benchModule('report/budgets'));

const identity = { scenario: 'steady', transport: 'stream' };

describe('joined reports', () => {
  const machine = { cpu: 'one', cores: 2, memory_mb: 1, node: 'v20', platform: 'linux x64' };
  const report = (scenario: string) => ({ machine, commit: 'abc', runs: 3, rows: [{ ...identity, scenario }] });

  test('what was measured in several sittings of one machine and commit is one report', () => {
    const { rows, runs } = joinReports([report('steady'), report('sets')]);
    assert.deepEqual(
      rows.map(({ scenario }: { scenario: string }) => scenario),
      ['steady', 'sets'],
    );
    assert.equal(runs, 3);
  });

  test('figures of another commit or another Node do not come onto the same page', () => {
    assert.throws(() => joinReports([report('a'), { ...report('b'), commit: 'def' }]), /different/);
    const other = { ...report('b'), machine: { ...machine, node: 'v22' } };
    assert.throws(() => joinReports([report('a'), other]), /different/);
  });
});

describe('row', () => {
  test('a figure that was not measured is absent', () => {
    const row = rowOf({ ...identity, p50_ms: undefined, p99_ms: Number.NaN, missed: 0, reached: 1 / 0 });
    assert.deepEqual(row, { ...identity, missed: 0 });
  });

  test('figures have four digits, counts have all', () => {
    const row = rowOf({ ...identity, p50_ms: 0.123456, delivered: 1_234_567 });
    assert.deepEqual(row, { ...identity, p50_ms: 0.1235, delivered: 1_234_567 });
  });

  test('the median of an even number of values lies between the middle two', () => {
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([9, 1, 5]), 5);
  });

  test('over several runs figures are medians, and what was missed in any of them adds up', () => {
    const rows = [
      { ...identity, p99_ms: 9, missed: 0, delivered: 10, expected: 10 },
      { ...identity, p99_ms: 1, missed: 2, delivered: 8, expected: 10 },
      { ...identity, p99_ms: 2, missed: 0, delivered: 10, expected: 10 },
    ];
    assert.deepEqual(medianRow(rows), { ...identity, p99_ms: 2, missed: 2, delivered: 28, expected: 30 });
  });

  test('a ratio is there only when both have the figure and the baseline is not 0', () => {
    const ours = { ...identity, p50_ms: 1, p99_ms: 3, main_elu: 0.2, client_cpu_us: 5 };
    const plain = { scenario: 'steady', transport: 'plain', p99_ms: 2, main_elu: 0, client_cpu_us: 10 };
    const ratios = ratiosTo(ours, plain, ['p50_ms', 'p99_ms', 'main_elu', 'client_cpu_us']);
    assert.deepEqual(ratios, { p99: 1.5, client_cpu: 0.5 });
  });

  test('ratios to a second baseline do not replace those to the first', () => {
    const row = withRatios(withRatios({ ...identity }, 'plain', { p99: 1 }), 'tcp', { p99: 40 });
    assert.deepEqual(row.ratios, { plain: { p99: 1 }, tcp: { p99: 40 } });
  });
});

describe('budgets', () => {
  test('a figure is judged at the load that it is promised for', () => {
    const row = { ...identity, workers: 2, watches: 5_000, rate: 10_000, p99_ms: 6 };
    assert.deepEqual(judgeBudgets([row]), ['stream 2w: p99 6 ms: over budget (5 ms)']);
    assert.deepEqual(judgeBudgets([{ ...row, p99_ms: 5 }]), ['stream 2w: p99 5 ms: within budget (5 ms)']);
  });

  test('at another load it is no verdict', () => {
    const [verdict] = judgeBudgets([{ ...identity, watches: 50, rate: 200, p99_ms: 6 }]);
    assert.doesNotMatch(verdict, /within|over/);
  });

  test('a baseline has no budget', () => {
    assert.deepEqual(judgeBudgets([{ scenario: 'steady', transport: 'plain', p99_ms: 6 }]), []);
  });
});

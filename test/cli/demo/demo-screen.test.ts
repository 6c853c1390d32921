import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demoRow, demoRowHeading, demoScreen, demoStarting, demoVerdict } from '../../../src/cli/demo/demo-screen.js';
import type { DemoView } from '../../../src/cli/demo/demo-view.js';

const plain = (_style: unknown, text: string): string => text;

const view: DemoView = {
  elapsedMs: 123_456,
  seconds: undefined,
  port: 65_535,
  crash: undefined,
  serverPid: 4_194_303,
  writerPid: 4_194_302,
  watcherPid: 4_194_301,
  watches: 100_000,
  rateAsked: 100_000,
  rateReached: 99_999.7,
  sets: 12_345_678,
  failed: 0,
  delivered: 12_345_600,
  missed: 78,
  latency: { p50: 0.4321, p99: 12.345, max: 5_123.4 },
  latencyOfRun: { p50: 0.4321, p99: 12.345, max: 5_123.4 },
  p99s: Array.from({ length: 60 }, (_, index) => index),
  mainUtilization: 0.07,
  workers: Array.from({ length: 12 }, (_, workerId) => ({
    workerId,
    watches: 8_334,
    streams: 8_334,
    utilization: workerId / 11,
  })),
};

const crash = { atMs: 5_000, awayMs: 12_345, isSameEpoch: true };
const nothing = { ...view, latency: undefined, latencyOfRun: undefined, p99s: [], workers: [] };
const views = [view, nothing, { ...view, seconds: 200, failed: 1_234, crash: { ...crash, awayMs: undefined } }];

for (const columns of [30, 40, 41, 60, 79, 80, 200]) {
  test(`the screen and its last words fit into ${columns} columns and 24 rows`, () => {
    for (const shown of views) {
      const screen = demoScreen(shown, plain, columns).split('\n');
      assert.ok(screen.length <= 24, screen.join('\n'));
      const lines = [
        ...screen,
        ...demoStarting('opening 100000 watches, one on each variable', plain, columns).split('\n'),
        ...demoVerdict({ ...shown, crash }, plain, columns),
      ];
      assert.deepEqual(
        lines.filter((line) => line.length > Math.min(columns, 80)),
        [],
      );
    }
  });
}

test('a narrow screen has the figures of the wide one, whole, and its colours take no columns', () => {
  const narrow = demoScreen(view, plain, 40);
  for (const figure of ['100,000', '12,345,600', '78 missed', '0.43', '12.3', '5123.4', '7 %', '4194303', 'worker 3'])
    assert.ok(narrow.includes(figure), figure);
  assert.doesNotMatch(narrow, /…/);
  const coloured = demoScreen(view, (_, text) => `<${text}>`, 40);
  assert.equal(coloured.replace(/[<>]/g, ''), narrow);
});

test('its rows fit into 80 columns', () => {
  const lines = [...demoRowHeading(view, 12_345), demoRow(view)];
  assert.deepEqual(
    lines.filter((line) => line.length > 80),
    [],
  );
});

test('pids stand under the names of their processes', () => {
  const lines = demoScreen(view, plain, 80).split('\n');
  const names = lines.find((line) => line.includes('writer'))!;
  const pids = lines.find((line) => line.includes(`pid ${view.writerPid}`))!;
  assert.deepEqual(
    ['writer', 'server', 'watching'].map((name) => names.indexOf(name)),
    [view.writerPid, view.serverPid, view.watcherPid].map((pid) => pids.indexOf(`pid ${pid}`)),
  );
});

test('the last words tell whether everything arrived, was missed, failed or is lost', () => {
  const whole = { ...view, sets: 10, delivered: 10, missed: 0 };
  const words = (changes: Partial<DemoView>): string => demoVerdict({ ...whole, ...changes }, plain, 80).join('\n');
  assert.match(words({}), /every update arrived/);
  assert.match(words({ delivered: 8, missed: 2 }), /delivered or told as missed/);
  assert.match(words({ failed: 3 }), /3 sets failed/);
  assert.match(words({ delivered: 9 }), /does not add up/);
});

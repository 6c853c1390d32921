import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DemoView } from '../../../src/cli/demo/demo-screen.js';
import { demoRow, demoRowHeading, demoScreen, demoStarting, demoVerdict } from '../../../src/cli/demo/demo-screen.js';

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

test('the screen, its rows and its last words fit into 80 columns', () => {
  const lines = [
    ...demoScreen(view, plain).split('\n'),
    ...demoScreen({ ...view, latency: undefined, latencyOfRun: undefined, p99s: [], workers: [] }, plain).split('\n'),
    ...demoStarting('opening 100000 watches, one on each variable', plain).split('\n'),
    ...demoRowHeading(view, 12_345),
    demoRow(view),
    ...demoVerdict(view, plain),
  ];
  assert.deepEqual(
    lines.filter((line) => line.length > 80),
    [],
  );
});

test('the screen fits into 24 rows however many workers there are', () => {
  assert.ok(demoScreen(view, plain).split('\n').length <= 24);
});

test('pids stand under the names of their processes', () => {
  const lines = demoScreen(view, plain).split('\n');
  const names = lines.find((line) => line.includes('writer'))!;
  const pids = lines.find((line) => line.includes(`pid ${view.writerPid}`))!;
  assert.deepEqual(
    ['writer', 'server', 'watching'].map((name) => names.indexOf(name)),
    [view.writerPid, view.serverPid, view.watcherPid].map((pid) => pids.indexOf(`pid ${pid}`)),
  );
});

test('the last words tell whether everything arrived, was missed, failed or is lost', () => {
  const whole = { ...view, sets: 10, delivered: 10, missed: 0 };
  const words = (changes: Partial<DemoView>): string => demoVerdict({ ...whole, ...changes }, plain).join('\n');
  assert.match(words({}), /every update arrived/);
  assert.match(words({ delivered: 8, missed: 2 }), /delivered or told as missed/);
  assert.match(words({ failed: 3 }), /3 sets failed/);
  assert.match(words({ delivered: 9 }), /does not add up/);
});

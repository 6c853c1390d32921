import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CommandProcess, runHere } from '../support/command-line.js';
import { until } from '../support/deadline.js';
import { HOW_TO_INSTALL_REDIS, hasRedis, skipWithoutRedis } from '../support/redis-server.js';

const SMALL = ['demo', '--watches', '50', '--rate', '500', '--workers', '1'];
const ROLES = ['server', 'writer', 'watching'] as const;

interface Summary {
  readonly event: string;
  readonly complete: boolean;
  readonly watches: number;
  readonly rateAsked: number;
  readonly sets: number;
  readonly failed: number;
  readonly delivered: number;
  readonly missed: number;
  readonly latencyMs: { readonly p50: number; readonly max: number };
}

test('demo --seconds ends with a summary in which everything that was set arrived', async () => {
  const demo = new CommandProcess([...SMALL, '--seconds', '3', '--json']);
  try {
    const { exitCode, stdout, stderr } = await demo.end(60_000);
    assert.equal(exitCode, 0, stderr);
    const summary = JSON.parse(stdout) as Summary;
    assert.deepEqual([summary.event, summary.complete, summary.failed], ['summary', true, 0]);
    assert.deepEqual([summary.watches, summary.rateAsked], [50, 500]);
    assert.ok(summary.sets > 500, `${summary.sets} sets`);
    assert.equal(summary.delivered + summary.missed, summary.sets);
    assert.ok(summary.latencyMs.p50 > 0 && summary.latencyMs.p50 <= summary.latencyMs.max);
    await allGone(pidsOf(stderr));
  } finally {
    await demo.kill();
  }
});

test('demo --engine sqlite kills its server in the middle: same epoch, nothing missed', async () => {
  const demo = new CommandProcess([...SMALL, '--engine', 'sqlite', '--seconds', '4', '--json']);
  try {
    const { exitCode, stdout, stderr } = await demo.end(60_000);
    assert.equal(exitCode, 0, stderr);
    const summary = JSON.parse(stdout) as Summary & { killed: { sameEpoch: boolean } };
    assert.deepEqual([summary.complete, summary.failed, summary.missed, summary.killed.sameEpoch], [true, 0, 0, true]);
    assert.equal(summary.delivered, summary.sets);
    assert.match(stderr, /server killed after 2(\.\d)? s, listening again \d+ ms later: the same epoch/);
  } finally {
    await demo.kill();
  }
});

test('demo --engine redis --servers 2 kills the server of the watching process: it goes on at the other one, nothing missed', {
  skip: skipWithoutRedis(),
}, async () => {
  assert.ok(hasRedis(), HOW_TO_INSTALL_REDIS);
  const demo = new CommandProcess([...SMALL, '--engine', 'redis', '--servers', '2', '--seconds', '4', '--json']);
  try {
    const { exitCode, stdout, stderr } = await demo.end(60_000);
    assert.equal(exitCode, 0, stderr);
    const summary = JSON.parse(stdout) as Summary & { killed: { sameEpoch: boolean } };
    assert.deepEqual([summary.complete, summary.failed, summary.missed, summary.killed.sameEpoch], [true, 0, 0, true]);
    assert.equal(summary.delivered, summary.sets);
    assert.match(stderr, /the watching process' server killed after 2(\.\d)? s, on at the other: the same epoch/);
  } finally {
    await demo.kill();
  }
});

test('two servers need an engine that they share', async () => {
  const { exitCode, stderr } = await runHere(['demo', '--servers', '2']);
  assert.deepEqual([exitCode, /--servers 2 needs an engine/.test(stderr)], [2, true]);
});

test('without a terminal demo prints a row a second, at most 80 columns wide; Ctrl-C ends it in order: counted, 0, and no process left', async () => {
  const demo = new CommandProcess(SMALL);
  try {
    const pids = await startedPids(demo);
    demo.signal('SIGINT');
    const { exitCode, stdout, stderr } = await demo.end(30_000);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^ +1 s +500 +[\d,]+ +[\d,]+ +0 /m);
    assert.match(stdout, /every update arrived/);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line);
    assert.doesNotMatch(stdout, new RegExp(String.fromCharCode(27)), 'no control sequences');
    await allGone(pids);
  } finally {
    await demo.kill();
  }
});

for (const role of ROLES) {
  test(`a ${role} process that dies fails the demo, and takes the others along`, async () => {
    const demo = new CommandProcess(SMALL);
    try {
      const pids = await startedPids(demo);
      process.kill(pids[ROLES.indexOf(role)]!, 'SIGKILL');
      const { exitCode, stderr } = await demo.end(30_000);
      assert.equal(exitCode, 1);
      assert.match(stderr, new RegExp(`^bridged-state: the ${role} process ended by itself \\(SIGKILL\\)[^\\n]*\\n$`));
      await allGone(pids);
    } finally {
      await demo.kill();
    }
  });
}

test('a demo that is killed leaves no process behind', async () => {
  const demo = new CommandProcess(SMALL);
  try {
    const pids = await startedPids(demo);
    await demo.kill();
    await allGone(pids);
  } finally {
    await demo.kill();
  }
});

/** Waits for the first row. */
async function startedPids(demo: CommandProcess): Promise<number[]> {
  const pids = pidsOf(await demo.line(30_000));
  for (;;) if (/^ +\d+ s /.test(await demo.line(30_000))) return pids;
}

function pidsOf(text: string): number[] {
  const match = /server pid (\d+) .* writer pid (\d+), watching pid (\d+)/.exec(text);
  assert.ok(match !== null, text);
  return match.slice(1).map(Number);
}

function allGone(pids: readonly number[]): Promise<void> {
  return until(15_000, () => pids.every((pid) => !isRunning(pid)), 'the end of all children');
}

/** One that nobody has waited for yet is a zombie, and gone. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}

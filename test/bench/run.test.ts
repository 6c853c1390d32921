/** One small run of the real thing: processes, JSON, exit code. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { defaultWorkers } from '../../src/shared/options.js';
import { benchModule } from './bench-module.js';

const { isInstalled } = await import(benchModule('peers/peer-programs'));

const folder = mkdtempSync(join(tmpdir(), 'bridged-state-bench-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('npm run bench', () => {
  test('a small steady run writes every figure of ours, of its baselines and of a peer, which is left out where it is not installed', {
    timeout: 90_000,
  }, async () => {
    const json = join(folder, 'bench.json');
    const html = join(folder, 'bench.html');
    const { code, stdout, stderr } = await run('steady', ...SMALL, '--peers', 'redis', '--json', json, '--html', html);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /steady: 50 watches, 200 updates\/s, 1 s/);

    const { machine, rows } = JSON.parse(readFileSync(json, 'utf8'));
    assert.equal(machine.node, process.version);
    assert.ok(machine.cores >= 1 && machine.memory_mb > 0 && machine.cpu !== '');
    assert.deepEqual(
      rows.map((row: { transport: string }) => row.transport),
      ['link', 'stream', 'plain', ...(isInstalled('redis') ? ['redis'] : []), 'tcp'],
    );
    const [ours, streams, plain] = rows;
    const tcp = rows.at(-1);
    const redis = isInstalled('redis') ? rows[3] : undefined;
    for (const row of [ours, streams, plain]) {
      assert.equal(row.scenario, 'steady');
      assert.equal(row.watches, 50);
      assert.equal(row.rate, 200);
      assert.equal(row.expected, 200);
      assert.equal(row.delivered + row.missed, row.expected);
      for (const figure of POSITIVE) assert.ok(row[figure] > 0, `${row.transport}: ${figure} is ${row[figure]}`);
      assert.ok(row.p50_ms <= row.p90_ms && row.p90_ms <= row.p99_ms && row.p99_ms <= row.max_ms);
    }
    assert.equal(ours.workers, defaultWorkers());
    assert.equal('workers' in plain, false, 'plain has no workers: that is absent, not 0');
    assert.equal('delivered' in tcp, false);
    for (const ratio of ['p99', 'main_elu', 'client_cpu']) assert.ok(ours.ratios.plain[ratio] > 0, ratio);
    assert.ok(ours.ratios.tcp.p99 > 0);
    assert.match(readFileSync(html, 'utf8'), /^<!doctype html>/);
    if (redis === undefined) {
      assert.match(stdout, /redis is left out, because redis-server is not installed: apt-get install redis-server/);
      return;
    }
    assert.equal(redis.delivered, redis.expected);
    for (const figure of ['p50_ms', 'p99_ms', 'client_cpu_us']) {
      assert.ok(redis[figure] > 0, `${figure} is ${redis[figure]}`);
      assert.ok(ours.ratios.redis[figure.replace(/_[mu]s$/, '')] > 0, `the ratio of ${figure}`);
    }
  });

  test('a wrong name ends with 2 and says which there are', async () => {
    const { code, stderr } = await run('steadily');
    assert.equal(code, 2);
    assert.match(stderr, /there is no "steadily": choose from steady/);
  });
});

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const program = fileURLToPath(benchModule('run'));
    execFile(process.execPath, [program, ...args], { timeout: 80_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

const SMALL = ['--quick', '--watches', '50', '--rate', '200', '--seconds', '1'];

const POSITIVE = [
  'reached',
  'p50_ms',
  'p90_ms',
  'p99_ms',
  'p999_ms',
  'max_ms',
  'main_busy_us',
  'main_elu',
  'client_cpu_us',
  'server_cpu_us',
  'client_rss_mb',
  'server_rss_mb',
];

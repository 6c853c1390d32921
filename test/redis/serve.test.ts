/** `serve --engine redis://…`: what it says, and what it refuses. Sessions end by all servers together. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { until } from '../../src/testing/within.js';
import { runHere, startServe } from '../support/command-line.js';
import { RedisServer, withRedis } from '../support/redis-server.js';
import { ServerProcess } from '../support/server-process.js';

withRedis('serve with Redis', () => {
  describe('serve with Redis', () => {
    let redis: RedisServer;
    before(async () => {
      redis = await RedisServer.start();
    });
    after(() => redis.close());

    test('two are started by one address, and commands at one see what was set at the other', async () => {
      const address = `${redis.url}?serve`;
      const started = [
        await startServe('--engine', address),
        await startServe('--engine', address, '--ack', 'primary'),
      ];
      try {
        const [one, other] = started.map(({ endpoint }) => endpoint);
        assert.deepEqual(
          started.map(({ line }) => [line.engine, line.generation, line.epoch]),
          started.map(() => ['redis', 0, started[0]!.line.epoch]),
        );
        await runHere(['register', 'fan', 'integer', '1', '--endpoint', one!]);
        await until(
          async () => (await runHere(['get', 'fan', '--endpoint', other!])).stdout === '1\n',
          'the variable at the other server',
        );
        assert.equal((await runHere(['set', 'fan', '2', '--endpoint', other!])).exitCode, 0);
        await until(async () => (await runHere(['get', 'fan', '--endpoint', one!])).stdout === '2\n', 'the set');
      } finally {
        for (const { serve } of started) await serve.kill();
      }
    });

    test('its metrics, and top, say how far the log is behind, and what Redis did to its calls', async () => {
      const { serve, endpoint, line } = await startServe('--engine', `${redis.url}?metrics`, '--admin-port', '0');
      try {
        const admin = `127.0.0.1:${line.adminPort}`;
        await runHere(['register', 'fan', 'integer', '1', '--endpoint', endpoint]);
        await runHere(['set', 'fan', '2', '--endpoint', endpoint]);
        const metrics = await (await fetch(`http://${admin}/metrics`)).text();
        const read = (name: string): number =>
          Number(new RegExp(`^bridged_state_engine_${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
        assert.ok(read('tail_ms_count') >= 2, 'a registration and a set at least');
        assert.ok(read('tail_ms_p99') >= read('tail_ms_p50'));
        for (const name of [
          'tail_revisions',
          'away_ms',
          'fenced_total',
          'takeovers_total',
          'forks_total',
          'window_hits_total',
        ])
          assert.equal(read(name), 0, name);
        const top = await runHere(['top', '--admin', admin, '--seconds', '0.5', '--json']);
        const view = JSON.parse(top.stdout.split('\n')[0]!) as { isShared: boolean; tailMsP99: number };
        assert.ok(view.isShared && view.tailMsP99 >= 0);
      } finally {
        await serve.kill();
      }
    });

    test('what belongs to another engine, and what this Redis cannot give, are said', async () => {
      const usage = await runHere(['serve', '--engine', 'memory', '--ack', 'disk']);
      assert.deepEqual(
        [usage.exitCode, /--ack, --behind-ms and --advertise are of a shared engine/.test(usage.stderr)],
        [2, true],
      );
      const disk = await runHere(['serve', '--engine', redis.url, '--ack', 'disk', '--port', '0']);
      assert.deepEqual([disk.exitCode, /keeps nothing on its disk/.test(disk.stderr)], [2, true]);
    });

    test('a session that is used at one server is not ended by another, and ends when nobody uses it', async () => {
      const options = { engine: `${redis.url}?idle`, sessionTtlMs: 400 };
      const servers = [await ServerProcess.start(options), await ServerProcess.start(options)];
      try {
        const endpoint = `127.0.0.1:${servers[0]!.port}`;
        await using state = await BridgedState.open({ endpoint, sessionId: 'house', workers: 1 });
        await state.registerVariable('v', 'float', 0);
        const startedAtMs = performance.now();
        const sets = async () =>
          performance.now() - startedAtMs > 1_500 || (await state.setVariable('v', performance.now())) < 0;
        await until(sets, 'time in which the other server would have ended it');
        assert.equal((await servers[1]!.report()).metrics.sessions, 1);
        await state.close();
        for (const server of servers) {
          await until(async () => (await server.report()).metrics.sessions === 0, 'the end of the session');
        }
      } finally {
        for (const server of servers) await server.close();
      }
    });
  });
});

/** Watches over several workers, where registering, adding and stopping overlap. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../../src/testing/within.js';

const server = await startBridgeServer({ port: 0 });
const pool = await WorkerPool.open({ workers: 2 });
after(async () => {
  await pool.close();
  await server.close();
});
const names = Array.from({ length: 8 }, (_, n) => `v${n}`);
let sessions = 0;

async function opened(): Promise<BridgedState> {
  sessions += 1;
  const state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, sessionId: `split-${sessions}`, pool });
  for (const name of [...names, 'last']) await state.registerVariable(name, 'integer', 0);
  return state;
}

const noStreams = () => until(() => server.metrics().streams === 0, 'no stream is left at the server');

describe('a watch over two workers', () => {
  test('that is stopped while it is being registered leaves no stream behind', async () => {
    await using state = await opened();
    const end = new AbortController();
    const watching = state.watchVariables(names, () => assert.fail('no call after the abort'), { signal: end.signal });
    end.abort();
    await assert.rejects(within(watching, 'the refusal'), { code: 'ABORTED' });
    await state.updateVariables(Object.fromEntries(names.map((name) => [name, 1])));
    await noStreams();
    assert.deepEqual(await state.listWatchers(), []);
  });

  test('that is stopped while variables are added leaves no stream behind', async () => {
    await using state = await opened();
    const watch = await state.watchVariables('last', () => assert.fail('nobody sets it'));
    const adding = watch.add(names);
    await watch.stop();
    await within(
      adding.catch(() => undefined),
      'the end of add',
    );
    await state.updateVariables(Object.fromEntries(names.map((name) => [name, 1])));
    await noStreams();
    await assert.rejects(watch.add('v1'), { code: 'CLOSED' });
  });

  test('to which a variable is added twice at once is told of it once, and each add resolves when it is registered', async () => {
    await using state = await opened();
    const seen: unknown[] = [];
    const watch = await state.watchVariables('last', (name, old, value) => seen.push([name, old, value]));
    const adds = [watch.add(names), watch.add([...names].reverse())];
    await within(adds[1]!, 'the second add');
    await state.updateVariables(Object.fromEntries(names.map((name) => [name, 1])));
    await within(Promise.all(adds), 'both');
    await state.setVariable('last', 1);
    await until(() => seen.length >= names.length + 1, 'all calls');
    await watch.remove(names);
    assert.deepEqual(new Set(seen.map(String)), new Set([...names, 'last'].map((name) => `${name},0,1`)));
    assert.equal(seen.length, names.length + 1);
    await watch.stop();
    await noStreams();
  });

  test('from which a variable is removed while it is added does not watch it', async () => {
    await using state = await opened();
    const watch = await state.watchVariables('last', () => undefined);
    const changes = [watch.add(names), watch.remove(names.slice(1))];
    await within(Promise.all(changes), 'both');
    assert.deepEqual(new Set(watch.identifiers), new Set(['last', 'v0']));
    await watch.stop();
  });
});

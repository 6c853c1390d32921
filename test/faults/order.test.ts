/** Sets of one state are made in the order of its calls, also behind one that a server has still to make when its caller was told that its time is up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BridgedState, type BridgedStateOptions, type BridgeError } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../support/deadline.js';
import { PassingServer } from '../support/passing-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** Links that are passed on as they are. */
const AS_IT_IS = { up: () => undefined, down: (bytes: Buffer) => bytes };
/** What waits behind a call has as much time left as it took to be called after it, and the time of the call itself has to pass. */
const CALL_TIMEOUT_MS = 4_000;

/** A server that may be told to hold what comes, a wire to it, a state whose calls wait for a moment, and what another hears. */
async function setup(options: Partial<BridgedStateOptions> = {}) {
  // Heartbeats tell the client that the server lives, whatever it leaves unanswered.
  const server = await startBridgeServer({ port: 0, heartbeatMs: 100 });
  const passing = await PassingServer.start(server.port, { tap: AS_IT_IS });
  const wire = await TcpProxy.start(passing.port);
  const limits = { callTimeoutMs: CALL_TIMEOUT_MS };
  const state = await BridgedState.open({ endpoint: wire.endpoint, workers: 1, transport: 'link', limits, ...options });
  const other = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
  await state.registerVariable('v', 'integer', 0);
  await state.setVariable('v', 1);
  // Over streams they come to watches.
  await state.watchVariables('v', () => undefined);
  const values = async (): Promise<unknown[]> => (await other.history('v')).map(({ value }) => value);
  const close = async (): Promise<void> => {
    for (const one of [passing, state, other, wire]) await one[Symbol.asyncDispose]();
    await server.close();
  };
  return { passing, wire, state, values, [Symbol.asyncDispose]: close };
}

const codeOf = (set: Promise<unknown>): Promise<unknown> =>
  within(
    20_000,
    set.catch(({ code }: BridgeError) => code),
    'the outcome',
  );

/** What was asked before would be at the server by now: reads wait for no set. */
async function hasPassed(state: BridgedState): Promise<void> {
  for (let reads = 0; reads < 3; reads += 1) assert.equal(await state.getVariable('v'), 1);
}

describe('behind a set whose time is up', { concurrency: true }, () => {
  test('by the link, what goes by a call waits until the server has made it', async () => {
    await using given = await setup();
    const { passing, state, values } = given;
    passing.hold('Open');
    assert.equal(await codeOf(state.setVariable('v', 2)), 'UNKNOWN_OUTCOME');
    const behind = state.rollback('v', 1);
    await hasPassed(state);
    passing.release();
    assert.equal(await within(20_000, behind, 'the call behind it'), 4);
    assert.deepEqual(await values(), [0, 1, 2, 0]);
  });

  test('by a call, what goes by the link waits', async () => {
    await using given = await setup();
    const { passing, state, values } = given;
    passing.hold('RollbackVariable');
    assert.equal(await codeOf(state.rollback('v', 1)), 'UNKNOWN_OUTCOME');
    const behind = [state.setVariable('v', 5), state.updateVariables({ v: 6 }, { atomic: true })];
    await hasPassed(state);
    passing.release();
    await within(20_000, Promise.all(behind), 'the sets behind it');
    assert.deepEqual(await values(), [0, 1, 0, 5, 6]);
  });

  test('nothing of another variable waits for a call, and no call for sets that came behind it', async () => {
    await using given = await setup();
    const { passing, state } = given;
    const id = await state.registerVariable('w', 'integer', 0);
    passing.hold('RollbackVariable');
    const held = state.rollback('v', 1);
    await until(20_000, () => passing.holding === 1, 'the call at the server');
    const waiting = [state.setVariable('v', 5), state.rollback('w', 1)].map(codeOf);
    assert.equal(
      await within(
        20_000,
        state.setVariable('x', 1).catch(({ code }) => code),
        'x',
      ),
      'VARIABLE_NOT_FOUND',
    );
    passing.release();
    assert.equal(await within(20_000, held, 'the call'), 3);
    assert.deepEqual(await Promise.all(waiting), [4, 1]);
    assert.equal(await within(20_000, state.setVariable(id, 3), 'w by its id'), 2);
  });

  test('over streams, the next of its variable waits, and one of another does not', async () => {
    await using given = await setup({ transport: 'stream' });
    const { passing, state, values } = given;
    await state.registerVariable('w', 'integer', 0);
    passing.hold('SetVariable');
    assert.equal(await codeOf(state.setVariable('v', 2)), 'UNKNOWN_OUTCOME');
    const behind = state.rollback('v', 1);
    assert.equal(await within(20_000, state.rollback('w', 1), 'a call of another variable'), 1);
    await hasPassed(state);
    passing.release();
    assert.equal(await within(20_000, behind, 'the call behind it'), 4);
    assert.deepEqual(await values(), [0, 1, 2, 0]);
  });

  test('a deletion and a registration wait too: what is set before them is set in the variable that was', async () => {
    await using given = await setup();
    const { passing, state, values } = given;
    passing.hold('Open');
    assert.equal(await codeOf(state.setVariable('v', 2)), 'UNKNOWN_OUTCOME');
    const behind = [state.deleteVariable('v'), state.registerVariable('v', 'integer', 10), state.setVariable('v', 11)];
    await hasPassed(state);
    passing.release();
    await within(20_000, Promise.all(behind), 'what is behind it');
    assert.deepEqual(await values(), [10, 11]);
  });

  test('each waits for its own time, is told that it was not made, and is not', async () => {
    await using given = await setup();
    const { passing, state, values } = given;
    passing.hold('Open');
    const startedAt = performance.now();
    const set = state.setVariable('v', 2);
    const behind = [state.rollback('v', 1), state.deleteVariable('v'), state.setVariable('v', 3)].map(codeOf);
    assert.equal(await codeOf(set), 'UNKNOWN_OUTCOME');
    assert.deepEqual(await Promise.all(behind), ['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE']);
    assert.ok(performance.now() - startedAt < 3 * CALL_TIMEOUT_MS);
    const later = state.setVariable('v', 4);
    passing.release();
    assert.equal(await within(20_000, later, 'the next set'), 4);
    assert.deepEqual(await values(), [0, 1, 2, 4]);
  });

  test('over streams, each waits for its own time', async () => {
    await using given = await setup({ transport: 'stream' });
    const { passing, state, values } = given;
    passing.hold('SetVariable');
    const set = state.setVariable('v', 2);
    const behind = codeOf(state.setVariable('v', 3));
    assert.deepEqual([await codeOf(set), await behind], ['UNKNOWN_OUTCOME', 'UNAVAILABLE']);
    passing.release();
    assert.equal(await within(20_000, state.setVariable('v', 4), 'the next set'), 4);
    assert.deepEqual(await values(), [0, 1, 2, 4]);
  });

  test('a link that breaks ends the wait, and its number is no other set\u2019s', async () => {
    await using given = await setup();
    const { passing, wire, state, values } = given;
    passing.hold('Open');
    assert.equal(await codeOf(state.setVariable('v', 2)), 'UNKNOWN_OUTCOME');
    wire.cut();
    await until(20_000, () => passing.links === 0, 'its end at the server');
    passing.release();
    wire.mend();
    assert.equal(await within(20_000, state.rollback('v', 1), 'the call behind it'), 3);
    assert.deepEqual(await Promise.all([state.setVariable('v', 7), state.setVariable('v', 8)]), [4, 5]);
    assert.deepEqual(await values(), [0, 1, 0, 7, 8]);
  });

  test('a state closes without it', async () => {
    await using given = await setup();
    const { passing, state, values } = given;
    passing.hold('RollbackVariable');
    assert.equal(await codeOf(state.rollback('v', 1)), 'UNKNOWN_OUTCOME');
    await until(20_000, () => passing.holding === 1, 'the call at the server');
    await within(20_000, state.close(), 'the end of the state');
    assert.deepEqual(await values(), [0, 1]);
  });
});

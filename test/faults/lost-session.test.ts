/** A server that names no codes and has lost the session: what it refuses is asked again, and not taken for a variable that is not there. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BridgedState, VariablesNotFoundError } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { PlainClient } from '../server/plain-client.js';
import { until, within } from '../support/deadline.js';
import { PassingServer } from '../support/passing-server.js';
import { SeenUpdates } from '../support/seen-updates.js';

const sessionId = 'lost';

/** A state at such a server, and a client that ends the session and makes it anew while the state asks whether it is there. */
async function setup() {
  const server = await startBridgeServer({ port: 0 });
  const foreign = await PassingServer.start(server.port, { isForeign: true });
  const state = await BridgedState.open({ endpoint: foreign.endpoint, sessionId, workers: 0 });
  const other = new PlainClient(server.port);
  await state.registerVariable('v', 'integer', 1);
  const lose = (): Promise<unknown> => other.call('CleanupSession', { sessionId });
  const makeAnew = async (): Promise<void> => {
    await until(5_000, () => foreign.holding > 0, 'the question for the session');
    await other.call('InitializeSession', { sessionId });
    const initialValue = { type_url: 'type.googleapis.com/google.protobuf.StringValue', value: Buffer.from('7') };
    const registered = await other.call('RegisterVariable', { sessionId, name: 'v', type: 'integer', initialValue });
    assert.ok(registered.success, registered.errorMessage ?? '');
    foreign.release();
  };
  const close = async (): Promise<void> => {
    for (const one of [foreign, state]) await one[Symbol.asyncDispose]();
    other.close();
    await server.close();
  };
  return { foreign, state, lose, makeAnew, [Symbol.asyncDispose]: close };
}

describe('at a server that names no codes, of a session that was lost', { concurrency: true }, () => {
  test('a call is made in the one that its client makes anew', async () => {
    await using given = await setup();
    await given.lose();
    await within(5_000, given.state.registerVariable('v', 'integer', 2), 'the registration');
    await given.lose();
    await assert.rejects(given.state.getVariable('v'), VariablesNotFoundError);
    assert.equal(await given.state.registerVariable('w', 'integer', 2).then(() => 'made'), 'made');
  });

  for (const [what, ask] of Object.entries({
    'a read': async (state: BridgedState) => assert.equal(await state.getVariable('v'), 7),
    'a set': async (state: BridgedState) => assert.equal(await state.setVariable('v', 8), 2),
    'a watch': async (state: BridgedState) => {
      const seen = new SeenUpdates();
      await state.watchVariables('v', seen.watcher, { includeInitial: true });
      await seen.when(5_000, () => seen.last?.newValue === 7, 'its value');
    },
  })) {
    test(`${what} is asked again where another client has made it anew by the time that it is looked for`, async () => {
      await using given = await setup();
      // Whichever it asks.
      for (const name of ['Heartbeat', 'InitializeSession'] as const) given.foreign.hold(name);
      await given.lose();
      const asked = ask(given.state);
      await given.makeAnew();
      await within(5_000, asked, 'what was asked');
    });
  }

  test('a variable that is not there is told as such', async () => {
    await using given = await setup();
    for (const asked of [
      given.state.getVariable('nowhere'),
      given.state.setVariable('nowhere', 1),
      given.state.watchVariables('nowhere', () => undefined),
    ]) {
      await assert.rejects(within<unknown>(5_000, asked, 'its refusal'), VariablesNotFoundError);
    }
  });
});

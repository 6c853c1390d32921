/** One client's large request leaves the server to the others, in the order of its own connection. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { answeredDuring, any, carriedValue, newValue, PlainClient } from './plain-client.js';

let server: BridgeServer;
let client: PlainClient;
let other: PlainClient;

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `v${index}`);

/** A session of many variables, made once: a call for each takes most of the time. */
const many = { sessionId: 'many' };
const MANY = 8_000;

before(async () => {
  server = await startBridgeServer({ port: 0, maxMessageBytes: 16 * 1024 * 1024 });
  const options = { 'grpc.max_receive_message_length': 64 * 1024 * 1024 };
  client = new PlainClient(server.port, undefined, options);
  other = new PlainClient(server.port);
  await client.call('InitializeSession', many);
  for (let start = 0; start < MANY; start += 500) {
    const names = numbered(MANY).slice(start, start + 500);
    await Promise.all(names.map((name) => client.register(name, 0, many)));
  }
});

after(async () => {
  client.close();
  other.close();
  await server.close();
});

beforeEach(async () => {
  await client.call('CleanupSession', { sessionId: 's', force: true });
  await client.initSession();
});

describe('others are answered meanwhile', () => {
  const few = 4;

  test('while a batch of 20,000 values of which none can be set is refused', async () => {
    const updates = Object.fromEntries(numbered(20_000).map((name) => [name, any(1)]));
    const answered = await answeredDuring(other, client.call('SetVariables', { sessionId: 's', updates }));
    assert.ok(answered > few, `${answered}`);
  });

  test('while 100,000 variables are asked for that are not there', async () => {
    const request = { sessionId: 's', variableIdentifiers: numbered(100_000) };
    const answered = await answeredDuring(other, client.call('GetVariables', request));
    assert.ok(answered > few, `${answered}`);
  });

  test('while a hostile pattern is matched', async () => {
    const constraintsJson = JSON.stringify({ pattern: '^(?:x|(?:(?:a|b)*a(?:a|b){300})c?)$' });
    await client.register('p', '', { type: 'string', initialValue: any('x', 'string'), constraintsJson });
    let text = '';
    for (let seed = 12_345; text.length < 16_000; seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff) {
      text += (seed >> 16) & 1 ? 'a' : 'b';
    }
    const value = any(text, 'string');
    const set = client.answer('SetVariable', { sessionId: 's', variableIdentifier: 'p', value });
    const answered = await answeredDuring(other, set);
    assert.equal((await set).errorCode, 'CONSTRAINT_VIOLATION');
    assert.ok(answered > few, `${answered}`);
  });
});

test('a connection’s calls behind one that goes on in later turns keep their order', async () => {
  const constraintsJson = JSON.stringify({ pattern: '^(?:(?:a|b)*a(?:a|b){300}|[ab]*)$' });
  await client.register('p', '', { type: 'string', initialValue: any('a', 'string'), constraintsJson });
  await client.register('fan', 0);
  const watch = other.watch({ sessionId: 's', variableIdentifiers: ['p', 'fan'] });
  await watch.ready();
  const slow = (letter: string) => any(letter + 'ab'.repeat(4_000), 'string');
  const sent = [
    client.call('SetVariable', { sessionId: 's', variableIdentifier: 'p', value: slow('a') }),
    client.set('fan', 1),
    client.call('SetVariables', { sessionId: 's', updates: { p: slow('b') } }),
    client.call('SetVariables', { sessionId: 's', updates: { fan: any(2) } }),
  ];
  const read = client.call('GetVariable', { sessionId: 's', variableIdentifier: 'fan' });
  assert.equal(carriedValue((await read).variable), 2);
  await Promise.all(sent);
  const seen = (await watch.take(4)).map((update) => [update.variable?.name, String(newValue(update))[0]]);
  assert.deepEqual(seen, [
    ['p', 'a'],
    ['fan', '1'],
    ['p', 'b'],
    ['fan', '2'],
  ]);
});

test('binary values come with their headers, wherever in a large request they are', async () => {
  const numbers = new Float64Array(2_000).fill(0.5);
  const header = {
    type_url: 'type.googleapis.com/snakepit.embedding.binary',
    value: Buffer.from('{"dtype":"float64","shape":[2000]}'),
  };
  const names = numbered(40);
  for (const name of names) await client.register(name, [0], { type: 'embedding' });
  const updates = Object.fromEntries(names.map((name) => [name, header]));
  const binaryUpdates = Object.fromEntries([...names, 'stray'].map((name) => [name, new Uint8Array(numbers.buffer)]));
  const { newVersions, errors } = await client.call('SetVariables', { sessionId: 's', updates, binaryUpdates });
  assert.equal(Object.keys(newVersions ?? {}).length, 40);
  assert.deepEqual(Object.keys(errors ?? {}), ['stray']);
});

test('a map of metadata with more entries than are taken is refused', async () => {
  const metadata = Object.fromEntries(numbered(20_000).map((name) => [name, '']));
  await client.register('fan', 0);
  const request = { sessionId: 's', variableIdentifier: 'fan', value: any(1), metadata };
  const { response, errorCode } = await client.answer('SetVariable', request);
  assert.equal(response.success ?? false, false);
  assert.equal(errorCode, 'INVALID_ARGUMENT');
});

test('an atomic batch that is looked at in turns is set in one, or not at all when a variable went meanwhile', async () => {
  const watch = other.watch({ ...many, variableIdentifiers: ['v0', 'v4999'] });
  await watch.ready();
  const updates = Object.fromEntries(numbered(5_000).map((name) => [name, any(3)]));
  const answer = await client.call('SetVariables', { ...many, updates, atomic: true });
  assert.equal(Object.keys(answer.newVersions ?? {}).length, 5_000);
  const [first, last] = await watch.take(2);
  assert.equal(String(first?.revision), String(last?.revision));
  const more = Object.fromEntries(numbered(5_000).map((name) => [name, any(4)]));
  const [batch, deleted] = await Promise.all([
    client.answer('SetVariables', { ...many, updates: more, atomic: true }),
    other.call('DeleteVariable', { ...many, variableIdentifier: 'v1' }),
  ]);
  assert.equal(deleted.success, true);
  const { variables } = await client.call('GetVariables', { ...many, variableIdentifiers: ['v0', 'v4999'] });
  await client.register('v1', 0, many);
  const values = [carriedValue(variables?.v0), carriedValue(variables?.v4999)];
  // Whichever came first.
  assert.deepEqual(values, batch.response.success ? [4, 4] : [3, 3]);
});

// The last: it ends the session of many.
test('others are answered while 8,000 variables are listed and their session ends', async () => {
  const list = client.call('ListVariables', many);
  assert.ok((await answeredDuring(other, list)) > 2);
  assert.equal((await list).variables?.length, MANY);
  const end = client.call('CleanupSession', { ...many, force: true });
  await answeredDuring(other, end);
  assert.equal((await end).resourcesCleaned, MANY);
});

test('an atomic batch of more variables than are taken is refused as a whole, by a call and by a link', async () => {
  await using small = await startBridgeServer({ port: 0, maxAtomicVariables: 3 });
  for (const transport of ['link', 'stream'] as const) {
    await using state = await BridgedState.open({
      ...{ endpoint: `127.0.0.1:${small.port}`, workers: 0 },
      ...{ sessionId: transport, transport },
    });
    await Promise.all(numbered(4).map((name) => state.registerVariable(name, 'integer', 0)));
    const values = Object.fromEntries(numbered(4).map((name) => [name, 1]));
    await assert.rejects(state.updateVariables(values, { atomic: true }), { code: 'QUOTA_EXCEEDED' });
    assert.deepEqual([...(await state.getVariables(numbered(4))).values()], [0, 0, 0, 0]);
    assert.equal((await state.updateVariables(values)).size, 4);
    assert.equal((await state.updateVariables({ v0: 2, v1: 2, v2: 2 }, { atomic: true })).get('v2'), 3);
  }
});

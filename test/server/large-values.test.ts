/** Values of megabytes over a bridge: they arrive as they were given, in order, are refused as small ones are, and leave the server to the others. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { within } from '../support/deadline.js';
import { answeredDuring, any, PlainClient } from './plain-client.js';

const DEADLINE_MS = 20_000;

let server: BridgeServer;
let state: BridgedState;
let client: PlainClient;
let other: PlainClient;

before(async () => {
  server = await startBridgeServer({ port: 0 });
  client = new PlainClient(server.port);
  other = new PlainClient(server.port);
});

after(async () => {
  client.close();
  other.close();
  await server.close();
});

beforeEach(async () => {
  await client.call('CleanupSession', { sessionId: 's', force: true });
  state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, sessionId: 's', workers: 1 });
});

afterEach(() => state.close());

const map = (seed: number) =>
  Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`k${index}`, [seed, { é: 'ü' }, null]]));
const list = (seed: number) => Array.from({ length: 8_000 }, (_, index) => ({ index, seed, big: 2n ** 70n }));
/** Text that any reader of JSON takes, spelled as our encoder never would. */
const spelled = (seed: number) =>
  `{ "a" : [ ${`${seed}.0e0 , "\\u00e9\\/",\n`.repeat(8_000)} -0 ] , "a\\u0062": {} , "a" : ${seed} }`;

describe('a large map, list, embedding or tensor', () => {
  test('is read, watched, kept in the history and rolled back as it was given', async () => {
    await state.registerVariable('m', 'map', map(1));
    await state.registerVariable('l', 'list', list(1));
    assert.deepEqual(await state.getVariable('m'), map(1));
    const seen: unknown[][] = [];
    let told = () => {};
    const all = new Promise<void>((resolve) => {
      told = () => seen.length === 3 && resolve();
    });
    await state.watchVariables(['m', 'l'], (name, old, value) => {
      seen.push([name, old, value]);
      told();
    });
    await state.setVariable('m', map(2));
    await state.setVariable('l', list(2));
    await state.updateVariables({ m: { small: true } });
    await within(DEADLINE_MS, all, 'three updates');
    assert.deepEqual(seen, [
      ['m', map(1), map(2)],
      ['l', list(1), list(2)],
      ['m', map(2), { small: true }],
    ]);
    const history = await state.history('m');
    assert.deepEqual(history.map(({ version }) => version).sort(), [1, 2, 3]);
    assert.deepEqual(history.find(({ version }) => version === 2)?.value, map(2));
    await state.rollback('m', 1);
    assert.deepEqual(await state.getVariable('m'), map(1));
  });

  test('set again unchanged makes no version, with its keys in another order it does', async () => {
    await state.registerVariable('m', 'map', map(1));
    assert.equal(await state.setVariable('m', map(1)), 1);
    assert.equal(await state.setVariable('m', Object.fromEntries(Object.entries(map(1)).reverse())), 2);
  });

  test('spelled otherwise says the same', async () => {
    await client.register('m', {}, { type: 'map' });
    const value = { type_url: 'type.googleapis.com/snakepit.map', value: Buffer.from(spelled(7)) };
    await client.call('SetVariable', { sessionId: 's', variableIdentifier: 'm', value });
    assert.deepEqual(await state.getVariable('m'), JSON.parse(spelled(7)));
  });

  test('that came as JSON is numbers, and is JSON again in the history', async () => {
    const numbers = Array.from({ length: 40_000 }, (_, index) => index / 7);
    await client.register('e', [0], { type: 'embedding' });
    await client.register('t', { shape: [1], data: [0] }, { type: 'tensor' });
    const updates = {
      e: any([...numbers, 'NaN'], 'embedding'),
      t: any({ shape: [2, 20_000], data: [numbers.slice(0, 20_000), numbers.slice(20_000)] }, 'tensor'),
    };
    const { newVersions } = await client.call('SetVariables', { sessionId: 's', updates, atomic: true });
    assert.deepEqual(newVersions, { e: 2, t: 2 });
    assert.deepEqual(await state.getVariable('e'), Float64Array.from([...numbers, Number.NaN]));
    const tensor = { shape: [2, 20_000], data: Float64Array.from(numbers) };
    assert.deepEqual(await state.getVariable('t'), tensor);
    const [newest] = await state.history('t', { limit: 1 });
    assert.deepEqual(newest?.value, tensor);
  });

  test('that is none is refused by name, and changes nothing', async () => {
    await client.register('m', {}, { type: 'map' });
    await client.register('l', [], { type: 'list' });
    await client.register('e', [0], { type: 'embedding' });
    await client.register('n', 0, { type: 'integer', initialValue: any(0, 'integer') });
    const filler = '1,'.repeat(50_000);
    const texts: [string, string, RegExp][] = [
      ['m', `[${filler}1]`, /a list is not a map/],
      ['l', `{"a":[${filler}1]}`, /a map is not a list/],
      ['l', `[${filler}]`, /not valid JSON/],
      ['l', `[${filler}1e999]`, /too large for a double/],
      ['m', `{"a":[${filler}"\\ud800"]}`, /half of a surrogate pair/],
      ['l', '['.repeat(70_000), /deeper than 100 levels/],
      ['e', `[${filler}"x"]`, /element 50000 is "x"/],
      ['e', `[${filler}[1]]`, /element 50000 is a list/],
    ];
    for (const [name, text, sentence] of texts) {
      const value = { type_url: 'type.googleapis.com/snakepit.map', value: Buffer.from(text) };
      const { response, errorCode } = await client.answer('SetVariable', {
        sessionId: 's',
        variableIdentifier: name,
        value,
      });
      assert.equal(errorCode, 'INVALID_VALUE', text.slice(-20));
      assert.match(response.errorMessage ?? '', new RegExp(`variable "${name}": .*${sentence.source}`));
      const updates = { [name]: value, n: any(1, 'integer') };
      const batch = await client.call('SetVariables', { sessionId: 's', updates, atomic: true });
      assert.match(batch.errors?.[name] ?? '', sentence);
    }
    assert.equal(await state.getVariable('n'), 0);
    assert.deepEqual(await state.getVariable('l'), []);
  });
});

test('a large map that says it is binary is refused, as a small one is', async () => {
  await client.register('m', {}, { type: 'map' });
  for (const entries of [1, 60_000]) {
    const text = `{"a":[${'1,'.repeat(entries)}1]}`;
    const value = { type_url: 'type.googleapis.com/snakepit.map.binary', value: Buffer.from(text) };
    const { response } = await client.answer('SetVariable', { sessionId: 's', variableIdentifier: 'm', value });
    assert.match(response.errorMessage ?? '', /a map does not travel as binary/);
  }
});

test('what a state sets behind a large value keeps its order', async () => {
  await state.registerVariable('l', 'list', []);
  const large = Array.from({ length: 100_000 }, () => ({}));
  const answers = await Promise.all([
    state.setVariable('l', large),
    state.setVariable('l', [1]),
    state.updateVariables({ l: large }),
    state.setVariable('l', [2]),
  ]);
  assert.deepEqual([answers[0], answers[1], answers[3]], [2, 3, 5]);
  assert.deepEqual(await state.getVariable('l'), [2]);
});

test('others are answered while 4 MB of empty maps are set', async () => {
  await client.register('l', [], { type: 'list' });
  const value = { type_url: 'type.googleapis.com/snakepit.list', value: Buffer.from(`[${'{},'.repeat(1_300_000)}{}]`) };
  const set = client.call('SetVariable', { sessionId: 's', variableIdentifier: 'l', value });
  const answered = await answeredDuring(other, set);
  assert.equal((await set).success, true);
  assert.ok(answered > 6, `${answered}`);
});

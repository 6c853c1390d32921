/** Answers in pages: what one message can carry is nobody's limit. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { VariableTable } from '../../src/shared/state/variable-table.js';
import type { ResponseOf } from '../../src/shared/wire/services.js';
import { METHODS } from '../../src/shared/wire/services.js';
import { any, carriedValue, PlainClient } from './plain-client.js';

const MAX_MESSAGE_BYTES = 256 * 1024;

let server: BridgeServer;
let client: PlainClient;

before(async () => {
  server = await startBridgeServer({ port: 0, maxMessageBytes: MAX_MESSAGE_BYTES, sessionTtlMs: 7_000 });
  client = new PlainClient(server.port);
});

after(async () => {
  client.close();
  await server.close();
});

beforeEach(async () => {
  await client.call('CleanupSession', { sessionId: 's', force: true });
  await client.initSession();
});

const registerMany = (names: readonly string[]): Promise<unknown> =>
  Promise.all(names.map((name) => client.register(name, 1)));
const numbered = (count: number, prefix = 'v'): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

/** All pages of a list; `between` is called after each. */
async function listed(
  pattern: string,
  maxBytes: number,
  between: (page: number) => Promise<unknown> = async () => undefined,
): Promise<string[]> {
  const names: string[] = [];
  let pageToken = '';
  for (let page = 0; ; page += 1) {
    const { response } = await client.raw(
      'ListVariables',
      METHODS.ListVariables.encodeRequest({ sessionId: 's', pattern, pageToken, maxBytes }),
    );
    const { variables, nextPageToken } = METHODS.ListVariables.decodeResponse(response);
    assert.ok(response.length <= maxBytes || variables?.length === 1, `${response.length} bytes`);
    names.push(...(variables ?? []).map(({ name }) => name ?? ''));
    pageToken = nextPageToken ?? '';
    if (pageToken === '') return names;
    await between(page);
  }
}

test('pages of a list together are the list, and none is larger than was asked for', async () => {
  await registerMany(numbered(300));
  await client.register('long', 'x'.repeat(5_000), { type: 'string', initialValue: any('x'.repeat(5_000), 'string') });
  await registerMany(numbered(50, 'w'));
  const whole = await client.call('ListVariables', { sessionId: 's' });
  assert.equal(whole.nextPageToken ?? '', '');
  const all = (whole.variables ?? []).map(({ name }) => name ?? '');
  assert.equal(all.length, 351);
  assert.deepEqual(await listed('', 4_000), all);
  assert.deepEqual(
    await listed('v*', 1_000),
    all.filter((name) => name.startsWith('v')),
  );
  assert.deepEqual(await listed('nobody*', 1_000), []);
  assert.deepEqual(await listed('', 1), all);
});

test('what is there all the time is told once, while others come and go between the pages', async () => {
  const kept = numbered(120);
  const going = numbered(120, 'going');
  await registerMany(kept.flatMap((name, index) => [name, going[index]!]));
  const told = await listed('', 3_000, async (page) => {
    await client.register(`coming${page}`, 1);
    for (const name of going.slice(page * 10, page * 10 + 10)) {
      await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: name });
    }
    // Registered again it is another one.
    if (page < 12) await client.register(going[page * 10]!, 1);
  });
  const ofKept = told.filter((name) => /^v\d/.test(name));
  assert.equal(new Set(ofKept).size, kept.length);
  assert.equal(ofKept.length, kept.length);
});

test('a page token of another life of the session is refused instead of leaving something out', async () => {
  await registerMany(numbered(50));
  const { nextPageToken } = await client.call('ListVariables', { sessionId: 's', maxBytes: 1_000 });
  assert.ok(nextPageToken);
  await client.call('CleanupSession', { sessionId: 's', force: true });
  await client.initSession();
  for (const pageToken of [nextPageToken, 'x', '1', '1@', '-1@0']) {
    assert.equal((await client.failure('ListVariables', { sessionId: 's', pageToken })).code, 3, pageToken);
  }
  assert.equal((await client.failure('ListVariables', { sessionId: 's', maxBytes: -1 })).code, 3);
});

test('GetVariables names what did not fit, and asking for that brings the rest', async () => {
  await registerMany(numbered(200));
  const asked = [...numbered(200), ...numbered(20, 'missing'), 'v1'].sort();
  const found = new Set<string>();
  const missing = new Set<string>();
  let remaining: readonly string[] = asked;
  let pages = 0;
  while (remaining.length > 0) {
    const maxBytes = 4_500;
    const { response } = await client.raw(
      'GetVariables',
      METHODS.GetVariables.encodeRequest({ sessionId: 's', variableIdentifiers: [...remaining], maxBytes }),
    );
    assert.ok(response.length <= maxBytes, `${response.length} bytes`);
    const answer = METHODS.GetVariables.decodeResponse(response);
    for (const [name, variable] of Object.entries(answer.variables ?? {})) {
      assert.equal(found.has(name), false);
      assert.equal(carriedValue(variable), 1);
      found.add(name);
    }
    for (const name of answer.missingVariables ?? []) missing.add(name);
    remaining = answer.remainingIdentifiers ?? [];
    pages += 1;
  }
  assert.equal(found.size, 200);
  assert.equal(missing.size, 20);
  assert.ok(pages > 3 && pages < 40, `${pages} pages`);
  const whole = await client.call('GetVariables', { sessionId: 's', variableIdentifiers: asked });
  assert.deepEqual(Object.keys(whole.variables ?? {}).length, 200);
  assert.deepEqual(whole.remainingIdentifiers ?? [], []);
});

test('a single variable larger than max_bytes goes alone', async () => {
  const large = any('x'.repeat(20_000), 'string');
  for (const name of ['a', 'b']) await client.register(name, '', { type: 'string', initialValue: large });
  const answer = await client.call('GetVariables', {
    sessionId: 's',
    variableIdentifiers: ['a', 'b'],
    maxBytes: 1_000,
  });
  assert.deepEqual(Object.keys(answer.variables ?? {}), ['a']);
  assert.deepEqual(answer.remainingIdentifiers, ['b']);
});

test('pages of a history lead back to its beginning, newest page first, each oldest first', async () => {
  await client.register('fan', 0);
  for (let value = 1; value < 60; value += 1) await client.set('fan', value);
  const request = { sessionId: 's', variableIdentifier: 'fan' };
  const whole = await client.call('GetVariableHistory', request);
  let pages: NonNullable<ResponseOf<'GetVariableHistory'>['entries']> = [];
  for (let beforeVersion = 0; ; beforeVersion = pages[0]?.version ?? 0) {
    const { response } = await client.raw(
      'GetVariableHistory',
      METHODS.GetVariableHistory.encodeRequest({ ...request, beforeVersion, maxBytes: 700 }),
    );
    assert.ok(response.length <= 700);
    const { entries, hasMore } = METHODS.GetVariableHistory.decodeResponse(response);
    pages = [...(entries ?? []), ...pages];
    if (hasMore !== true) break;
  }
  assert.deepEqual(pages, whole.entries);
  const limited = await client.call('GetVariableHistory', { ...request, beforeVersion: 10, limit: 3 });
  assert.deepEqual(
    limited.entries?.map(({ version }) => version),
    [7, 8, 9],
  );
  assert.equal(limited.hasMore ?? false, false);
  assert.deepEqual((await client.call('GetVariableHistory', { ...request, beforeVersion: 1 })).entries ?? [], []);
  assert.equal((await client.failure('GetVariableHistory', { ...request, beforeVersion: -1 })).code, 3);
});

test('InitializeSession brings at most 64 KB of variables, and none when they are not wanted', async () => {
  await registerMany(numbered(1_000));
  const { response } = await client.raw(
    'InitializeSession',
    METHODS.InitializeSession.encodeRequest({ sessionId: 's' }),
  );
  assert.ok(response.length <= 64 * 1024, `${response.length} bytes`);
  const { initialVariables } = METHODS.InitializeSession.decodeResponse(response);
  assert.ok(Object.keys(initialVariables ?? {}).length > 100);
  const bare = await client.call('InitializeSession', { sessionId: 's', withoutVariables: true });
  assert.equal(bare.success, true);
  assert.deepEqual(Object.keys(bare.initialVariables ?? {}), []);
});

test('the answer of a batch whose values are all refused fits a message, and each has its code', async () => {
  const names = numbered(900);
  const constraintsJson = JSON.stringify({ enum: ['y'.repeat(200)] });
  await Promise.all(
    names.map((name) =>
      client.register(name, '', { type: 'string', initialValue: any('y'.repeat(200), 'string'), constraintsJson }),
    ),
  );
  const updates = Object.fromEntries(names.map((name) => [name, any('é'.repeat(60), 'string')]));
  const { response } = await client.raw(
    'SetVariables',
    METHODS.SetVariables.encodeRequest({ sessionId: 's', updates }),
  );
  assert.ok(response.length <= MAX_MESSAGE_BYTES, `${response.length} bytes`);
  const { errors, errorCodes } = METHODS.SetVariables.decodeResponse(response);
  assert.equal(Object.keys(errors ?? {}).length, names.length);
  assert.deepEqual([...new Set(Object.values(errorCodes ?? {}))], ['CONSTRAINT_VIOLATION']);
  assert.equal(Object.keys(errorCodes ?? {}).length, names.length);
  for (const sentence of Object.values(errors ?? {})) assert.match(sentence, /^variable "v\d+": /);
});

test('the server says its largest message and the life of an idle session in its headers', async () => {
  await client.register('fan', 1);
  const header = await client.watch({ sessionId: 's', variableIdentifiers: ['fan'] }).ready();
  assert.deepEqual(header.get('bridge-max-message-bytes'), [String(MAX_MESSAGE_BYTES)]);
  assert.deepEqual(header.get('bridge-session-ttl-ms'), ['7000']);
});

test('a history is paged over the border of two eras', () => {
  const { history } = new VariableTable({
    maxVariables: 1,
    history: { maxAgeMs: 1, maxVersions: 16, maxSessionBytes: 0 },
    newId: () => 'v1',
  }).register({ name: 'fan', type: 'float', initial: 0, version: 2 ** 31 - 3 }, 0).variable;
  assert.deepEqual(history.before(2 ** 31 - 3, 5), []);
  assert.equal(history.before(2 ** 31 - 2, 5).length, 1);
});

test('an answer without pages is refused above maxAnswerBytes, and told in pages', async () => {
  await using small = await startBridgeServer({ port: 0, maxAnswerBytes: 2_000 });
  const reader = new PlainClient(small.port);
  await reader.initSession();
  for (const name of numbered(40)) await reader.register(name, 1);
  for (let value = 2; value < 60; value += 1) await reader.set('v0', value);
  const request = { sessionId: 's', variableIdentifier: 'v0', variableIdentifiers: numbered(40) };
  for (const call of ['ListVariables', 'GetVariables', 'GetVariableHistory'] as const) {
    const { code, metadata } = await reader.failure(call, request);
    assert.deepEqual([code, metadata.get('bridge-error')], [8, ['MESSAGE_TOO_LARGE']], call);
    await reader.call(call, { ...request, maxBytes: 2_000 });
  }
  const { callsRefused, heldBytes, requestBytes } = small.metrics();
  assert.equal(callsRefused, 3);
  assert.ok(heldBytes > 1_000);
  assert.equal(requestBytes, 0);
  reader.close();
});

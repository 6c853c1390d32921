/** What no client of good will sends. The server answers each with a status of its own, and goes on. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { ServiceError } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import fc from 'fast-check';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import type { MethodName } from '../../src/shared/wire/services.js';
import { METHODS } from '../../src/shared/wire/services.js';
import { within } from '../support/deadline.js';
import { any, newValue, PlainClient } from './plain-client.js';

let server: BridgeServer;
let client: PlainClient;

before(async () => {
  server = await startBridgeServer({ port: 0, maxStreams: 50 });
  client = new PlainClient(server.port);
  await client.initSession();
});

after(async () => {
  client.close();
  await server.close();
});

afterEach(async () => {
  assert.equal((await client.call('Ping', { message: 'alive' })).message, 'pong: alive');
});

const unaryNames = (Object.keys(METHODS) as MethodName[]).filter((name) => name !== 'WatchVariables');

describe('bytes that are no message', () => {
  test('are answered with a status in every call', async () => {
    const garbage = fc.uint8Array({ maxLength: 64 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...unaryNames), garbage, async (name, bytes) => {
        const code = await client.raw(name, bytes).then(
          () => status.OK,
          (error: ServiceError) => error.code,
        );
        assert.ok([status.OK, status.INVALID_ARGUMENT, status.NOT_FOUND].includes(code), `${name}: ${code}`);
      }),
      { numRuns: 300 },
    );
  });

  test('end a watch with INVALID_ARGUMENT', async () => {
    for (const bytes of [Buffer.from([0xff, 0xff, 0xff]), Buffer.from([0x0a, 0x7f, 0x00]), Buffer.alloc(0)]) {
      const { code, metadata } = await client.watchBytes(bytes).end();
      assert.equal(code, status.INVALID_ARGUMENT);
      assert.deepEqual(metadata.get('bridge-error'), ['INVALID_ARGUMENT']);
    }
  });

  test('that are text but not UTF-8 are refused', async () => {
    const sessionId = Buffer.from([0x0a, 0x02, 0xc3, 0x28]);
    await assert.rejects(client.raw('GetSession', sessionId), { code: status.INVALID_ARGUMENT });
  });
});

describe('messages that are too large', () => {
  test('are RESOURCE_EXHAUSTED', async () => {
    const updates = { fan: { type_url: '', value: Buffer.alloc(5 * 1024 * 1024) } };
    const error = await client.failure('SetVariables', { sessionId: 's', updates });
    assert.equal(error.code, status.RESOURCE_EXHAUSTED);
  });

  test('are refused too when only their update would be', async () => {
    const limit = 4 * 1024 * 1024;
    await client.register('large', 0, { type: 'string', initialValue: any('', 'string') });
    const request = { sessionId: 's', variableIdentifier: 'large', value: any('x'.repeat(limit - 2_000), 'string') };
    const error = await client.failure('SetVariable', request);
    assert.equal(error.code, status.RESOURCE_EXHAUSTED);
    assert.deepEqual(error.metadata.get('bridge-error'), ['MESSAGE_TOO_LARGE']);
    const batch = await client.call('SetVariables', { sessionId: 's', updates: { large: request.value } });
    assert.deepEqual(batch.errorCodes, { large: 'MESSAGE_TOO_LARGE' });

    // The largest that is taken can be watched by a client with the usual limit.
    const watch = client.watch({ sessionId: 's', variableIdentifiers: ['large'] });
    await watch.ready();
    const text = 'x'.repeat(limit - 80_000);
    const set = { sessionId: 's', variableIdentifier: 'large', value: any(text, 'string') };
    assert.equal((await client.call('SetVariable', set)).success, true);
    assert.equal(newValue(await watch.next()), text);
    watch.call.cancel();
  });

  test('are refused as a registration that leaves no room for values', async () => {
    const error = await client.failure('RegisterVariable', {
      sessionId: 's',
      name: 'fat',
      type: 'float',
      initialValue: any(1),
      metadata: { note: 'x'.repeat(3 * 1024 * 1024) },
    });
    assert.equal(error.code, status.RESOURCE_EXHAUSTED);
  });
});

describe('names', () => {
  test('of any characters come back as they went', async () => {
    // Half a surrogate pair cannot be sent: UTF-8 has none.
    const character = fc
      .integer({ min: 0x20, max: 0x2ffff })
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCodePoint(code));
    const name = fc.oneof(
      fc.constantFrom('__proto__', 'constructor', 'hasOwnProperty', '*', '?', 'a/b', ' ', '🙂', 'var_1'),
      fc.string({ unit: character, minLength: 1, maxLength: 30 }),
    );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(name, async (given) => {
        round += 1;
        const sessionId = `names-${round}`;
        await client.call('InitializeSession', { sessionId });
        const request = { sessionId, name: given, type: 'float', initialValue: any(1) };
        const { response, errorCode } = await client.answer('RegisterVariable', request);
        if (response.success) {
          const { variables } = await client.call('GetVariables', { sessionId, variableIdentifiers: [given] });
          assert.deepEqual(Object.keys(variables ?? {}), [given]);
          const { initialVariables } = await client.call('InitializeSession', { sessionId });
          assert.deepEqual(Object.keys(initialVariables ?? {}), [given]);
          const updates: Record<string, ReturnType<typeof any>> = {};
          Object.defineProperty(updates, given, { value: any(2), enumerable: true });
          const { newVersions } = await client.call('SetVariables', { sessionId, updates });
          assert.deepEqual(Object.entries(newVersions ?? {}), [[given, 2]]);
        } else {
          assert.equal(errorCode, 'INVALID_NAME');
        }
        await client.call('CleanupSession', { sessionId, force: true });
      }),
      { numRuns: 60 },
    );
  });

  test('that are not allowed are refused', async () => {
    for (const name of ['', 'a\nb', 'a\u0000', 'x'.repeat(257)]) {
      const request = { sessionId: 's', name, type: 'float', initialValue: any(1) };
      assert.equal((await client.answer('RegisterVariable', request)).errorCode, 'INVALID_NAME');
    }
  });

  test('of thousands that are missing fit the status of their answer', async () => {
    const variableIdentifiers = Array.from({ length: 5_000 }, (_, index) => `ümläüt-🙂-${index}`);
    const { code, details } = await client.watch({ sessionId: 's', variableIdentifiers }).end();
    assert.equal(code, status.NOT_FOUND);
    assert.match(details, /^Variable not found: ümläüt-🙂-0, /);
    assert.ok(encodeURI(details).length <= 4_100);
  });
});

describe('types, values and constraints', () => {
  const register = (more: object) =>
    client.answer('RegisterVariable', { sessionId: 's', name: 'v', type: 'float', initialValue: any(1), ...more });

  test('an unknown type is refused with the known ones', async () => {
    const { response, errorCode } = await register({ type: 'quaternion' });
    assert.equal(errorCode, 'INVALID_TYPE');
    assert.match(response.errorMessage ?? '', /float, integer, string/);
  });

  test('pattern bombs are refused or matched in no time', async () => {
    for (const pattern of ['^(a+)+$', '((a{100}){100}){100}', '(?=a)', '(', '(a|a)*'.repeat(50)]) {
      const answered = register({
        name: `p${pattern}`.slice(0, 50),
        type: 'string',
        initialValue: any(`${'a'.repeat(5_000)}!`, 'string'),
        constraintsJson: JSON.stringify({ pattern }),
      });
      const { errorCode } = await within(2_000, answered, pattern);
      assert.ok(['CONSTRAINT_VIOLATION', 'INVALID_CONSTRAINT', undefined].includes(errorCode), errorCode);
    }
  });

  test('wildcard bombs are matched in no time', async () => {
    for (let index = 0; index < 50; index += 1) await client.register(`${'a'.repeat(200)}${index}`, 1);
    const pattern = `${'*a'.repeat(20_000)}b`;
    await within(2_000, client.call('ListVariables', { sessionId: 's', pattern }), 'the list');
    const watch = client.watch({ sessionId: 's', patterns: [pattern] });
    await within(2_000, watch.ready(), 'the watch');
    watch.call.cancel();
    const patterns = Array.from({ length: 101 }, (_, index) => `${index}*`);
    const { code } = await client.watch({ sessionId: 's', patterns }).end();
    assert.equal(code, status.INVALID_ARGUMENT);
  });

  test('constraints that are no JSON, too deep, or quote half a character are refused in a sentence that travels', async () => {
    const deep = '['.repeat(100_000);
    for (const constraintsJson of ['{', '[]', '1', deep, '{"pattern":"\\ud83d("}', '{"min":"\\ud83d"}']) {
      const { errorCode } = await register({ constraintsJson });
      const asString = await register({
        type: 'string',
        initialValue: any('x', 'string'),
        constraintsJson,
        name: `c${constraintsJson.length}`,
      });
      assert.ok(errorCode === 'INVALID_CONSTRAINT' || asString.errorCode === 'INVALID_CONSTRAINT', constraintsJson);
    }
  });

  test('values that are too deep are refused', async () => {
    const value = { type_url: '', value: Buffer.from(`${'['.repeat(200_000)}${']'.repeat(200_000)}`) };
    const { errorCode } = await register({ name: 'deep', type: 'list', initialValue: value });
    assert.equal(errorCode, 'INVALID_VALUE');
  });

  test('metadata named like what objects have is ordinary', async () => {
    const metadata: Record<string, string> = { constructor: 'a', toString: 'b' };
    Object.defineProperty(metadata, '__proto__', { value: 'c', enumerable: true });
    const { response } = await register({ name: 'meta', metadata });
    assert.equal(response.success, true);
    const { variable } = await client.call('GetVariable', { sessionId: 's', variableIdentifier: 'meta' });
    assert.deepEqual(Object.entries(variable?.metadata ?? {}).sort(), [
      ['__proto__', 'c'],
      ['constructor', 'a'],
      ['toString', 'b'],
    ]);
  });
});

test('one stream more than maxStreams is RESOURCE_EXHAUSTED', async () => {
  await client.register('quota', 1);
  const streams = Array.from({ length: 50 }, () => client.watch({ sessionId: 's', variableIdentifiers: ['quota'] }));
  await Promise.all(streams.map((stream) => stream.ready()));
  const { code, metadata } = await client.watch({ sessionId: 's', variableIdentifiers: ['quota'] }).end();
  assert.equal(code, status.RESOURCE_EXHAUSTED);
  assert.deepEqual(metadata.get('bridge-error'), ['QUOTA_EXCEEDED']);
  for (const stream of streams) stream.call.cancel();
});

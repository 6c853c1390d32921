/** What published clients lean on, line by line, over both service names. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { ServiceError } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { METHODS, SERVICE_NAMES } from '../../src/shared/wire/services.js';
import type { VariableUpdate } from './plain-client.js';
import { any, carriedValue, long, newValue, PlainClient } from './plain-client.js';

const trailerOf = (error: ServiceError, key: string): string => String(error.metadata.get(key)[0]);

for (const service of SERVICE_NAMES) {
  describe(service, () => {
    let server: BridgeServer;
    let client: PlainClient;

    before(async () => {
      server = await startBridgeServer({ port: 0 });
      client = new PlainClient(server.port, service);
    });

    after(async () => {
      client.close();
      await server.close();
    });

    beforeEach(async () => {
      await client.call('CleanupSession', { sessionId: 's', force: true });
      await client.initSession();
    });

    test('Ping answers pong: and the message', async () => {
      const { message, serverTime } = await client.call('Ping', { message: 'hello' });
      assert.equal(message, 'pong: hello');
      assert.ok(Math.abs(Number(String(serverTime?.seconds)) * 1000 - Date.now()) < 60_000);
    });

    describe('sessions', () => {
      test('InitializeSession joins a session that exists, and brings its variables', async () => {
        await client.register('fan', 21.5);
        const { success, initialVariables, availableTools } = await client.call('InitializeSession', {
          sessionId: 's',
        });
        assert.equal(success, true);
        assert.deepEqual(Object.keys(initialVariables ?? {}), ['fan']);
        assert.equal(carriedValue(initialVariables?.fan), 21.5);
        assert.deepEqual(availableTools ?? {}, {});
      });

      test('InitializeSession without an id is refused in its answer', async () => {
        const { response, errorCode } = await client.answer('InitializeSession', {});
        assert.equal(response.success, false);
        assert.match(response.errorMessage ?? '', /fill session_id/);
        assert.equal(errorCode, 'INVALID_ARGUMENT');
      });

      test('GetSession says metadata, time and number of variables', async () => {
        await client.call('InitializeSession', { sessionId: 'with-metadata', metadata: { owner: 'me' } });
        const session = await client.call('GetSession', { sessionId: 'with-metadata' });
        assert.deepEqual(session.metadata, { owner: 'me' });
        assert.equal(session.variableCount ?? 0, 0);
        assert.ok(Number(String(session.createdAt?.seconds)) > 0);
        await client.register('fan', 1);
        assert.equal((await client.call('GetSession', { sessionId: 's' })).variableCount, 1);
      });

      test('Heartbeat says whether the session is valid, and is answered either way', async () => {
        assert.equal((await client.call('Heartbeat', { sessionId: 's' })).sessionValid, true);
        assert.equal((await client.call('Heartbeat', { sessionId: 'nobody' })).sessionValid ?? false, false);
      });

      test('CleanupSession without force leaves a session that another connection watches', async () => {
        await client.register('fan', 1);
        const other = new PlainClient(server.port, service);
        const watch = other.watch({ sessionId: 's', variableIdentifiers: ['fan'] });
        await watch.ready();
        const refused = await client.call('CleanupSession', { sessionId: 's' });
        assert.equal(refused.success ?? false, false);
        assert.equal(await client.set('fan', 2), 2);
        assert.equal((await watch.next()).updateType, 'value_change');

        const forced = await client.call('CleanupSession', { sessionId: 's', force: true });
        assert.deepEqual([forced.success, forced.resourcesCleaned], [true, 1]);
        const update = await watch.next();
        assert.deepEqual([update.updateType, update.reason], ['deleted', 'session-ended']);
        assert.equal((await watch.end()).code, status.OK);
        other.close();
      });

      test('CleanupSession ends watches that only wait', async () => {
        const watch = client.watch({ sessionId: 's', patterns: ['*'] });
        await watch.ready();
        assert.equal((await client.call('CleanupSession', { sessionId: 's' })).success, true);
        assert.equal((await watch.end()).code, status.OK);
        assert.equal(server.metrics().observers, 0);
      });

      test('CleanupSession of an unknown session says so in its answer', async () => {
        const { response, errorCode } = await client.answer('CleanupSession', { sessionId: 'nobody' });
        assert.equal(response.success ?? false, false);
        assert.equal(errorCode, 'SESSION_NOT_FOUND');
      });

      test('GetExposedElixirTools is empty', async () => {
        assert.deepEqual((await client.call('GetExposedElixirTools', { sessionId: 's' })).tools, []);
      });

      test('the tool calls of the published contract are UNIMPLEMENTED', async () => {
        for (const name of ['ExecuteTool', 'RegisterTools', 'StartOptimization', 'ExecuteElixirTool']) {
          await assert.rejects(client.raw(name, Buffer.alloc(0)), { code: status.UNIMPLEMENTED }, name);
        }
      });
    });

    describe('an unknown session', () => {
      test('is NOT_FOUND by status in calls without success', async () => {
        const request = { sessionId: 'nobody', variableIdentifier: 'fan' };
        const failures = [
          await client.failure('GetVariable', request),
          await client.failure('GetVariables', { sessionId: 'nobody' }),
          await client.failure('GetSession', { sessionId: 'nobody' }),
          await client.failure('ListVariables', { sessionId: 'nobody' }),
          await client.failure('GetVariableHistory', request),
        ];
        for (const error of failures) {
          assert.equal(error.code, status.NOT_FOUND);
          assert.match(error.details, /^Session not found: nobody/);
          assert.equal(trailerOf(error, 'bridge-error'), 'SESSION_NOT_FOUND');
          assert.equal(trailerOf(error, 'bridge-epoch'), server.epoch);
        }
        const watch = client.watch({ sessionId: 'nobody', variableIdentifiers: ['fan'] });
        const { code, details, metadata } = await watch.end();
        assert.equal(code, status.NOT_FOUND);
        assert.match(details, /^Session not found: nobody/);
        assert.deepEqual(metadata.get('bridge-epoch'), [server.epoch]);
      });

      test('is told in the answer of calls with success', async () => {
        const request = { sessionId: 'nobody', variableIdentifier: 'fan', value: any(1), targetVersion: 1 };
        const answers = [
          await client.answer('RegisterVariable', {
            sessionId: 'nobody',
            name: 'fan',
            type: 'float',
            initialValue: any(1),
          }),
          await client.answer('SetVariable', request),
          await client.answer('DeleteVariable', request),
          await client.answer('RollbackVariable', request),
          await client.answer('UnwatchVariables', { sessionId: 'nobody', watchToken: 'x' }),
        ];
        for (const { response, errorCode } of answers) {
          assert.equal(response.success ?? false, false);
          assert.match(response.errorMessage ?? '', /^Session not found: nobody/);
          assert.equal(errorCode, 'SESSION_NOT_FOUND');
        }
        const batch = await client.answer('SetVariables', { sessionId: 'nobody', updates: { fan: any(1) } });
        assert.equal(batch.response.success ?? false, false);
        assert.match(batch.response.errors?.fan ?? '', /^Session not found: nobody/);
        assert.equal(batch.errorCode, 'SESSION_NOT_FOUND');
        const empty = await client.answer('SetVariables', { sessionId: 'nobody', updates: {} });
        assert.equal(empty.response.success ?? false, false);
      });
    });

    describe('variables', () => {
      test('RegisterVariable answers an id by which it is read as by its name', async () => {
        const id = await client.register('fan', 21.5, { metadata: { unit: 'rpm' }, constraintsJson: '{"min":0}' });
        assert.match(id, /^var_[0-9a-z]+$/);
        for (const variableIdentifier of [id, 'fan']) {
          const { variable } = await client.call('GetVariable', { sessionId: 's', variableIdentifier });
          assert.equal(variable?.id, id);
          assert.equal(variable?.name, 'fan');
          assert.equal(variable?.type, 'float');
          assert.equal(variable?.version, 1);
          assert.equal(variable?.value?.type_url, 'type.googleapis.com/snakepit.float');
          assert.equal(carriedValue(variable), 21.5);
          assert.deepEqual(variable?.metadata, { unit: 'rpm' });
          assert.deepEqual(JSON.parse(variable?.constraintsJson ?? ''), { min: 0 });
        }
      });

      test('RegisterVariable of a name that is taken is refused and changes nothing', async () => {
        await client.register('fan', 1);
        const { response, errorCode } = await client.answer('RegisterVariable', {
          sessionId: 's',
          name: 'fan',
          type: 'string',
          initialValue: any('x', 'string'),
        });
        assert.equal(response.success ?? false, false);
        assert.match(response.errorMessage ?? '', /"fan" is already registered/);
        assert.equal(errorCode, 'ALREADY_EXISTS');
        assert.equal(await client.set('fan', 2), 2);
      });

      test('ttl, description and first version have fields of their own; every key of the metadata is data', async () => {
        const metadata = {
          ttl_ms: '1',
          description: 'theirs',
          'bridge.first_version': '7',
          source: 'python',
          unit: 'rpm',
        };
        await client.register('fan', 1, { metadata, ttlMs: 60_000, description: 'the fan', firstVersion: 1_000 });
        const { variable } = await client.call('GetVariable', { sessionId: 's', variableIdentifier: 'fan' });
        assert.deepEqual(variable?.metadata, metadata);
        assert.deepEqual([variable?.description, long(variable?.ttlMs), variable?.version], ['the fan', 60_000, 1_000]);
        const watch = client.watch({ sessionId: 's', variableIdentifiers: ['fan'], includeInitialValues: true });
        const initial = await watch.next();
        assert.deepEqual(initial.variable?.metadata, metadata);
        assert.deepEqual([initial.variable?.description, long(initial.variable?.ttlMs)], ['the fan', 60_000]);
        watch.call.cancel();
      });

      test('with a setter every key of a set is the setter\u2019s own', async () => {
        await client.register('fan', 1);
        const watch = client.watch({ sessionId: 's', variableIdentifiers: ['fan'] });
        await watch.ready();
        const metadata = { source: 'theirs', unit: 'rpm' };
        const request = { sessionId: 's', metadata, setter: { source: 'me' } };
        await client.call('SetVariable', { ...request, variableIdentifier: 'fan', value: any(2) });
        await client.call('SetVariables', { ...request, updates: { fan: any(3) }, setter: {} });
        const [first, second] = await watch.take(2);
        assert.deepEqual([first?.updateSource, first?.updateMetadata], ['me', metadata]);
        assert.deepEqual([second?.updateSource, second?.updateMetadata], ['', metadata]);
        const { entries } = await client.call('GetVariableHistory', { sessionId: 's', variableIdentifier: 'fan' });
        assert.deepEqual(
          entries?.map((entry) => [entry.changedBy, entry.metadata]),
          [
            ['', {}],
            ['me', metadata],
            ['', metadata],
          ],
        );
        watch.call.cancel();
      });

      test('a first version that leaves no room for sets is refused', async () => {
        const request = { sessionId: 's', name: 'late', type: 'float', initialValue: any(1) };
        for (const firstVersion of [2 ** 53 - 2, 2 ** 52 + 1, -1]) {
          const { response, errorCode } = await client.answer('RegisterVariable', { ...request, firstVersion });
          assert.equal(response.success ?? false, false, String(firstVersion));
          assert.equal(errorCode, 'INVALID_ARGUMENT');
        }
      });

      test('GetVariable of an unknown one is NOT_FOUND and names it', async () => {
        const error = await client.failure('GetVariable', { sessionId: 's', variableIdentifier: 'nothing' });
        assert.equal(error.code, status.NOT_FOUND);
        assert.match(error.details, /^Variable not found: nothing/);
        assert.equal(trailerOf(error, 'bridge-error'), 'VARIABLE_NOT_FOUND');
      });

      test('GetVariables answers by the identifier asked for, and lists what is missing', async () => {
        const id = await client.register('fan', 1);
        await client.register('__proto__', 2);
        const answer = await client.call('GetVariables', {
          sessionId: 's',
          variableIdentifiers: [id, 'fan', '__proto__', 'nothing', 'nothing', 'constructor'],
        });
        assert.deepEqual(Object.keys(answer.variables ?? {}).sort(), ['__proto__', 'fan', id].sort());
        assert.equal(carriedValue(Object.entries(answer.variables ?? {}).find(([key]) => key === '__proto__')?.[1]), 2);
        assert.deepEqual(answer.missingVariables, ['nothing', 'constructor']);
      });

      test('ListVariables selects by * and ?', async () => {
        for (const name of ['room/1/temp', 'room/2/temp', 'room/10/temp', 'hall']) await client.register(name, 1);
        const names = async (pattern: string) => {
          const { variables } = await client.call('ListVariables', { sessionId: 's', pattern });
          return (variables ?? []).map(({ name }) => name);
        };
        assert.deepEqual(await names(''), ['room/1/temp', 'room/2/temp', 'room/10/temp', 'hall']);
        assert.deepEqual(await names('room/?/temp'), ['room/1/temp', 'room/2/temp']);
        assert.deepEqual(await names('room/*'), ['room/1/temp', 'room/2/temp', 'room/10/temp']);
        assert.deepEqual(await names('room'), []);
        assert.deepEqual(await names('.*'), []);
      });

      test('DeleteVariable deletes, and says when there is nothing to delete', async () => {
        await client.register('fan', 1);
        assert.equal(
          (await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: 'fan' })).success,
          true,
        );
        const again = await client.answer('DeleteVariable', { sessionId: 's', variableIdentifier: 'fan' });
        assert.equal(again.response.success ?? false, false);
        assert.match(again.response.errorMessage ?? '', /^Variable not found: fan/);
        assert.equal(again.errorCode, 'VARIABLE_NOT_FOUND');
      });
    });

    describe('setting', () => {
      test('raises the version by one; an equal value raises nothing', async () => {
        await client.register('fan', 1);
        assert.equal(await client.set('fan', 2), 2);
        assert.equal(await client.set('fan', 2), 2);
        assert.equal(await client.set('fan', 3), 3);
      });

      test('keeps the source and the rest of the metadata apart', async () => {
        await client.register('fan', 1);
        await client.call('SetVariable', {
          sessionId: 's',
          variableIdentifier: 'fan',
          value: any(2),
          metadata: { source: 'python', why: 'hot' },
        });
        const { entries } = await client.call('GetVariableHistory', { sessionId: 's', variableIdentifier: 'fan' });
        assert.equal(entries?.[1]?.changedBy, 'python');
        assert.deepEqual(entries?.[1]?.metadata, { why: 'hot' });
        const { variable } = await client.call('GetVariable', { sessionId: 's', variableIdentifier: 'fan' });
        assert.equal(variable?.source, 1);
      });

      test('a version other than the expected one is a conflict that changes nothing', async () => {
        await client.register('fan', 1);
        const request = { sessionId: 's', variableIdentifier: 'fan', value: any(2) };
        const { response, errorCode } = await client.answer('SetVariable', { ...request, expectedVersion: 3 });
        assert.equal(response.success ?? false, false);
        assert.match(response.errorMessage ?? '', /is at version 1, not 3/);
        assert.equal(errorCode, 'VERSION_CONFLICT');
        assert.equal((await client.call('SetVariable', { ...request, expectedVersion: 1 })).newVersion, 2);
        const negative = await client.answer('SetVariable', { ...request, expectedVersion: -1 });
        assert.equal(negative.errorCode, 'INVALID_ARGUMENT');
      });

      test('a value of another type or beyond the constraints is refused and named', async () => {
        await client.register('fan', 1, { constraintsJson: '{"max":100}' });
        const refused = async (value: ReturnType<typeof any>) => {
          const { response, errorCode } = await client.answer('SetVariable', {
            sessionId: 's',
            variableIdentifier: 'fan',
            value,
          });
          assert.equal(response.success ?? false, false);
          assert.match(response.errorMessage ?? '', /"fan"/);
          return errorCode;
        };
        assert.equal(await refused(any(true)), 'INVALID_VALUE');
        assert.equal(await refused(any([1])), 'INVALID_VALUE');
        assert.equal(await refused(any('1')), 'INVALID_VALUE');
        assert.equal(await refused(any(101)), 'CONSTRAINT_VIOLATION');
        assert.equal(await refused({ type_url: 'snakepit.float', value: Buffer.from('{') }), 'INVALID_VALUE');
        assert.equal(await client.set('fan', 2), 2);
      });

      test('a value that is left out is refused', async () => {
        await client.register('fan', 1);
        const { errorCode } = await client.answer('SetVariable', { sessionId: 's', variableIdentifier: 'fan' });
        assert.equal(errorCode, 'INVALID_VALUE');
      });

      test('an integer keeps every digit, and 3.0 is the integer 3', async () => {
        await client.register('count', 1, { type: 'integer', initialValue: any(1, 'integer') });
        const digits = '123456789012345678901234567890';
        for (const [sent, kept] of [
          [digits, digits],
          ['3.0', '3'],
        ] as const) {
          const value = { type_url: 'type.googleapis.com/snakepit.integer', value: Buffer.from(sent) };
          await client.call('SetVariable', { sessionId: 's', variableIdentifier: 'count', value });
          const { variable } = await client.call('GetVariable', { sessionId: 's', variableIdentifier: 'count' });
          assert.equal(Buffer.from(variable?.value?.value ?? []).toString(), kept);
        }
      });
    });

    describe('setting several', () => {
      test('applies what it can, and names each refused one', async () => {
        await client.register('a', 1);
        await client.register('b', 1);
        const { response, errorCode } = await client.answer('SetVariables', {
          sessionId: 's',
          updates: { a: any(2), b: any('no'), nothing: any(1) },
        });
        assert.equal(response.success ?? false, false);
        assert.deepEqual(response.newVersions, { a: 2 });
        assert.deepEqual(Object.keys(response.errors ?? {}).sort(), ['b', 'nothing']);
        assert.match(response.errors?.nothing ?? '', /^Variable not found: nothing/);
        assert.deepEqual(response.errorCodes, { b: 'INVALID_VALUE', nothing: 'VARIABLE_NOT_FOUND' });
        assert.equal(errorCode, 'BATCH_REFUSED');
      });

      test('atomic applies nothing unless all are, and names all that are refused', async () => {
        await client.register('a', 1);
        await client.register('b', 1);
        const { response } = await client.answer('SetVariables', {
          sessionId: 's',
          updates: { a: any(2), b: any('no'), nothing: any(1) },
          atomic: true,
        });
        assert.equal(response.success ?? false, false);
        assert.deepEqual(response.newVersions, {});
        assert.deepEqual(Object.keys(response.errors ?? {}).sort(), ['b', 'nothing']);
        assert.equal(await client.set('a', 3), 2);
      });

      test('atomic makes one revision of all', async () => {
        await client.register('a', 1);
        await client.register('b', 1);
        const watch = client.watch({ sessionId: 's', variableIdentifiers: ['a', 'b'] });
        await watch.ready();
        const { response, errorCode } = await client.answer('SetVariables', {
          sessionId: 's',
          updates: { a: any(2), b: any(3) },
          atomic: true,
        });
        assert.equal(response.success, true);
        assert.equal(errorCode, undefined);
        const updates = await watch.take(2);
        assert.equal(String(updates[0]?.revision), String(updates[1]?.revision));
        watch.call.cancel();
      });

      test('names of objects are ordinary identifiers', async () => {
        for (const name of ['__proto__', 'constructor', 'toString']) await client.register(name, 1);
        const updates: Record<string, ReturnType<typeof any>> = { constructor: any(2), toString: any(2) };
        Object.defineProperty(updates, '__proto__', { value: any(2), enumerable: true });
        const { success, newVersions } = await client.call('SetVariables', { sessionId: 's', updates });
        assert.equal(success, true);
        assert.deepEqual(Object.entries(newVersions ?? {}).sort(), [
          ['__proto__', 2],
          ['constructor', 2],
          ['toString', 2],
        ]);
      });
    });

    describe('binary values', () => {
      const shape = [4_000];
      const header = Buffer.from(JSON.stringify({ dtype: 'float32', shape }));
      const binary = Buffer.from(Float32Array.from({ length: 4_000 }, (_, index) => index).buffer);
      const tensor = { type_url: 'type.googleapis.com/snakepit.tensor.binary', value: header };

      test('come back as the bytes that they were', async () => {
        await client.register('t', 0, { type: 'tensor', initialValue: tensor, initialBinaryValue: binary });
        const { variable } = await client.call('GetVariable', { sessionId: 's', variableIdentifier: 't' });
        assert.ok(variable?.value?.type_url?.endsWith('.binary'));
        const numbers = Buffer.from(variable?.binaryValue ?? []);
        const { dtype } = JSON.parse(Buffer.from(variable?.value?.value ?? []).toString()) as { dtype: string };
        const read = dtype === 'float32' ? numbers.readFloatLE(3999 * 4) : numbers.readDoubleLE(3999 * 8);
        assert.equal(read, 3999);
      });

      test('are set by binary_updates beside their headers, and refused without', async () => {
        const initialValue = any({ shape: [1], data: [0] }, 'tensor');
        await client.register('t', 0, { type: 'tensor', initialValue });
        const updates = { t: tensor };
        const set = await client.call('SetVariables', { sessionId: 's', updates, binaryUpdates: { t: binary } });
        assert.deepEqual([set.success, set.newVersions], [true, { t: 2 }]);
        const without = await client.call('SetVariables', { sessionId: 's', binaryUpdates: { t: binary } });
        assert.equal(without.success ?? false, false);
        assert.match(without.errors?.t ?? '', /binary_updates/);
      });

      test('stay JSON in a history, which has no field for bytes', async () => {
        await client.register('t', 0, { type: 'tensor', initialValue: tensor, initialBinaryValue: binary });
        const { entries } = await client.call('GetVariableHistory', { sessionId: 's', variableIdentifier: 't' });
        const [entry] = entries ?? [];
        assert.equal(entry?.value?.type_url, 'type.googleapis.com/snakepit.tensor');
        const { data } = carriedValue(entry) as { data: number[] };
        assert.equal(data[3999], 3999);
      });
    });

    describe('history', () => {
      beforeEach(async () => {
        await client.register('fan', 1);
        for (const value of [2, 3, 4]) await client.set('fan', value);
      });

      test('lists versions oldest first, the newest limit of them', async () => {
        const versions = async (limit: number) => {
          const { entries } = await client.call('GetVariableHistory', {
            sessionId: 's',
            variableIdentifier: 'fan',
            limit,
          });
          return (entries ?? []).map((entry) => [entry.version, carriedValue(entry)]);
        };
        assert.deepEqual(await versions(0), [
          [1, 1],
          [2, 2],
          [3, 3],
          [4, 4],
        ]);
        assert.deepEqual(await versions(2), [
          [3, 3],
          [4, 4],
        ]);
        const error = await client.failure('GetVariableHistory', {
          sessionId: 's',
          variableIdentifier: 'fan',
          limit: -1,
        });
        assert.equal(error.code, status.INVALID_ARGUMENT);
      });

      test('RollbackVariable sets an earlier value as a new version', async () => {
        const watch = client.watch({ sessionId: 's', variableIdentifiers: ['fan'] });
        await watch.ready();
        const { response } = await client.answer('RollbackVariable', {
          sessionId: 's',
          variableIdentifier: 'fan',
          targetVersion: 2,
        });
        assert.equal(response.success, true);
        assert.equal(response.variable?.version, 5);
        assert.equal(carriedValue(response.variable), 2);
        const update: VariableUpdate = await watch.next();
        assert.deepEqual([update.variable?.version, newValue(update)], [5, 2]);
        watch.call.cancel();
      });

      test('RollbackVariable to a version that is not there is refused', async () => {
        for (const [targetVersion, code] of [
          [9, 'VERSION_NOT_FOUND'],
          [0, 'INVALID_ARGUMENT'],
          [-3, 'INVALID_ARGUMENT'],
        ] as const) {
          const request = { sessionId: 's', variableIdentifier: 'fan', targetVersion };
          const { response, errorCode } = await client.answer('RollbackVariable', request);
          assert.equal(response.success ?? false, false);
          assert.equal(errorCode, code);
        }
      });
    });

    test('every method of the contract is registered', async () => {
      for (const name of Object.keys(METHODS)) {
        if (name === 'WatchVariables') continue;
        const code = await client.raw(name, Buffer.alloc(0)).then(
          () => status.OK,
          (error: ServiceError) => error.code,
        );
        assert.notEqual(code, status.UNIMPLEMENTED, name);
        assert.notEqual(code, status.INTERNAL, name);
      }
    });
  });
}

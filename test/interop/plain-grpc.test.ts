/** A foreign Node client: @grpc/grpc-js and proto/bridge.proto loaded at run time, nothing of ours. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Client, ClientReadableStream, GrpcObject, ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import { credentials, loadPackageDefinition, Metadata, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { within } from '../support/deadline.js';
import { BridgeProcess } from './bridge-process.js';

const require = createRequire(import.meta.url);
const ANSWER_MS = 10_000;
const SERVICES = ['BridgeService', 'UnifiedBridge'];

// Where a user of the package finds it; tests run in dist/test/interop.
const bridgeProto = fileURLToPath(new URL('../../../proto/bridge.proto', import.meta.url));
const healthProto = join(dirname(require.resolve('grpc-health-check/package.json')), 'proto/health/v1/health.proto');
const reflectionProto = join(
  dirname(require.resolve('@grpc/reflection')),
  '../proto/grpc/reflection/v1/reflection.proto',
);

type Message = Record<string, unknown>;
type UnaryCall = (
  request: Message,
  metadata: Metadata,
  answer: (error: ServiceError | null, response: Message) => void,
) => { on(event: 'status', listener: (status: { metadata: Metadata }) => void): void };

interface Value {
  readonly type_url: string;
  readonly value: Buffer;
}
interface Variable {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly value: Value;
  readonly version: number;
}
interface Update {
  readonly variable_id: string;
  readonly variable: Variable | null;
  readonly update_type: string;
  readonly update_source: string;
  readonly update_metadata: Record<string, string>;
  readonly old_value: Value | null;
  readonly epoch: string;
  readonly reason: string;
}

describe('a plain grpc-js client that loads the proto at run time', () => {
  let server: BridgeProcess;
  const clients: Client[] = [];

  before(async () => {
    server = await BridgeProcess.start();
  });

  after(async () => {
    for (const client of clients) client.close();
    await server?.close();
  });

  function open(proto: string, path: readonly string[]): Client {
    // As many others load it: the names of the proto, every field there.
    const loaded = loadPackageDefinition(
      loadSync(proto, { keepCase: true, longs: String, enums: String, defaults: true }),
    );
    let found: unknown = loaded;
    for (const name of path) found = (found as GrpcObject)[name];
    const client = new (found as ServiceClientConstructor)(server.endpoint, credentials.createInsecure(), {
      // A connection of its own: equal clients of one process share it otherwise.
      'grpc.use_local_subchannel_pool': 1,
    });
    clients.push(client);
    return client;
  }

  const openBridge = (service = 'BridgeService'): Client => open(bridgeProto, ['snakepit', 'bridge', service]);

  /** The answer, and the code in its trailer. @throws ServiceError */
  function ask(client: Client, method: string, request: Message): Promise<{ response: Message; code: unknown }> {
    const call = (client as unknown as Record<string, UnaryCall>)[method]!.bind(client);
    const answered = new Promise<{ response: Message; code: unknown }>((resolve, reject) => {
      let response: Message = {};
      call(request, new Metadata(), (error, answer) => {
        if (error === null) response = answer;
        else reject(error);
      }).on('status', ({ metadata }) => resolve({ response, code: metadata.get('bridge-error')[0] }));
    });
    return within(ANSWER_MS, answered, `the answer of ${method}`);
  }

  async function openSession(client: Client, sessionId: string): Promise<void> {
    const { response } = await ask(client, 'InitializeSession', { session_id: sessionId });
    assert.equal(response.success, true);
  }

  async function register(client: Client, sessionId: string, name: string, value: unknown): Promise<string> {
    const { response } = await ask(client, 'RegisterVariable', {
      session_id: sessionId,
      name,
      type: 'float',
      initial_value: any('float', value),
    });
    assert.equal(response.success, true, String(response.error_message));
    return String(response.variable_id);
  }

  function watch(
    client: Client,
    request: Message,
  ): { stream: ClientReadableStream<Update>; updates: AsyncIterator<Update> } {
    type Watch = (request: Message) => ClientReadableStream<Update>;
    const stream = (client as unknown as { WatchVariables: Watch }).WatchVariables(request);
    return { stream, updates: stream[Symbol.asyncIterator]() as AsyncIterator<Update> };
  }

  /** The next message; none is lost in between, as it would be with a listener that comes and goes. */
  const next = async <T>(messages: AsyncIterator<T>): Promise<T> =>
    (await within(ANSWER_MS, messages.next(), 'the next message')).value as T;

  for (const service of SERVICES) {
    test(`the published calls of ${service} register, read, set, watch, roll back and delete`, async () => {
      const client = openBridge(service);
      const session_id = `plain-${service}`;
      assert.equal((await ask(client, 'Ping', { message: 'hi' })).response.message, 'pong: hi');
      await openSession(client, session_id);
      const id = await register(client, session_id, 'fan', 20);

      const { stream, updates } = watch(client, {
        session_id,
        variable_identifiers: ['fan'],
        include_initial_values: true,
      });
      const headers = once(stream, 'metadata');
      const initial = await next(updates);
      const [metadata] = (await within(ANSWER_MS, headers, 'the headers')) as [Metadata];
      assert.deepEqual(metadata.get('bridge-epoch'), [server.epoch]);
      assert.deepEqual(
        [initial.update_type, initial.variable?.name, read(initial.variable?.value)],
        ['initial_value', 'fan', 20],
      );

      const { response: set } = await ask(client, 'SetVariable', {
        session_id,
        variable_identifier: id,
        value: any('float', 21.5),
        metadata: { source: 'elsewhere', note: 'n' },
        expected_version: 1,
      });
      assert.deepEqual([set.success, set.new_version], [true, 2]);
      const change = await next(updates);
      assert.deepEqual([change.update_type, change.variable_id, change.variable?.version], ['value_change', id, 2]);
      assert.deepEqual([read(change.old_value), read(change.variable?.value)], [20, 21.5]);
      assert.deepEqual([change.update_source, change.update_metadata], ['elsewhere', { note: 'n' }]);

      const { response: several } = await ask(client, 'SetVariables', {
        session_id,
        updates: { fan: any('float', 22) },
        atomic: true,
      });
      assert.deepEqual([several.success, several.new_versions], [true, { fan: 3 }]);
      assert.equal(read((await next(updates)).variable?.value), 22);

      const { response: got } = await ask(client, 'GetVariable', { session_id, variable_identifier: 'fan' });
      assert.equal(read((got.variable as Variable).value), 22);
      const { response: batch } = await ask(client, 'GetVariables', {
        session_id,
        variable_identifiers: ['fan', 'pump'],
      });
      assert.deepEqual(Object.keys(batch.variables as object), ['fan']);
      assert.deepEqual(batch.missing_variables, ['pump']);
      const { response: listed } = await ask(client, 'ListVariables', { session_id, pattern: 'f?n' });
      assert.deepEqual(
        (listed.variables as Variable[]).map(({ name }) => name),
        ['fan'],
      );

      const { response: kept } = await ask(client, 'GetVariableHistory', { session_id, variable_identifier: 'fan' });
      const entries = kept.entries as { version: number; value: Value; changed_by: string }[];
      assert.deepEqual(
        entries.map(({ version, value, changed_by }) => [version, read(value), changed_by]),
        [
          [1, 20, ''],
          [2, 21.5, 'elsewhere'],
          [3, 22, ''],
        ],
      );
      const { response: back } = await ask(client, 'RollbackVariable', {
        session_id,
        variable_identifier: 'fan',
        target_version: 1,
      });
      assert.equal((back.variable as Variable).version, 4);
      assert.equal(read((await next(updates)).variable?.value), 20);

      const ended = once(stream, 'status');
      const deleted = next(updates);
      const { response: removed } = await ask(client, 'DeleteVariable', { session_id, variable_identifier: 'fan' });
      assert.equal(removed.success, true);
      assert.deepEqual([(await deleted).update_type, (await deleted).reason], ['deleted', 'deleted']);
      const [end] = (await within(ANSWER_MS, ended, 'the end of the stream')) as [{ code: number }];
      assert.equal(end.code, status.OK);
    });
  }

  test('sessions are joined, described, kept alive and cleaned up by the published calls', async () => {
    const client = openBridge();
    const session_id = 'described';
    await ask(client, 'InitializeSession', { session_id, metadata: { team: 'heating' } });
    await register(client, session_id, 'fan', 1);
    const { response: joined } = await ask(client, 'InitializeSession', { session_id });
    assert.equal(joined.success, true);
    assert.deepEqual(Object.keys(joined.initial_variables as object), ['fan']);
    assert.deepEqual(joined.available_tools, {});
    const { response: described } = await ask(client, 'GetSession', { session_id });
    assert.deepEqual([described.metadata, described.variable_count, described.tool_count], [{ team: 'heating' }, 1, 0]);
    assert.equal((await ask(client, 'Heartbeat', { session_id })).response.session_valid, true);
    assert.equal((await ask(client, 'Heartbeat', { session_id: 'nobody' })).response.session_valid, false);
    assert.deepEqual((await ask(client, 'GetExposedElixirTools', { session_id })).response.tools, []);
    const { response: cleaned } = await ask(client, 'CleanupSession', { session_id });
    assert.deepEqual([cleaned.success, cleaned.resources_cleaned], [true, 1]);
    await assert.rejects(ask(client, 'GetSession', { session_id }), (error: ServiceError) => {
      assert.equal(error.code, status.NOT_FOUND);
      assert.deepEqual(error.metadata.get('bridge-error'), ['SESSION_NOT_FOUND']);
      assert.match(error.details, /^Session not found: described/);
      return true;
    });
  });

  test('a session that another connection watches survives a cleanup that is not forced', async () => {
    const [watcher, leaver] = [openBridge(), openBridge()];
    const session_id = 'left';
    await openSession(watcher, session_id);
    await register(watcher, session_id, 'fan', 1);
    const { stream, updates } = watch(watcher, { session_id, variable_identifiers: ['fan'] });
    await within(ANSWER_MS, once(stream, 'metadata'), 'the headers');
    assert.equal((await ask(leaver, 'CleanupSession', { session_id })).response.success, false);

    const deleted = next(updates);
    const { response: forced } = await ask(leaver, 'CleanupSession', { session_id, force: true });
    assert.deepEqual([forced.success, forced.resources_cleaned], [true, 1]);
    assert.deepEqual([(await deleted).update_type, (await deleted).reason], ['deleted', 'session-ended']);
  });

  test('a refusal is said in the answer, with the code in the trailer', async () => {
    const client = openBridge();
    const session_id = 'refusing';
    await openSession(client, session_id);
    await register(client, session_id, 'fan', 1);
    const { response, code } = await ask(client, 'SetVariable', {
      session_id,
      variable_identifier: 'fan',
      value: any('string', 'fast'),
    });
    assert.deepEqual([response.success, code], [false, 'INVALID_VALUE']);
    assert.match(String(response.error_message), /fan/);
  });

  test('grpc.health.v1 says SERVING for the server and for both services', async () => {
    const client = open(healthProto, ['grpc', 'health', 'v1', 'Health']);
    for (const service of ['', ...SERVICES.map((name) => `snakepit.bridge.${name}`)]) {
      assert.equal((await ask(client, 'Check', { service })).response.status, 'SERVING', `of "${service}"`);
    }
    await assert.rejects(ask(client, 'Check', { service: 'snakepit.bridge.Nothing' }), { code: status.NOT_FOUND });
  });

  test('grpc.reflection lists both services and describes their calls', async () => {
    const client = open(reflectionProto, ['grpc', 'reflection', 'v1', 'ServerReflection']);
    type Reflection = { ServerReflectionInfo(): ReturnType<Client['makeBidiStreamRequest']> };
    const stream = (client as unknown as Reflection).ServerReflectionInfo();
    const reply = async (request: Message): Promise<Message> => {
      const answer = once(stream, 'data');
      stream.write(request as never);
      return ((await within(ANSWER_MS, answer, 'the reflection answer')) as [Message])[0];
    };
    const listed = (await reply({ list_services: '' })).list_services_response as { service: { name: string }[] };
    const names = listed.service.map(({ name }) => name);
    for (const service of SERVICES) assert.ok(names.includes(`snakepit.bridge.${service}`), names.join(', '));

    const symbol = 'snakepit.bridge.BridgeService.WatchVariables';
    const described = (await reply({ file_containing_symbol: symbol })).file_descriptor_response as {
      file_descriptor_proto: Buffer[];
    };
    assert.ok(described.file_descriptor_proto.some((bytes) => bytes.includes('WatchVariables')));
    stream.end();
  });
});

function any(type: string, value: unknown): Value {
  return { type_url: `type.googleapis.com/snakepit.${type}`, value: Buffer.from(JSON.stringify(value)) };
}

function read(value: Value | null | undefined): unknown {
  return value === null || value === undefined ? undefined : JSON.parse(value.value.toString());
}

/** 3,000 unwatches in a row on one connection leave every other watch alive: HTTP/2 servers cut a connection after 1,000 cancels. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { BridgedState, type Watch } from '../../src/main/index.js';
import { METHODS, methodPath, SERVICE_NAMES } from '../../src/shared/wire/services.js';
import { until, within } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';

const UNWATCHED = 3_000;
const KEPT = 50;

/** One worker, and room for all streams on its one connection. */
const ONE_CONNECTION = { workers: 1, limits: { streamsPerChannel: 10_000 } };

async function unwatchMany(state: BridgedState, set: (value: number) => Promise<unknown>): Promise<void> {
  const errors: Error[] = [];
  const states: string[] = [];
  let calls = 0;
  const options = { onError: (error: Error) => errors.push(error), onState: (name: string) => states.push(name) };
  const kept: Watch[] = [];
  for (let count = 0; count < KEPT; count += 1)
    kept.push(await state.watchVariables('fan', () => (calls += 1), options));
  const unwatched: Watch[] = [];
  while (unwatched.length < UNWATCHED) {
    const some = Array.from({ length: 500 }, () => state.watchVariables('fan', () => assert.fail('stopped')));
    unwatched.push(...(await within(20_000, Promise.all(some), '500 watches')));
  }
  assert.equal((await state.workerStats())[0]?.channels, 2, 'one connection for streams, one for calls');
  states.length = 0;

  await within(20_000, Promise.all(unwatched.map((watch) => watch.stop())), 'the end of 3,000 watches');

  await set(2);
  await until(10_000, () => calls === KEPT, 'the update at every watch that is left');
  assert.deepEqual(errors, []);
  assert.deepEqual(states, [], 'no stream broke');
  assert.ok(kept.every((watch) => watch.state === 'live'));
  assert.equal((await state.listWatchers()).length, KEPT);
}

describe('3,000 unwatches', () => {
  test('on our server leave every other watch alive, and no observer behind', async () => {
    const server = await ServerProcess.start();
    try {
      await using state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, ...ONE_CONNECTION });
      await state.registerVariable('fan', 'integer', 1);
      await unwatchMany(state, (value) => state.setVariable('fan', value));
      // On a link those of one variable share one.
      const left = state.capabilities.transport === 'link' ? 1 : KEPT;
      for (let tries = 0; (await server.report()).metrics.observers !== left; tries += 1) {
        assert.ok(tries < 200, 'only the observers of the watches left');
      }
    } finally {
      await server.close();
    }
  });

  // It knows no link: by whichever carrier a state is asked to go, it goes by streams.
  const skip = process.env.BRIDGED_STATE_TRANSPORT === 'stream' && 'is the same where nobody asks for streams';
  describe('on a plain server without UnwatchVariables', { skip }, () => {
    const server = new Server({ 'grpc.max_concurrent_streams': 100_000 });
    const streams = new Set<ServerWritableStream<unknown, unknown>>();
    let version = 1;
    let port = 0;

    before(async () => {
      const unary = (name: 'InitializeSession' | 'GetVariables', answer: (request: unknown) => unknown) => ({
        ...definition(name),
        handle: (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) =>
          callback(null, answer(call.request)),
      });
      const calls = [
        unary('InitializeSession', () => ({ success: true })),
        unary('GetVariables', () => ({ variables: { fan: variable(version) } })),
      ];
      server.addService(
        {
          ...Object.fromEntries(calls.map(({ handle: _, ...method }) => [method.name, method])),
          WatchVariables: definition('WatchVariables'),
        },
        {
          ...Object.fromEntries(calls.map(({ name, handle }) => [name, handle])),
          WatchVariables: (call: ServerWritableStream<unknown, unknown>) => {
            streams.add(call);
            call.on('cancelled', () => streams.delete(call));
            call.write({ variableId: 'v1', variable: variable(version), updateType: 'initial_value' });
          },
        },
      );
      port = await new Promise((resolve, reject) => {
        server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
          error ? reject(error) : resolve(bound),
        );
      });
    });

    after(() => server.forceShutdown());

    test('leave every other watch alive: their cancels wait for their turn', async () => {
      await using state = await BridgedState.open({ endpoint: `127.0.0.1:${port}`, ...ONE_CONNECTION });
      await unwatchMany(state, async (value) => {
        version = value;
        for (const stream of streams) {
          stream.write({ variableId: 'v1', variable: variable(value), updateType: 'value_change' });
        }
      });
      assert.ok(streams.size >= KEPT);
    });
  });
});

function variable(version: number) {
  const value = { type_url: 'type.googleapis.com/snakepit.integer', value: Buffer.from(String(version)) };
  return { id: 'v1', name: 'fan', type: 'integer', value, version };
}

function definition(name: 'InitializeSession' | 'GetVariables' | 'WatchVariables') {
  const method = METHODS[name] as (typeof METHODS)['GetVariables'];
  return {
    name,
    path: methodPath(SERVICE_NAMES[0], name),
    requestStream: false,
    responseStream: method.isServerStream,
    requestSerialize: (message: object) => method.encodeRequest(message) as Buffer,
    requestDeserialize: (bytes: Buffer) => method.decodeRequest(bytes),
    responseSerialize: (message: object) => method.encodeResponse(message) as Buffer,
    responseDeserialize: (bytes: Buffer) => method.decodeResponse(bytes),
  };
}

/** What tools and load balancers ask any gRPC server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { METHODS, SERVICE_NAMES } from '../../src/shared/wire/services.js';
import { within } from '../support/deadline.js';

let server: BridgeServer;
let client: Client;

before(async () => {
  // Neither asks for a token: a load balancer has none.
  server = await startBridgeServer({ port: 0, tokens: ['secret'] });
  client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
});

after(async () => {
  client.close();
  await server.close();
});

const identity = (bytes: Buffer): Buffer => bytes;

/** The answer of the reflection service, whose text fields say enough. */
async function reflect(version: string, request: Buffer): Promise<string> {
  const call = client.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    identity,
    identity,
  );
  call.write(request);
  const [answer] = (await within(5_000, once(call, 'data'), 'the reflection')) as [Buffer];
  call.end();
  return answer.toString('latin1');
}

const field = (number: number, text: string): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, text.length]), Buffer.from(text)]);

for (const version of ['v1', 'v1alpha']) {
  test(`reflection ${version} lists both services, and describes their messages`, async () => {
    const listed = await reflect(version, field(7, '*'));
    for (const name of SERVICE_NAMES) assert.ok(listed.includes(name), name);
    const described = await reflect(version, field(4, SERVICE_NAMES[0]));
    for (const name of [...Object.keys(METHODS), 'WatchVariablesRequest', 'resume_epoch']) {
      assert.ok(described.includes(name), name);
    }
  });
}

function health(service: string): Promise<string> {
  const { path, requestSerialize, responseDeserialize } = healthService.Check!;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize as (request: object) => Buffer,
      responseDeserialize as (bytes: Buffer) => { status: string },
      { service },
      (error, response) => (error ? reject(error) : resolve(response!.status)),
    );
  });
}

test('health is SERVING for the server and each service, then a watch of it hears of draining', async () => {
  for (const name of ['', ...SERVICE_NAMES]) assert.equal(await health(name), 'SERVING', name);
  const { path, requestSerialize, responseDeserialize } = healthService.Watch!;
  const watch = client.makeServerStreamRequest(
    path,
    requestSerialize as (request: object) => Buffer,
    responseDeserialize as (bytes: Buffer) => { status: string },
    { service: SERVICE_NAMES[0] },
  );
  watch.on('error', () => undefined);
  const statuses: string[] = [];
  watch.on('data', ({ status }: { status: string }) => {
    statuses.push(status);
    watch.emit('told');
  });
  await within(5_000, once(watch, 'told'), 'the first status');
  const told = once(watch, 'told');
  await server.drain();
  await within(5_000, told, 'the second status');
  assert.deepEqual(statuses, ['SERVING', 'NOT_SERVING']);
  watch.cancel();
});

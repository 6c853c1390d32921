/** Readers that do not read: bounded memory, conflation with exact counts, and an end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { status } from '@grpc/grpc-js';
import type { BridgeServer, BridgeServerOptions } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { METHODS } from '../../src/shared/wire/services.js';
import { until, within } from '../support/deadline.js';
import type { VariableUpdate } from './plain-client.js';
import { any, long, newValue, oldValue, PlainClient } from './plain-client.js';

let server: BridgeServer;
let reader: PlainClient;
let writer: PlainClient;

async function start(options: BridgeServerOptions): Promise<void> {
  server = await startBridgeServer({ port: 0, ...options });
  reader = new PlainClient(server.port);
  writer = new PlainClient(server.port);
  await writer.initSession();
}

afterEach(async () => {
  reader.close();
  writer.close();
  await server.close();
});

/** A stream that takes nothing until `readAll`. */
async function stoppedReader(variableIdentifiers: string[]) {
  const call = reader.watchUnread({ sessionId: 's', variableIdentifiers });
  call.on('error', () => undefined);
  // Asked once, grpc-js reads until its own buffer is full; never asked, it takes everything into memory.
  call.read(0);
  const ended = new Promise<{ code: number; details: string }>((resolve) => call.on('status', resolve));
  await within(5_000, once(call, 'metadata'), 'the headers');
  const updates: VariableUpdate[] = [];
  const readAll = (): void => {
    call.on('data', (bytes: Buffer) => {
      updates.push(METHODS.WatchVariables.decodeResponse(bytes));
      call.emit('update');
    });
  };
  return { call, updates, readAll, ended };
}

const text = (round: number) => `${round} ${'x'.repeat(4_000)}`;
const setText = async (name: string, round: number) => {
  const value = any(text(round), 'string');
  await writer.call('SetVariable', { sessionId: 's', variableIdentifier: name, value });
};
const registerText = (name: string) =>
  writer.register(name, 0, { type: 'string', initialValue: any(text(0), 'string') });

describe('a reader that stops', () => {
  test('makes the server hold a few large values of one variable, not all that were set', async () => {
    await start({ maxMessageBytes: 2 ** 23, slowStreamMs: 120_000 });
    await registerText('a');
    const { call, updates, readAll } = await stoppedReader(['a']);
    const rounds = 40;
    for (let round = 1; round <= rounds; round += 1) {
      const value = any(`${round} ${'x'.repeat(1_000_000)}`, 'string');
      await writer.call('SetVariable', { sessionId: 's', variableIdentifier: 'a', value });
    }
    // The reader's own gRPC takes some twenty of them into its memory.
    assert.ok(server.metrics().updatesConflated >= 10, `${server.metrics().updatesConflated} were left out`);
    readAll();
    await until(10_000, () => updates.at(-1)?.variable?.version === rounds + 1, 'the newest');
    assert.equal(updates.length + server.metrics().updatesConflated, rounds);
    call.cancel();
  });

  test('gets the newest value when it reads on, and is told exactly what it missed', async () => {
    // Not cut, however long the sets take.
    await start({ outboxLimit: 8, slowStreamMs: 120_000 });
    await registerText('a');
    await registerText('b');
    const { call, updates, readAll } = await stoppedReader(['a', 'b']);
    const rounds = 500;
    for (let round = 1; round <= rounds; round += 1) await setText(round % 2 === 0 ? 'a' : 'b', round);
    assert.ok(server.metrics().updatesConflated > 0, 'the outbox was full');
    readAll();
    await until(10_000, () => updates.length + server.metrics().updatesConflated === rounds, 'the end of the books');
    const versions = new Map<string, number>();
    const values = new Map<string, unknown>();
    let revision = 0;
    for (const update of updates) {
      const name = update.variable?.name ?? '';
      const last = versions.get(name) ?? 1;
      assert.equal(update.variable?.version, last + 1 + long(update.missed));
      assert.equal(oldValue(update), values.get(name) ?? text(0));
      assert.ok(long(update.revision) > revision);
      revision = long(update.revision);
      versions.set(name, update.variable?.version ?? 0);
      values.set(name, newValue(update));
    }
    assert.deepEqual([values.get('a'), values.get('b')], [text(rounds), text(rounds - 1)]);
    call.cancel();
  });

  test('and stays so is cut, and leaves nothing registered', async () => {
    await start({ outboxLimit: 8, slowStreamMs: 200 });
    await registerText('a');
    const { updates, readAll, ended } = await stoppedReader(['a']);
    for (let round = 1; round <= 200; round += 1) await setText('a', round);
    await until(10_000, () => server.metrics().slowStreamsCut === 1, 'the cut');
    assert.deepEqual([server.metrics().streams, server.metrics().observers], [0, 0]);
    readAll();
    const { code, details } = await within(5_000, ended, 'the status');
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    assert.match(details, /took no update for too long/);
    assert.ok(updates.length < 200);
  });

  test('does not hold up another stream of the same connection', async () => {
    await start({});
    await registerText('a');
    const { call } = await stoppedReader(['a']);
    const other = reader.watch({ sessionId: 's', variableIdentifiers: ['a'] });
    await other.ready();
    for (let round = 1; round <= 100; round += 1) await setText('a', round);
    assert.equal(newValue((await other.take(100)).at(-1)!), text(100));
    call.cancel();
  });

  test('that reads on in time is not cut', async () => {
    await start({ outboxLimit: 8, slowStreamMs: 3_000 });
    await registerText('a');
    const { call, updates, readAll } = await stoppedReader(['a']);
    for (let round = 1; round <= 100; round += 1) await setText('a', round);
    readAll();
    await until(5_000, () => updates.length > 0 && newValue(updates.at(-1)!) === text(100), 'the newest value');
    assert.equal(server.metrics().slowStreamsCut, 0);
    call.cancel();
  });
});

// What is only not yet collected must not count.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('what waits for 20 stopped readers is bounded', async () => {
  // The history is bounded elsewhere, and would hide what is asked here.
  await start({ outboxLimit: 16, history: { maxVersions: 16 }, slowStreamMs: 120_000 });
  await registerText('a');
  const readers = await Promise.all(Array.from({ length: 20 }, () => stoppedReader(['a'])));
  const push = async (rounds: number) => {
    for (let round = 1; round <= rounds; round += 1) await setText('a', round);
    // What a collection lets go of outside the heap is given back in later turns.
    for (let collections = 0; collections < 3; collections += 1) {
      collect();
      await turn();
    }
    return process.memoryUsage().heapUsed + process.memoryUsage().external;
  };
  const before = await push(500);
  const after = await push(1_500);
  assert.ok(after - before < 30e6, `grew by ${Math.round((after - before) / 1e6)} MB`);
  for (const { call } of readers) call.cancel();
});

/** A watch ends with its owner: a worker that exits, a port that closes, an emitter that ends, an object that is collected. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageChannel, Worker } from 'node:worker_threads';
import { AbortedError } from '../../shared/errors.js';
import { until, within } from '../within.js';
import type { ContractTest, Promised } from './contract-test.js';
import type { Recording } from './recording.js';

const IDLE_WORKER = 'setInterval(() => undefined, 1_000)';

export function describeOwners(promise: Promised): void {
  promise('a worker that exits takes its watches with it', async (contract) => {
    await contract.floats({ x: 0 });
    const worker = new Worker(IDLE_WORKER, { eval: true });
    await within(once(worker, 'online'), 'the worker');
    const recording = await contract.record('x', { owner: worker });
    await isTold(contract, recording, 1);
    await worker.terminate();
    await isCleanedUp(contract, recording);
    assert.equal(worker.listenerCount('exit'), 0);
  });

  promise('a worker that ends by itself takes its watches with it', async (contract) => {
    await contract.floats({ x: 0 });
    const worker = new Worker("require('node:worker_threads').parentPort.once('message', () => process.exit(3))", {
      eval: true,
    });
    await within(once(worker, 'online'), 'the worker');
    const recording = await contract.record('x', { owner: worker });
    worker.postMessage('end');
    await isCleanedUp(contract, recording);
  });

  promise('a worker that has exited owns no watch', async (contract) => {
    await contract.floats({ x: 0 });
    const worker = new Worker('', { eval: true });
    await within(once(worker, 'exit'), 'the end of the worker');
    await contract.refuses(
      () => contract.provider.watchVariables('x', () => undefined, { owner: worker }),
      AbortedError,
    );
    assert.deepEqual(await contract.provider.listWatchers(), []);
  });

  promise('a socket that has closed owns no watch', async (contract) => {
    await contract.floats({ x: 0 });
    // What a WebSocket of a browser's kind, and one of the package ws, say then.
    for (const socket of [new EventTarget(), new EventEmitter()]) {
      const owner = Object.assign(socket, { readyState: 3 });
      await contract.refuses(() => contract.provider.watchVariables('x', () => undefined, { owner }), AbortedError);
    }
    assert.deepEqual(await contract.provider.listWatchers(), []);
  });

  promise('a port that closes takes its watches with it', async (contract) => {
    await contract.floats({ x: 0 });
    const { port1, port2 } = new MessageChannel();
    const recording = await contract.record('x', { owner: port1 });
    await isTold(contract, recording, 1);
    port2.close();
    await isCleanedUp(contract, recording);
  });

  for (const event of ['exit', 'close', 'end']) {
    promise(`an emitter of '${event}' takes its watches with it`, async (contract) => {
      await contract.floats({ x: 0 });
      const owner = new EventEmitter();
      const recording = await contract.record('x', { owner });
      await isTold(contract, recording, 1);
      owner.emit(event);
      await isCleanedUp(contract, recording);
      assert.deepEqual(owner.eventNames(), [], 'no listener is left');
    });
  }

  promise('100 watches of one owner cost one listener an event, and all end with it', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const owner = new EventEmitter();
    const warnings: Error[] = [];
    const warn = (warning: Error) => warnings.push(warning);
    process.on('warning', warn);
    try {
      await Promise.all(Array.from({ length: 100 }, () => provider.watchVariables('x', () => undefined, { owner })));
      for (const event of owner.eventNames()) assert.equal(owner.listenerCount(event), 1, String(event));
      owner.emit('close');
      await until(async () => (await provider.listWatchers()).length === 0, 'every watch is over');
      assert.deepEqual(
        warnings.map(({ message }) => message),
        [],
      );
    } finally {
      process.off('warning', warn);
    }
  });

  promise('a stopped watch takes its listeners from its owner', async (contract) => {
    await contract.floats({ x: 0 });
    const owner = new EventEmitter();
    const { watch } = await contract.record('x', { owner });
    await watch.stop();
    assert.deepEqual(owner.eventNames(), []);
  });

  promise('an owner may own again after all its watches are over', async (contract) => {
    await contract.floats({ x: 0 });
    const owner = new EventEmitter();
    const first = await contract.record('x', { owner });
    await first.watch.stop();
    const second = await contract.record('x', { owner });
    owner.emit('close');
    await isCleanedUp(contract, second);
  });

  promise('a collected object takes its watches with it', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    await (async () => {
      await provider.watchVariables('x', () => undefined, { owner: { name: 'short-lived' } });
    })();
    assert.equal((await provider.listWatchers()).length, 1);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await until(async () => {
      collect();
      return (await provider.listWatchers()).length === 0;
    }, 'the collected owner has ended its watch');
  });

  promise('an object that is held keeps its watch', async (contract) => {
    await contract.floats({ x: 0 });
    const owner = { name: 'held' };
    const recording = await contract.record('x', { owner });
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let round = 0; round < 5; round += 1) collect();
    await isTold(contract, recording, 1);
    assert.equal(owner.name, 'held');
  });
}

async function isTold({ provider }: ContractTest, recording: Recording, value: number): Promise<void> {
  await provider.setVariable('x', value);
  assert.equal((await recording.next()).newValue, value);
}

async function isCleanedUp({ provider }: ContractTest, recording: Recording): Promise<void> {
  await until(() => recording.watch.state === 'stopped', 'the watch stops');
  await until(async () => (await provider.listWatchers()).length === 0, 'no watch is left');
  const calls = recording.calls.length;
  await provider.setVariable('x', 100);
  assert.equal(recording.calls.length, calls);
}

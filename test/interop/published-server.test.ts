/** `BridgedState` at a server that has the published contract and nothing of ours: what it offers, what it cannot, and breaks, judged by its journal. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  AlreadyExistsError,
  BatchRefusedError,
  BridgedState,
  BridgeError,
  ConstraintViolationError,
  UnsupportedError,
  VariablesNotFoundError,
  VersionConflictError,
} from '../../src/main/index.js';
import { until } from '../support/deadline.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { committedVersions, generatePublished, PublishedServer } from './published-server-process.js';
import { findPython, type PythonTools, WHAT_TO_INSTALL } from './python-process.js';

const WAIT_MS = 20_000;

const tools = findPython();
if (tools === undefined) {
  const isRequired = process.env.CI === 'true';
  test('Python with gRPC and protoc are there', { skip: isRequired ? false : WHAT_TO_INSTALL }, () => {
    assert.fail(WHAT_TO_INSTALL);
  });
} else {
  describe('at a server that has the published contract alone', () => {
    before(() => generatePublished(tools));
    after(() => tools.remove());
    describe('calls and watches', () => testCalls(tools));
    describe('breaks', () => testBreaks(tools));
  });
}

function testCalls(tools: PythonTools): void {
  let server: PublishedServer;
  let state: BridgedState;

  before(async () => {
    server = await PublishedServer.start(tools);
    state = await open(server.endpoint);
  });

  after(async () => {
    await state?.close();
    await server?.kill();
  });

  test('variables are registered, got, set, listed and deleted', async () => {
    const id = await state.registerVariable('room/heat', 'float', 20, {
      constraints: { min: 0, max: 50 },
      metadata: { unit: 'celsius' },
    });
    await state.registerVariable('room/mode', 'choice', 'eco', { constraints: { choices: ['eco', 'boost'] } });
    await assert.rejects(state.registerVariable('room/heat', 'float', 20), AlreadyExistsError);

    assert.equal(await state.setVariable('room/heat', 21), 2);
    assert.equal(await state.setVariable('room/heat', 21), 2);
    assert.equal(await state.setVariable(id, 22, { expectedVersion: 2 }), 3);
    assert.equal(await state.getVariable('room/heat'), 22);
    const info = await state.getVariableInfo('room/heat');
    assert.deepEqual([info.id, info.type, info.version, info.value], [id, 'float', 3, 22]);
    assert.deepEqual([{ ...info.constraints }, info.metadata], [{ min: 0, max: 50 }, { unit: 'celsius' }]);

    assert.deepEqual(names(await state.listVariables()), ['room/heat', 'room/mode']);
    assert.deepEqual(names(await state.listVariables('*/m?de')), ['room/mode']);
    await state.deleteVariable('room/mode');
    assert.deepEqual(names(await state.listVariables()), ['room/heat']);
  });

  test('values of every kind that travels as JSON, and a tensor beside it, come back as they went', async () => {
    const large = { shape: [40, 50], data: Float64Array.from({ length: 2_000 }, (_, index) => index / 8) };
    const cases = [
      ['all.float', 'float', Number.NaN],
      ['all.integer', 'integer', 9007199254740993n],
      ['all.string', 'string', 'Grüße, 世界 🌍'],
      ['all.boolean', 'boolean', true],
      ['all.list', 'list', [1, [2]]],
      ['all.tensor', 'tensor', large],
    ] as const;
    for (const [name, type, value] of cases) {
      await state.registerVariable(name, type, value as never);
      assert.deepEqual(await state.getVariable(name), value);
    }
  });

  test('what is refused says so by the classes that our own server leads to', async () => {
    await state.registerVariable('bounded', 'integer', 5, { constraints: { max: 9 } });
    await assert.rejects(state.setVariable('bounded', 10), ConstraintViolationError);
    await assert.rejects(state.setVariable('bounded', 6, { expectedVersion: 7 }), VersionConflictError);
    for (const missing of [state.getVariable('nowhere'), state.setVariable('nowhere', 1)]) {
      await assert.rejects(missing, namesMissing('nowhere'));
    }
    await assert.rejects(state.deleteVariable('nowhere'), namesMissing('nowhere'));
    await assert.rejects(
      state.watchVariables(['bounded', 'nowhere'], () => undefined),
      namesMissing('nowhere'),
    );
    assert.equal(await state.getVariable('bounded'), 5);
  });

  test('batches are atomic where they shall be, and say what they refuse', async () => {
    await state.registerVariable('batch.a', 'integer', 0, { constraints: { max: 9 } });
    await state.registerVariable('batch.b', 'integer', 0);
    const applied = await state.updateVariables({ 'batch.a': 1, 'batch.b': 1 }, { atomic: true });
    assert.deepEqual(Object.fromEntries(applied), { 'batch.a': 2, 'batch.b': 2 });
    for (const [atomic, b] of [
      [true, 1],
      [false, 7],
    ] as const) {
      await assert.rejects(state.updateVariables({ 'batch.a': 10, 'batch.b': 7 }, { atomic }), (error) => {
        assert.ok(error instanceof BatchRefusedError);
        return true;
      });
      assert.deepEqual([await state.getVariable('batch.a'), await state.getVariable('batch.b')], [1, b]);
    }
  });

  test('a history has versions with their setters, and an earlier one comes back as a new one', async () => {
    await state.registerVariable('kept', 'string', 'one');
    await state.setVariable('kept', 'two', { source: 'kitchen', metadata: { step: '1' } });
    const history = await state.history('kept');
    assert.deepEqual(history.map(({ version, value, source, custom }) => [version, value, source, custom]).at(-1), [
      2,
      'two',
      'kitchen',
      { step: '1' },
    ]);
    assert.equal(await state.rollback('kept', 1), 3);
    assert.equal(await state.getVariable('kept'), 'one');
  });

  test('a watch gets present values first, then each change once and in order, by streams', async () => {
    await state.registerVariable('seen.a', 'integer', 0);
    await state.registerVariable('seen.b', 'integer', 100);
    const seen = new SeenUpdates();
    const watch = await state.watchVariables(['seen.a', 'seen.b'], seen.watcher, { includeInitial: true });
    assert.equal((await state.listWatchers())[0]?.transport, 'stream');
    for (let value = 1; value <= 200; value += 1) await state.setVariable('seen.a', value, { source: 'counter' });
    await state.setVariable('seen.b', 101);
    await seen.when(WAIT_MS, () => seen.last?.newValue === 101, 'the last change');

    assert.deepEqual(
      seen.all.slice(0, 2).map(({ newValue, metadata }) => [newValue, metadata.initial]),
      [
        [0, true],
        [100, true],
      ],
    );
    const ofA = seen.rows().filter((_, index) => seen.all[index]?.identifier === 'seen.a');
    const old = (value: number) => (value === 0 ? undefined : value - 1);
    const expected = Array.from({ length: 201 }, (_, value) => [old(value), value, value + 1, 0, false]);
    assert.deepEqual(ofA, expected);
    assert.equal(seen.all[5]?.metadata.source, 'counter');
    await watch.stop();
    assert.deepEqual(await state.listWatchers(), []);
  });

  test('conditions are asked in the worker, where the server cannot', async () => {
    await state.registerVariable('conditional', 'float', 0);
    const seen = new SeenUpdates();
    const watch = await state.watchVariables(['conditional'], seen.watcher, { filter: { gte: 10 } });
    for (const value of [1, 2, 10, 3, 11]) await state.setVariable('conditional', value);
    await seen.when(WAIT_MS, () => seen.last?.newValue === 11, 'the value that the condition lets through');
    assert.deepEqual(
      seen.rows().map(([old, value, version, missed]) => [old, value, version, missed]),
      [
        [2, 10, 4, 0],
        [3, 11, 6, 0],
      ],
    );
    await watch.stop();
  });

  test('what the contract lacks is UNSUPPORTED, in a sentence that says what to do', async () => {
    await assert.rejects(
      state.watchVariables({ pattern: 'room/*' }, () => undefined),
      unsupported(/published contract, which has no patterns: watch names/),
    );
    await assert.rejects(
      state.watchVariables(['late'], () => undefined, { missing: 'wait' }),
      unsupported(/^watch of late: .* published contract, in which no watch waits for a variable: register it first/),
    );
    await assert.rejects(
      open(server.endpoint, { transport: 'link' }),
      unsupported(/ has no StreamLink: use transport 'auto' or 'stream'/),
    );
  });
}

function testBreaks(tools: PythonTools): void {
  test('killed and restarted again and again while sets go on: no duplicate, no reordering, each gap told', async () => {
    await using life = await Life.start(tools);
    for (let round = 0; round < 3; round += 1) {
      await life.hears(150);
      await life.restart();
    }
    await life.hears(150);
    await life.judge();
    assert.ok(life.seen.states.filter((state) => state === 'backoff').length >= 3, 'each kill was seen');
  });

  test('cut again and again while sets go on: what was set meanwhile is told as missed, and nothing twice', async () => {
    await using life = await Life.start(tools);
    for (let round = 0; round < 4; round += 1) {
      await life.hears(100);
      life.wire.cut();
      await life.sets(20);
      life.wire.mend();
    }
    await life.hears(100);
    await life.judge();
    assert.ok(life.seen.missed >= 20, `${life.seen.missed} missed`);
    assert.ok(
      life.seen.all.some(({ metadata }) => metadata.resync),
      'a gap that nobody fills is a resync',
    );
  });

  test('a server that lost everything begins anew: the watch goes on when its variable is registered again', async () => {
    await using server = await PublishedServer.start(tools);
    await using state = await open(server.endpoint);
    const { port } = server;
    await state.registerVariable('lost', 'integer', 0);
    const seen = new SeenUpdates();
    await state.watchVariables(['lost'], seen.watcher, { onState: seen.onState, onError: seen.onError });
    for (let value = 1; value <= 5; value += 1) await state.setVariable('lost', value);
    await seen.when(WAIT_MS, () => seen.last?.newValue === 5, 'the fifth');
    await server.kill();
    await using _ = await PublishedServer.start(tools, { port });

    await untilDone(() => state.registerVariable('lost', 'integer', 70));
    await seen.when(WAIT_MS, () => seen.states.at(-1) === 'live', 'a live watch');
    await state.setVariable('lost', 71);
    await seen.when(WAIT_MS, () => seen.last?.newValue === 71, 'a change of the new life');
    assert.deepEqual(seen.rows().slice(4), [
      [4, 5, 6, 0, false],
      [5, 70, 1, 0, true],
      [70, 71, 2, 0, false],
    ]);
    assert.deepEqual(seen.errors, []);
  });
}

/** A variable that is set all the time and watched through a wire, and the journal of the server that has it. */
class Life implements AsyncDisposable {
  static readonly #NAME = 'counter';
  readonly seen = new SeenUpdates();
  readonly wire: TcpProxy;
  readonly #tools: PythonTools;
  readonly #folder: string;
  #server: PublishedServer;
  #watching: BridgedState | undefined;
  #writing: BridgedState | undefined;
  #isOver = false;
  /** The number set last, whether or not the server took it. */
  #value = 0;
  #taken = 0;
  #writer: Promise<void> | undefined;

  private constructor(tools: PythonTools, folder: string, server: PublishedServer, wire: TcpProxy) {
    this.#tools = tools;
    this.#folder = folder;
    this.#server = server;
    this.wire = wire;
  }

  static async start(tools: PythonTools): Promise<Life> {
    const folder = mkdtempSync(join(tmpdir(), 'bridged-state-published-'));
    const server = await PublishedServer.start(tools, { journal: join(folder, 'journal') });
    const life = new Life(tools, folder, server, await TcpProxy.start(server.port));
    try {
      await life.#begin();
    } catch (error) {
      await life[Symbol.asyncDispose]();
      throw error;
    }
    return life;
  }

  async #begin(): Promise<void> {
    this.#writing = await open(this.#server.endpoint);
    this.#watching = await open(this.wire.endpoint);
    await this.#writing.registerVariable(Life.#NAME, 'integer', 0);
    const { watcher, onState, onError } = this.seen;
    await this.#watching.watchVariables([Life.#NAME], watcher, { includeInitial: true, onState, onError });
    this.#writer = this.#write();
  }

  /** Resolves when the watcher was called so many times more. */
  hears(count: number): Promise<void> {
    const from = this.seen.all.length;
    return this.seen.when(WAIT_MS, () => this.seen.all.length >= from + count, `${count} updates`);
  }

  /** Resolves when the server took so many sets more. */
  async sets(count: number): Promise<void> {
    const from = this.#taken;
    await until(WAIT_MS, () => this.#taken >= from + count, `${count} sets`);
  }

  async restart(): Promise<void> {
    const { port } = this.#server;
    await this.#server.kill();
    this.#server = await PublishedServer.start(this.#tools, { port, journal: join(this.#folder, 'journal') });
  }

  /** Ends the sets, waits for the last one, and checks everything that was heard against what the server committed. */
  async judge(): Promise<void> {
    this.#isOver = true;
    await this.#writer;
    const last = this.#value + 1;
    await untilDone(() => this.#writing!.setVariable(Life.#NAME, last));
    await this.seen.when(WAIT_MS, () => this.seen.last?.newValue === last, 'the last value');

    const committed = committedVersions(join(this.#folder, 'journal'), Life.#NAME);
    assert.deepEqual(this.seen.errors, []);
    let before = { version: 0, value: undefined as unknown };
    for (const { oldValue, newValue, metadata } of this.seen.all) {
      const { version, missed } = metadata;
      assert.equal(version, before.version + 1 + missed, 'each version is heard once, in order, or told as missed');
      assert.equal(newValue, committed.get(version), `version ${version} has the value that was committed`);
      assert.equal(oldValue, before.value, `old and new chain at version ${version}`);
      before = { version, value: newValue };
    }
    assert.equal(before.version, committed.size, 'the last version that was committed is the last that was heard');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#writer;
    await this.#writing?.close();
    await this.#watching?.close();
    await this.wire[Symbol.asyncDispose]();
    await this.#server.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #write(): Promise<void> {
    while (!this.#isOver) {
      this.#value += 1;
      await this.#writing!.setVariable(Life.#NAME, this.#value).then(
        () => {
          this.#taken += 1;
        },
        // A kill leaves open whether it was made: the journal knows.
        (error) => assert.ok(error instanceof BridgeError, String(error)),
      );
      await new Promise(setImmediate);
    }
  }
}

function open(endpoint: string, options: { transport?: 'auto' | 'link' } = {}): Promise<BridgedState> {
  return BridgedState.open({ endpoint, sessionId: 'shared', workers: 1, transport: 'auto', ...SOON, ...options });
}

/** Asks until the server is back; anything but a break fails. */
async function untilDone<T>(ask: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isBreak = error instanceof BridgeError && ['UNAVAILABLE', 'UNKNOWN_OUTCOME'].includes(error.code);
      if (!isBreak || performance.now() > deadlineMs) throw error;
      // A server that starts needs the core.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

function namesMissing(name: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof VariablesNotFoundError, String(error));
    assert.deepEqual(error.identifiers, [name]);
    return true;
  };
}

function unsupported(sentence: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof UnsupportedError, String(error));
    assert.match(error.message, sentence);
    return true;
  };
}

function names(variables: readonly { readonly name: string }[]): string[] {
  return variables.map(({ name }) => name).sort();
}

/** `maxMainMs`: watchers that take long leave the event loop to others, and lose nothing that nobody tells. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { StateProvider, VariableChange, Watcher } from '../../src/main/index.js';
import { BridgedState, LocalState, WorkerPool } from '../../src/main/index.js';
import { ChainChecker } from '../support/chain.js';
import { until, within } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { sharedPool } from '../support/shared-pool.js';

const MAX_MAIN_MS = 5;
/** What one call takes at least: so at most three of them use up a turn. */
const CALL_MS = 2;
const CALLS_A_TURN = 3;

let server: ServerProcess;
let sessions = 0;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

function busy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Counts the calls of each turn of the event loop: nothing of it comes between two of one. */
class TurnCounter {
  readonly calls: number[] = [];
  #isInTurn = false;

  handleCall(): void {
    if (!this.#isInTurn) {
      this.#isInTurn = true;
      this.calls.push(0);
      setImmediate(() => {
        this.#isInTurn = false;
      });
    }
    this.calls[this.calls.length - 1]! += 1;
  }
}

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `v${n}`);

async function registered<P extends StateProvider>(state: P, count: number): Promise<P> {
  for (const name of names(count)) await state.registerVariable(name, 'integer', 0);
  return state;
}

const PROVIDERS: [name: string, open: (maxMainMs: number) => Promise<StateProvider>][] = [
  ['LocalState', async (maxMainMs) => new LocalState({ maxMainMs })],
  ...[0, 1, 2].map((workers): (typeof PROVIDERS)[number] => [
    `BridgedState with ${workers} workers`,
    async (maxMainMs) => {
      sessions += 1;
      const endpoint = `127.0.0.1:${server.port}`;
      const pool = await sharedPool(workers);
      return BridgedState.open({ endpoint, sessionId: `main-${sessions}`, pool, maxMainMs, verify: true });
    },
  ]),
];

for (const [name, open] of PROVIDERS) {
  describe(`${name} with maxMainMs`, () => {
    test('calls no more watchers in a turn than there is time for, and all of them in the end', async () => {
      await using state = await registered(await open(MAX_MAIN_MS), 20);
      const counter = new TurnCounter();
      const chain = new ChainChecker(names(20), 1, 0);
      const watcher: Watcher = (...call) => {
        counter.handleCall();
        busy(CALL_MS);
        chain.watcher(...call);
      };
      const watches = await Promise.all(names(20).map((one) => state.watchVariables(one, watcher)));
      await state.updateVariables(Object.fromEntries(names(20).map((one) => [one, 1])), { atomic: true });

      await until(20_000, () => names(20).every((one) => chain.versionOf(one) === 2), 'every change');
      assert.deepEqual(chain.broken, []);
      assert.equal(chain.missed, 0);
      assert.ok(Math.max(...counter.calls) <= CALLS_A_TURN, `${counter.calls.join()} calls`);
      const infos = await state.listWatchers();
      assert.ok(
        infos.some(({ stats }) => stats.yields > 0),
        'some of them say that they waited',
      );
      assert.equal(infos.length, watches.length);
    });

    test('conflates what waits in a bounded buffer, and tells exactly what was missed', async () => {
      await using state = await registered(await open(MAX_MAIN_MS), 3);
      const chain = new ChainChecker(names(3), 1, 0);
      const slow: Watcher = (...call) => {
        busy(CALL_MS);
        chain.watcher(...call);
      };
      const watch = await state.watchVariables(names(3), slow, { bufferLimit: 3 });
      let largest = 0;
      for (let round = 1; round <= 60; round += 1) {
        await Promise.all(names(3).map((one) => state.setVariable(one, round)));
        largest = Math.max(largest, (await state.listWatchers())[0]!.stats.buffered);
      }

      await until(20_000, () => names(3).every((one) => chain.versionOf(one) === 61), 'the last of each');
      assert.deepEqual(chain.broken, []);
      assert.equal(chain.delivered + chain.missed, 180);
      const [{ stats }] = (await state.listWatchers()) as [Awaited<ReturnType<StateProvider['listWatchers']>>[number]];
      assert.deepEqual(
        [stats.updatesDelivered, stats.updatesMissed, stats.buffered],
        [chain.delivered, chain.missed, 0],
      );
      // Its buffer here, and that of each of its workers.
      assert.ok(largest <= 3 * 3, `${largest} waited`);
      await watch.stop();
    });

    test('tells what was set atomically whole to an atomic watch, and an array whole, however long that takes', async () => {
      await using state = await registered(await open(MAX_MAIN_MS), 12);
      const counter = new TurnCounter();
      const arrays: (readonly VariableChange[])[] = [];
      await state.watchVariables(
        names(12),
        () => {
          counter.handleCall();
          busy(CALL_MS);
        },
        { atomic: true },
      );
      await state.watchVariables(names(12), (changes) => arrays.push(changes), { atomic: true, batch: true });
      for (let round = 1; round <= 3; round += 1)
        await state.updateVariables(Object.fromEntries(names(12).map((one) => [one, round])), { atomic: true });

      await until(20_000, () => counter.calls.reduce((sum, calls) => sum + calls, 0) === 36, 'all calls');
      await until(20_000, () => arrays.flat().length === 36, 'all arrays');
      assert.ok(
        counter.calls.every((calls) => calls % 12 === 0),
        counter.calls.join(),
      );
      assert.ok(arrays.every((changes) => changes.length % 12 === 0));
    });

    test('is silent after stop(), and of what is watched no longer, in the middle of what waits', async () => {
      await using state = await registered(await open(MAX_MAIN_MS), 20);
      const told: string[] = [];
      const watch = await state.watchVariables(names(20), (identifier) => {
        told.push(identifier);
        busy(CALL_MS);
      });
      const set = (value: number) => state.updateVariables(Object.fromEntries(names(20).map((one) => [one, value])));
      void set(1);
      await until(20_000, () => told.length > 0, 'the first call');
      await watch.remove(names(20).slice(10));
      const removedBy = told.length;
      await until(20_000, () => names(10).every((one) => told.includes(one)), 'what is left');
      assert.deepEqual(
        told.slice(removedBy).filter((one) => names(20).slice(10).includes(one)),
        [],
      );
      void set(2);
      const before = told.length;
      await until(20_000, () => told.length > before, 'the first call of the second round');
      await watch.stop();
      const stoppedBy = told.length;
      for (let turns = 0; turns < 30; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(told.length, stoppedBy);
    });

    test('says synced when what waited before it has been told, and stopped behind the last call', async () => {
      await using state = await registered(await open(MAX_MAIN_MS), 20);
      let calls = 0;
      let callsAtEnd = -1;
      const watch = await state.watchVariables(
        names(20),
        () => {
          calls += 1;
          busy(CALL_MS);
        },
        {
          includeInitial: true,
          onState: (one) => {
            if (one === 'stopped') callsAtEnd = calls;
          },
        },
      );
      await within(20_000, watch.synced, 'synced');
      assert.equal(calls, 20);
      await Promise.all(names(20).map((one) => state.deleteVariable(one)));
      await until(20_000, () => callsAtEnd >= 0, 'the end of the watch');
      assert.equal(callsAtEnd, 40);
    });

    test('fails a watch that asked for it when its buffer is full, behind what it holds', async () => {
      await using state = await registered(await open(1), 1);
      const errors: string[] = [];
      const seen: unknown[] = [];
      const options = {
        bufferLimit: 4,
        overflow: 'error' as const,
        onError: (error: Error) => errors.push(error.name),
      };
      await state.watchVariables(
        'v0',
        (_, __, value) => {
          seen.push(value);
          busy(CALL_MS);
        },
        options,
      );
      await Promise.all(Array.from({ length: 40 }, (_, n) => state.setVariable('v0', n + 1)));
      await until(20_000, () => errors.length > 0, 'its failure');
      assert.deepEqual(errors, ['BufferOverflowError']);
      assert.deepEqual(
        seen,
        seen.map((_, place) => place + 1),
        'no gap before it',
      );
      assert.deepEqual(await state.listWatchers(), []);
    });

    test('tells background and debounced watches too while urgent ones use up every turn', async () => {
      await using state = await registered(await open(MAX_MAIN_MS), 6);
      let isOver = false;
      let urgentCalls = 0;
      for (const one of names(3))
        await state.watchVariables(
          one,
          (_, __, value) => {
            urgentCalls += 1;
            busy(MAX_MAIN_MS);
            if (!isOver) void state.setVariable(one, (value as number) + 1);
          },
          { priority: 'urgent' },
        );
      const told = new Map<string, number>();
      const tell: Watcher = (identifier) => void told.set(identifier, (told.get(identifier) ?? 0) + 1);
      await state.watchVariables('v3', tell, { priority: 'background' });
      await state.watchVariables('v4', tell, { priority: 'background', debounceMs: 1 });
      await state.watchVariables('v5', tell, { throttleMs: 1 });
      await state.updateVariables({ v0: 1, v1: 1, v2: 1 });
      for (let round = 1; round <= 3; round += 1) {
        await state.updateVariables({ v3: round, v4: round, v5: round });
        await until(20_000, () => ['v3', 'v4', 'v5'].every((one) => (told.get(one) ?? 0) >= round), `round ${round}`);
      }
      assert.ok(urgentCalls > 3);
      isOver = true;
    });
  });
}

test('a worker that dies while updates wait on the main thread leaves no duplicate and no unmarked gap', async () => {
  const endpoint = `127.0.0.1:${server.port}`;
  await using writer = await BridgedState.open({ endpoint, workers: 0, sessionId: 'main-crash' });
  await using pool = await WorkerPool.open({ workers: 2 });
  await using state = await BridgedState.open({ endpoint, pool, sessionId: 'main-crash', maxMainMs: 2, verify: true });
  await registered(writer, 20);
  const chain = new ChainChecker(names(20), 1, 0);
  const errors: Error[] = [];
  for (const [place, one] of names(20).entries()) {
    const watcher: Watcher = (...call) => {
      busy(0.5);
      chain.watcher(...call);
    };
    const priority = (['urgent', 'normal', 'background'] as const)[place % 3]!;
    await state.watchVariables(one, watcher, { priority, onError: (error) => errors.push(error) });
  }
  const rounds = 40;
  for (let round = 1; round <= rounds; round += 1) {
    await writer.updateVariables(Object.fromEntries(names(20).map((one) => [one, round])));
    if (round % 10 === 0) await pool.restartWorker((round / 10) % 2);
  }

  await until(30_000, () => names(20).every((one) => chain.versionOf(one) === rounds + 1), 'the last version of each');
  assert.deepEqual(chain.broken, []);
  assert.deepEqual(errors, []);
  assert.equal(chain.delivered + chain.missed, 20 * rounds);
});

test('priorities that come and go in the middle of updates overtake nothing of their own watch', async () => {
  const endpoint = `127.0.0.1:${server.port}`;
  await using state = await BridgedState.open({ endpoint, workers: 1, sessionId: 'main-priorities', verify: true });
  await registered(state, 4);
  const chain = new ChainChecker(names(4), 1, 0);
  await state.watchVariables(names(4), chain.watcher);
  for (let round = 1; round <= 60; round += 1) {
    const sets = Promise.all(names(4).map((one) => state.setVariable(one, round)));
    const urgent = await state.watchVariables('v0', () => void urgent.stop(), { priority: 'urgent' });
    await sets;
    if (round % 2 === 0) await urgent.stop();
  }
  await until(20_000, () => names(4).every((one) => chain.versionOf(one) === 61), 'the last of each');
  assert.deepEqual(chain.broken, []);
  assert.equal(chain.missed, 0);
});

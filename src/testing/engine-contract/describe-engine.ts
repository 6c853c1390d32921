/** The suite of a storage engine: what the server's session store leans on. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Change } from '../../shared/state/variable.js';
import { NO_SETTER, VariableTable } from '../../shared/state/variable-table.js';
import { within } from '../within.js';

/** The interface of `bridged-state/server`, by its shape: suites import no server. */
interface EngineUnderTest {
  commit(commit: Commit): Promise<void> | undefined;
  subscribe(subscriber: (commit: Commit) => void): () => void;
}

interface Commit {
  readonly sessionId: string;
  readonly changes: readonly Change[];
}

/**
 * Describes an engine by what it has to keep. `create` makes a fresh, empty one for each test.
 *
 *     describeEngine('MemoryEngine', () => new MemoryEngine());
 */
export function describeEngine(name: string, create: () => EngineUnderTest | Promise<EngineUnderTest>): void {
  const given = async () => {
    const engine = await create();
    const told: Commit[] = [];
    const unsubscribe = engine.subscribe((commit) => told.push(commit));
    return { engine, told, unsubscribe };
  };

  describe(name, () => {
    test('whoever subscribed has been told of a commit when it is kept', async () => {
      const { engine, told } = await given();
      const commit = commitOf('s', 1);
      await kept(engine.commit(commit));
      assert.deepEqual(told, [commit]);
    });

    test('an engine that keeps at once tells during the call', async () => {
      const { engine, told } = await given();
      const keeping = engine.commit(commitOf('s', 1));
      if (keeping === undefined) assert.equal(told.length, 1);
      else await kept(keeping);
    });

    test('commits are told in the order they were made, over all sessions', async () => {
      const { engine, told } = await given();
      const commits = Array.from({ length: 100 }, (_, n) => commitOf(`s${n % 3}`, n));
      await Promise.all(commits.map((commit) => kept(engine.commit(commit))));
      assert.deepEqual(told, commits);
    });

    test('a commit of several changes is told as one', async () => {
      const { engine, told } = await given();
      const commit: Commit = { sessionId: 's', changes: [1, 2, 3].flatMap((n) => commitOf('s', n).changes) };
      await kept(engine.commit(commit));
      assert.equal(told.length, 1);
      assert.equal(told[0]?.changes.length, 3);
    });

    test('every subscriber is told, and one that has left is not', async () => {
      const { engine, told, unsubscribe } = await given();
      const others: Commit[] = [];
      engine.subscribe((commit) => others.push(commit));
      await kept(engine.commit(commitOf('s', 1)));
      unsubscribe();
      await kept(engine.commit(commitOf('s', 2)));
      assert.equal(told.length, 1);
      assert.equal(others.length, 2);
    });

    test('leaving twice takes nobody else off', async () => {
      const { engine, told, unsubscribe } = await given();
      unsubscribe();
      const others: Commit[] = [];
      engine.subscribe((commit) => others.push(commit));
      unsubscribe();
      await kept(engine.commit(commitOf('s', 1)));
      assert.deepEqual([told.length, others.length], [0, 1]);
    });

    test('a commit is kept although nobody subscribed', async () => {
      const engine = await create();
      await kept(engine.commit(commitOf('s', 1)));
    });
  });
}

async function kept(keeping: Promise<void> | undefined): Promise<void> {
  if (keeping !== undefined) await within(keeping, 'an answer of the engine');
}

/** A registration as the session store commits it. */
function commitOf(sessionId: string, value: number): Commit {
  const table = new VariableTable({
    maxVariables: 10,
    history: { maxAgeMs: 60_000, maxVersions: 100, maxSessionBytes: 1_000_000 },
    newId: () => `var_${value}`,
  });
  table.register({ name: 'x', type: 'float', initial: -1 }, 1_000);
  const { change } = table.set({ identifier: 'x', input: value }, NO_SETTER, 2_000);
  return { sessionId, changes: [change!] };
}

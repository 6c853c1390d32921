/** A server over SQLite that is killed at each thing that it asks of its file, life after life over one folder: what it had answered is there. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Following } from '../../../../src/server/engine/engine.js';
import { LocalEngine } from '../../../../src/server/engine/local-engine.js';
import { SqliteJournal } from '../../../../src/server/engine/sqlite/sqlite-journal.js';
import type { Decision, TableOperation } from '../../../../src/shared/state/operation.js';
import { acceptDecoded, acceptRegistration, NO_SETTER } from '../../../../src/shared/state/operation.js';
import { within } from '../../../support/deadline.js';
import { hostOf } from '../stub-journal.js';

/** Where a life ends: right before what it would ask as the nth of its kind, or right behind it. */
interface Death {
  readonly kind: 'snapshot' | 'cut' | 'loadBefore';
  readonly nth: number;
  readonly isBehind: boolean;
}

class MortalJournal extends SqliteJournal {
  readonly died: Promise<void>;
  readonly #death: Death;
  #asked = 0;
  #die!: () => void;

  constructor(folder: string, death: Death) {
    super(folder, { durability: 'os' });
    this.#death = death;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  async #mortal<T>(what: Death['kind'], ask: () => Promise<T>): Promise<T> {
    const { kind, nth, isBehind } = this.#death;
    if (kind === what) this.#asked += 1;
    if (kind !== what || this.#asked !== nth) return ask();
    if (isBehind) await ask();
    await this.kill();
    this.#die();
    throw new Error('it was killed');
  }

  override snapshot(...args: Parameters<SqliteJournal['snapshot']>): Promise<void> {
    return this.#mortal('snapshot', () => super.snapshot(...args));
  }

  override cut(...args: Parameters<SqliteJournal['cut']>): Promise<void> {
    return this.#mortal('cut', () => super.cut(...args));
  }

  override loadBefore(...args: Parameters<SqliteJournal['loadBefore']>): Promise<number | undefined> {
    return this.#mortal('loadBefore', () => super.loadBefore(...args));
  }
}

/** What was answered of a variable: its id, and its values by version. */
interface Answered {
  readonly id: string;
  readonly values: Map<number, unknown>;
  last: number;
}

test('what was answered is there, whole and once, wherever the life before it ended', async (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'bridged-state-killed-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const live = new Map<string, Answered>();
  const gone = new Set<string>();
  /** Names whose last operation was not answered. */
  let unsure: string | undefined;
  let steps = 0;
  for (const death of DEATHS) {
    const journal = new MortalJournal(folder, death);
    const engine = new LocalEngine(journal, { snapshotEveryMs: 1 });
    const host = hostOf();
    await engine.open(host);
    const follower = { handleCommit: () => undefined, windows: () => [] };
    const following = (await engine.follow('s', follower, { metadata: {}, createdAtMs: 0 }))!;
    check(following, live, gone, unsure);
    unsure = undefined;
    const isRead = Promise.resolve(engine.whenHistoryIsRead()).then(() => checkPast(following, live));
    await within(10_000, Promise.race([journal.died, isRead]), 'a history that is read');
    for (let isAlive = true; isAlive; steps += 1) {
      const name = `v${steps % VARIABLES}`;
      const known = live.get(name);
      // Values as large as a portion of a snapshot: every round has several.
      const value = `${steps} ${'x'.repeat(3_000)}`;
      const operation = operationOf(following, name, known, value, steps);
      isAlive = await Promise.race([
        ask(engine, operation).then(
          (version) => {
            note(live, gone, name, operation, version, value);
            return true;
          },
          () => {
            unsure = name;
            return false;
          },
        ),
        journal.died.then(() => {
          unsure = name;
          return false;
        }),
      ]);
    }
    await engine.close();
  }
  assert.ok(steps > DEATHS.length);
});

function operationOf(
  { table }: Following,
  name: string,
  known: Answered | undefined,
  value: string,
  step: number,
): TableOperation {
  const variable = table.find(name);
  if (known === undefined || variable === undefined)
    return acceptRegistration({ name, type: 'string', initial: value }, `id ${step} of ${name}`);
  if (step % 37 === 0) return { kind: 'delete', identifier: name, variable, reason: 'deleted' };
  return acceptDecoded(name, variable, value);
}

async function ask(engine: LocalEngine, operation: TableOperation): Promise<number> {
  const group = { sessionId: 's', operations: [operation], isAtomic: false, setter: NO_SETTER, nowMs: 0 };
  const { results }: Pick<Decision, 'results'> = await engine.commit(group);
  const [result] = results;
  if (typeof result === 'number') return result;
  throw result;
}

function note(
  live: Map<string, Answered>,
  gone: Set<string>,
  name: string,
  operation: TableOperation,
  version: number,
  value: string,
): void {
  if (operation.kind === 'register') live.set(name, { id: operation.id, values: new Map([[1, value]]), last: 1 });
  else if (operation.kind === 'delete') {
    gone.add(live.get(name)!.id);
    live.delete(name);
  } else {
    const known = live.get(name)!;
    known.values.set(version, value);
    known.last = version;
  }
}

/** Takes over what the one operation has done that was not answered. */
function check(
  { table, gone: wentHow }: Following,
  live: Map<string, Answered>,
  gone: Set<string>,
  unsure: string | undefined,
): void {
  for (const id of gone) assert.equal(table.findById(id), undefined, `${id} went`);
  for (const [name, { id, values, last }] of [...live]) {
    const variable = table.find(name);
    if (name === unsure && variable?.id !== id) {
      assert.equal(wentHow.find(id)?.reason, 'deleted');
      gone.add(id);
      live.delete(name);
      continue;
    }
    assert.ok(variable !== undefined, `${name} is there`);
    const { version } = variable.current;
    assert.ok(version === last || (name === unsure && version === last + 1), `${name} at ${version}, not ${last}`);
    for (const entry of variable.history.last(100)) {
      if (entry.version <= last) assert.equal(entry.value, values.get(entry.version));
      else values.set(entry.version, entry.value);
    }
    assert.ok(variable.history.length >= Math.min(16, version), `${name} has its last versions`);
    live.get(name)!.last = version;
  }
  if (unsure !== undefined && !live.has(unsure)) {
    const variable = table.find(unsure);
    if (variable !== undefined)
      live.set(unsure, { id: variable.id, values: new Map([[1, variable.current.value]]), last: 1 });
  }
  assert.equal(table.size, live.size);
}

/** What was read afterwards goes on without a hole, and is what was set. */
function checkPast({ table }: Following, live: ReadonlyMap<string, Answered>): void {
  for (const [name, { values }] of live) {
    const { history, current } = table.require(name);
    const held = history.last(100);
    assert.deepEqual(
      held.map(({ version }) => version),
      held.map((_, index) => current.version - held.length + 1 + index),
    );
    for (const { version, value } of held) assert.equal(value, values.get(version));
  }
}

const nths = (kind: Death['kind'], most: number): Death[] =>
  Array.from({ length: 2 * most }, (_, index) => ({ kind, nth: 1 + (index >> 1), isBehind: index % 2 === 1 }));
const DEATHS = [...nths('cut', 3), ...nths('snapshot', 8), ...nths('loadBefore', 2), ...nths('cut', 1)];
const VARIABLES = 5;

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  AlreadyExistsError,
  BridgeError,
  ConstraintViolationError,
  InvalidArgumentError,
  InvalidConstraintError,
  InvalidNameError,
  InvalidTypeError,
  InvalidValueError,
  QuotaExceededError,
  VariablesNotFoundError,
  VersionConflictError,
  VersionNotFoundError,
} from '../../../src/shared/errors.js';
import type { HistoryLimits } from '../../../src/shared/state/history.js';
import { DEFAULT_HISTORY_LIMITS, MIN_KEPT_VERSIONS } from '../../../src/shared/state/history.js';
import type { Assignment, Registration } from '../../../src/shared/state/operation.js';
import { NO_SETTER } from '../../../src/shared/state/operation.js';
import type { Change } from '../../../src/shared/state/variable.js';
import { VariableTable } from '../../../src/shared/state/variable-table.js';
import { countSteps } from '../../support/count-steps.js';

const MAX_VARIABLES = 4;

function tableOf(history: Partial<HistoryLimits> = {}, maxVariables = MAX_VARIABLES): VariableTable {
  let ids = 0;
  return new VariableTable({
    maxVariables,
    history: { ...DEFAULT_HISTORY_LIMITS, ...history },
    newId: () => {
      ids += 1;
      return `id${ids}`;
    },
  });
}

function fan(more: Partial<Registration> = {}): Registration {
  return { name: 'fan', type: 'integer', initial: 1, ...more };
}

// --- the model: what a table is, without ids indexes, history limits and budgets

interface ModelVariable {
  readonly id: string;
  readonly name: string;
  version: number;
  value: number;
  /** By version. */
  readonly values: Map<number, number>;
}

class Model {
  readonly variables = new Map<string, ModelVariable>();
  revision = 0;
  ids = 0;

  find(identifier: string): ModelVariable | undefined {
    return this.variables.get(identifier) ?? [...this.variables.values()].find(({ id }) => id === identifier);
  }

  register(name: string, value: unknown): string | undefined {
    if (!isAllowed(value)) return refusalOf(value);
    if (this.variables.has(name)) return 'ALREADY_EXISTS';
    if (this.variables.size === MAX_VARIABLES) return 'QUOTA_EXCEEDED';
    this.ids += 1;
    this.revision += 1;
    this.variables.set(name, { id: `id${this.ids}`, name, version: 1, value, values: new Map([[1, value]]) });
    return undefined;
  }

  refusal({ identifier, input, expectedVersion }: Assignment): string | undefined {
    const variable = this.find(identifier);
    if (variable === undefined) return 'VARIABLE_NOT_FOUND';
    if (!isAllowed(input)) return refusalOf(input);
    return expectedVersion !== undefined && expectedVersion !== variable.version ? 'VERSION_CONFLICT' : undefined;
  }

  /** Returns whether it changed. */
  commit(identifier: string, value: number): boolean {
    const variable = this.find(identifier)!;
    if (variable.value === value) return false;
    variable.version += 1;
    variable.value = value;
    variable.values.set(variable.version, value);
    return true;
  }
}

function isAllowed(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 5;
}

function refusalOf(value: unknown): string {
  return typeof value === 'number' ? 'CONSTRAINT_VIOLATION' : 'INVALID_VALUE';
}

type Call =
  | { readonly kind: 'register'; readonly name: string; readonly value: unknown }
  | { readonly kind: 'set'; readonly assignment: Assignment }
  | { readonly kind: 'update'; readonly assignments: readonly Assignment[]; readonly isAtomic: boolean }
  | { readonly kind: 'rollback'; readonly identifier: string; readonly version: number }
  | { readonly kind: 'delete'; readonly identifier: string };

// A name may look like the id of another variable.
const names = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'id2');
const identifiers = fc.oneof({ weight: 3, arbitrary: names }, fc.constantFrom('id1', 'id2', 'id3'));
const values = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 5 }) },
  fc.constantFrom<unknown>(9, 'x', null),
);
const assignments: fc.Arbitrary<Assignment> = fc.record({
  identifier: identifiers,
  input: values,
  expectedVersion: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, fc.integer({ min: 1, max: 4 })),
});
const calls: fc.Arbitrary<Call[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('register' as const), name: names, value: values }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('set' as const), assignment: assignments }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('update' as const),
        // As in a map; one variable may still be named twice, by its name and by its id.
        assignments: fc.uniqueArray(assignments, { selector: ({ identifier }) => identifier, maxLength: 4 }),
        isAtomic: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('rollback' as const),
        identifier: identifiers,
        version: fc.integer({ min: 0, max: 6 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), identifier: identifiers }) },
  ),
  { maxLength: 40 },
);

/** The code of what a call threw, undefined when it did not. */
function codeOf(call: () => void): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof BridgeError, String(error));
    return error.code;
  }
}

/** Makes the same calls of both and compares what they say and what they are afterwards. */
class Comparison {
  readonly table = tableOf();
  readonly model = new Model();
  #lastRevision = 0;

  make(call: Call): void {
    switch (call.kind) {
      case 'register':
        this.#register(call.name, call.value);
        break;
      case 'set':
        this.#set(call.assignment);
        break;
      case 'update':
        if (call.isAtomic) this.#updateAll(call.assignments);
        else this.#updateEach(call.assignments);
        break;
      case 'rollback':
        this.#rollback(call.identifier, call.version);
        break;
      case 'delete':
        this.#delete(call.identifier);
        break;
      default:
        call satisfies never;
    }
    this.#compareStates();
  }

  #register(name: string, value: unknown): void {
    const wanted = this.model.register(name, value);
    let change: Change | undefined;
    const registration = { name, type: 'integer', initial: value, constraints: { min: 0, max: 5 } };
    assert.equal(
      codeOf(() => {
        change = this.table.register(registration, 0);
      }),
      wanted,
    );
    if (change === undefined) return;
    this.#checkChange(change, name);
    assert.equal(change.previous, undefined);
  }

  #set(assignment: Assignment): void {
    const wanted = this.model.refusal(assignment);
    let change: Change | undefined;
    let version = 0;
    assert.equal(
      codeOf(() => {
        ({ change, version } = this.table.set(assignment, NO_SETTER, 0));
      }),
      wanted,
    );
    if (wanted !== undefined) return;
    this.#checkCommitted(assignment.identifier, assignment.input as number, change);
    assert.equal(version, this.model.find(assignment.identifier)?.version);
  }

  #updateEach(given: readonly Assignment[]): void {
    const { versions, refused, changes } = this.table.update(given, false, NO_SETTER, 0);
    const rest = [...changes];
    const wantedVersions = new Map<string, number>();
    const wantedRefused = new Map<string, string>();
    for (const assignment of given) {
      const { identifier } = assignment;
      const refusal = this.model.refusal(assignment);
      if (refusal !== undefined) {
        wantedRefused.set(identifier, refusal);
        continue;
      }
      const isChange = this.model.find(identifier)?.value !== assignment.input;
      this.#checkCommitted(identifier, assignment.input as number, isChange ? rest.shift() : undefined);
      wantedVersions.set(identifier, this.model.find(identifier)!.version);
    }
    assert.deepEqual(rest, []);
    assert.deepEqual(versions, wantedVersions);
    assert.deepEqual(new Map([...refused].map(([identifier, { code }]) => [identifier, code])), wantedRefused);
  }

  #updateAll(given: readonly Assignment[]): void {
    const seen = new Set<ModelVariable>();
    const wantedRefused = new Map<string, string>();
    for (const assignment of given) {
      const variable = this.model.find(assignment.identifier);
      const refusal =
        variable !== undefined && seen.has(variable) ? 'INVALID_ARGUMENT' : this.model.refusal(assignment);
      if (variable !== undefined) seen.add(variable);
      if (refusal !== undefined) wantedRefused.set(assignment.identifier, refusal);
    }

    const { versions, refused, changes } = this.table.update(given, true, NO_SETTER, 0);

    assert.deepEqual(new Map([...refused].map(([identifier, { code }]) => [identifier, code])), wantedRefused);
    if (wantedRefused.size > 0) {
      assert.deepEqual([versions.size, changes.length], [0, 0]);
      return;
    }
    const changed = given.filter(({ identifier, input }) => this.model.commit(identifier, input as number));
    if (changed.length > 0) this.model.revision += 1;
    assert.deepEqual(
      changes.map(({ variable, current }) => [variable.name, current.version, current.value, current.revision]),
      changed.map(({ identifier }) => {
        const { name, version, value } = this.model.find(identifier)!;
        return [name, version, value, this.model.revision];
      }),
    );
    assert.deepEqual(
      versions,
      new Map(given.map(({ identifier }) => [identifier, this.model.find(identifier)!.version])),
    );
  }

  #rollback(identifier: string, version: number): void {
    const variable = this.model.find(identifier);
    const value = variable?.values.get(version);
    const wanted =
      variable === undefined ? 'VARIABLE_NOT_FOUND' : value === undefined ? 'VERSION_NOT_FOUND' : undefined;
    let change: Change | undefined;
    assert.equal(
      codeOf(() => {
        ({ change } = this.table.rollback(identifier, version, NO_SETTER, 0));
      }),
      wanted,
    );
    if (wanted === undefined) this.#checkCommitted(identifier, value!, change);
  }

  #delete(identifier: string): void {
    const variable = this.model.find(identifier);
    let change: Change | undefined;
    assert.equal(
      codeOf(() => {
        change = this.table.delete(identifier, 'expired', 0);
      }),
      variable === undefined ? 'VARIABLE_NOT_FOUND' : undefined,
    );
    if (variable === undefined || change === undefined) return;
    this.model.variables.delete(variable.name);
    this.model.revision += 1;
    assert.deepEqual(
      [change.variable.id, change.previous?.version, change.current.version, change.current.revision, change.reason],
      [variable.id, variable.version, variable.version + 1, this.model.revision, 'expired'],
    );
  }

  #checkCommitted(identifier: string, value: number, change: Change | undefined): void {
    const before = this.model.find(identifier)!.version;
    if (!this.model.commit(identifier, value)) {
      assert.equal(change, undefined, 'an equal value changes nothing');
      return;
    }
    this.model.revision += 1;
    assert.ok(change !== undefined);
    assert.equal(change.previous?.version, before);
    assert.equal(change.current.version, before + 1);
    this.#checkChange(change, identifier);
  }

  #checkChange({ variable, current, reason }: Change, identifier: string): void {
    const { id, version, value } = this.model.find(identifier)!;
    assert.deepEqual(
      [variable.id, current.version, current.value, current.revision, reason],
      [id, version, value, this.model.revision, undefined],
    );
  }

  #compareStates(): void {
    const { table, model } = this;
    assert.ok(table.revision >= this.#lastRevision, 'the revision went back');
    this.#lastRevision = table.revision;
    assert.equal(table.revision, model.revision);
    assert.equal(table.size, model.variables.size);
    assert.deepEqual(
      [...table.variables()].map(({ id, name, current }) => [id, name, current.version, current.value]),
      [...model.variables.values()].map(({ id, name, version, value }) => [id, name, version, value]),
    );
    for (const variable of model.variables.values()) {
      const { history, current } = table.require(variable.name);
      assert.equal(history.find(current.version), current);
      assert.deepEqual(
        history.last(1_000).map((entry) => [entry.version, entry.value]),
        [...variable.values].slice(-history.length),
      );
    }
    for (const identifier of ['a', 'b', 'id1', 'id2', 'id3']) {
      assert.equal(table.find(identifier)?.id, model.find(identifier)?.id);
    }
  }
}

describe('a variable table', () => {
  test('is what a plain map would be: whatever is registered, set, batched, rolled back and deleted, and refused calls change nothing', () => {
    fc.assert(
      fc.property(calls, (given) => {
        const comparison = new Comparison();
        for (const call of given) comparison.make(call);
      }),
      { numRuns: 500 },
    );
  });

  const refused: readonly (readonly [
    what: string,
    registration: Registration,
    error: new (message: string) => Error,
  ])[] = [
    ['an empty name', fan({ name: '' }), InvalidNameError],
    ['an unknown type', fan({ type: 'decimal' }), InvalidTypeError],
    ['constraints that contradict themselves', fan({ constraints: { min: 2, max: 1 } }), InvalidConstraintError],
    ['an initial value of another type', fan({ initial: '1' }), InvalidValueError],
    ['an initial value that its constraints refuse', fan({ constraints: { min: 2 } }), ConstraintViolationError],
    ['a negative time to live', fan({ ttlMs: -1 }), InvalidArgumentError],
    ['half a ms to live', fan({ ttlMs: 0.5 }), InvalidArgumentError],
    ['a first version of 0', fan({ version: 0 }), InvalidArgumentError],
  ];
  for (const [what, registration, error] of refused) {
    test(`refuses to register ${what}, and is as before`, () => {
      const table = tableOf();
      assert.throws(() => table.register(registration, 0), error);
      assert.deepEqual([table.size, table.revision, table.historyBytes], [0, 0, 0]);
    });
  }

  test('refuses a name that is taken and one more than it may hold', () => {
    const table = tableOf({}, 1);
    table.register(fan(), 0);
    assert.throws(() => table.register(fan(), 0), AlreadyExistsError);
    assert.throws(() => table.register(fan({ name: 'lamp' }), 0), QuotaExceededError);
  });

  test('keeps what a variable was registered with', () => {
    const table = tableOf();
    const metadata = { unit: 'rpm' };
    const given = fan({
      constraints: '{"min":0}',
      metadata,
      description: 'a fan',
      ttlMs: 5,
      source: 'test',
      version: 7,
    });

    const { variable } = table.register(given, 11);

    const { name, type, description, ttlMs, createdAt, current } = variable;
    assert.deepEqual(
      { name, type, description, ttlMs, createdAt, metadata: variable.metadata },
      { name: 'fan', type: 'integer', description: 'a fan', ttlMs: 5, createdAt: 11, metadata },
    );
    assert.deepEqual(
      [current.version, current.value, current.timestamp, current.source, current.revision],
      [7, 1, 11, 'test', 1],
    );
  });

  test('keeps who set a value, when, and the map of the setter', () => {
    const table = tableOf();
    table.register(fan(), 0);
    const custom = { reason: 'hot' };
    const { change } = table.set({ identifier: 'fan', input: 2 }, { source: 'thermostat', custom }, 12);
    assert.deepEqual(
      [change?.current.source, change?.current.custom, change?.current.timestamp],
      ['thermostat', custom, 12],
    );
  });

  test('says which version a set that expected another has to read', () => {
    const table = tableOf();
    table.register(fan({ version: 7 }), 0);
    assert.throws(
      () => table.set({ identifier: 'fan', input: 2, expectedVersion: 6 }, NO_SETTER, 0),
      (error) => error instanceof VersionConflictError && /"fan" is at version 7, not 6/.test(error.message),
    );
  });

  test('refuses a conflicting set although its value would change nothing', () => {
    const table = tableOf();
    table.register(fan(), 0);
    assert.throws(
      () => table.set({ identifier: 'fan', input: 1, expectedVersion: 9 }, NO_SETTER, 0),
      VersionConflictError,
    );
  });

  test('names the variable that it does not hold', () => {
    assert.throws(
      () => tableOf().require('fan'),
      (error) => error instanceof VariablesNotFoundError && error.identifiers[0] === 'fan',
    );
  });

  test('says which versions it holds when a rollback asks for another', () => {
    const table = tableOf({ maxVersions: 1 });
    table.register(fan({ initial: 0 }), 0);
    for (let input = 1; input <= 20; input += 1) table.set({ identifier: 'fan', input }, NO_SETTER, 0);
    assert.throws(
      () => table.rollback('fan', 5, NO_SETTER, 0),
      (error) =>
        error instanceof VersionNotFoundError && /no version 5 in its history: it holds 6 to 21/.test(error.message),
    );
  });

  test('finds by id alone what is hidden by a variable named like it', () => {
    const table = tableOf();
    const { variable } = table.register({ name: 'fan', type: 'integer', initial: 1 }, 0);
    const named = table.register({ name: variable.id, type: 'integer', initial: 2 }, 0).variable;
    assert.equal(table.find(variable.id), named);
    assert.equal(table.findById(variable.id), variable);
    assert.equal(table.findById('fan'), undefined);
  });

  test('lists all, or those whose name fits', () => {
    const table = tableOf();
    for (const name of ['fan', 'fan.speed', 'lamp']) table.register(fan({ name }), 0);
    const listed = (pattern?: string) => table.list(pattern).map(({ name }) => name);
    assert.deepEqual(listed(), ['fan', 'fan.speed', 'lamp']);
    assert.deepEqual(listed(''), ['fan', 'fan.speed', 'lamp']);
    assert.deepEqual(listed('*'), ['fan', 'fan.speed', 'lamp']);
    assert.deepEqual(listed('fan*'), ['fan', 'fan.speed']);
    assert.deepEqual(listed('id1'), []);
  });

  test('gives back the bytes of a deleted history', () => {
    const table = tableOf();
    table.register(fan(), 0);
    const before = table.historyBytes;
    table.register(fan({ name: 'lamp' }), 0);
    table.delete('lamp', 'deleted', 0);
    assert.equal(table.historyBytes, before);
  });

  test('after every commit is within its bytes, or holds only the last versions of each', () => {
    const maxSessionBytes = 12_000;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'a', 'a', 'b', 'c'), fc.oneof(fc.nat(9), fc.nat(2_000))), {
          maxLength: 150,
        }),
        (sets) => {
          const table = tableOf({ maxSessionBytes });
          for (const name of ['a', 'b', 'c']) table.register({ name, type: 'string', initial: '' }, 0);
          sets.forEach(([identifier, length], place) => {
            table.set({ identifier, input: `${place}${'x'.repeat(length)}` }, NO_SETTER, 0);
            const longest = Math.max(...[...table.variables()].map(({ history }) => history.length));
            assert.ok(
              table.historyBytes <= maxSessionBytes || longest <= MIN_KEPT_VERSIONS,
              `${table.historyBytes} bytes, ${longest} versions`,
            );
          });
        },
      ),
      { numRuns: 100 },
    );
  });

  test('takes from every variable in turn, also when the turn begins in the middle', () => {
    const table = tableOf({ maxSessionBytes: 12_000 });
    for (const name of ['a', 'b', 'c']) table.register({ name, type: 'string', initial: '' }, 0);
    const set = (identifier: string, input: string) => table.set({ identifier, input }, NO_SETTER, 0);
    const grow = (times: number) => {
      for (let time = 0; time < times; time += 1) set('a', `${table.revision}`);
    };
    grow(40);
    set('b', 'x'.repeat(4_000));
    assert.equal(table.require('a').history.length, MIN_KEPT_VERSIONS);
    grow(9);

    set('c', 'x'.repeat(500));

    assert.equal(table.require('a').history.length, MIN_KEPT_VERSIONS);
    assert.ok(table.historyBytes <= 12_000);
  });

  test('looks at few others a version while nothing can be let go of, however many there are', async () => {
    const count = 2_000;
    const table = tableOf({ maxSessionBytes: 1_000 }, count);
    const names = Array.from({ length: count }, (_, place) => `v${place}`);
    for (const name of names) table.register({ name, type: 'integer', initial: 0 }, 0);
    const one = await countSteps(() => void table.set({ identifier: 'v1', input: 1 }, NO_SETTER, 0));
    assert.ok(one < 20, `${one} steps`);
    const batch = names.map((identifier) => ({ identifier, input: 2 }));
    const all = await countSteps(() => void table.update(batch, true, NO_SETTER, 0));
    assert.ok(all < 20 * count, `${all} steps`);
  });
});

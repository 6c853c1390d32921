import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { QuotaExceededError } from '../../../src/shared/errors.js';
import { registrationBytes } from '../../../src/shared/state/held-bytes.js';
import { DEFAULT_HISTORY_LIMITS } from '../../../src/shared/state/history.js';
import type { TableOperation } from '../../../src/shared/state/operation.js';
import { acceptRegistration, NO_SETTER } from '../../../src/shared/state/operation.js';
import type { WholeBudget } from '../../../src/shared/state/table-bytes.js';
import type { DecidedChange } from '../../../src/shared/state/variable.js';
import { VariableTable } from '../../../src/shared/state/variable-table.js';

function wholeOf(maxBytes: number): WholeBudget {
  return { maxBytes, bytes: 0, relieve: () => undefined };
}

function tableOf(maxBytes: number, whole: WholeBudget): VariableTable {
  let ids = 0;
  return new VariableTable({
    maxVariables: 100,
    history: { ...DEFAULT_HISTORY_LIMITS, maxVersions: 16 },
    maxBytes,
    whole,
    newId: () => {
      ids += 1;
      return `id${ids}`;
    },
  });
}

/** What its variables hold, counted anew. */
function counted(table: VariableTable): { live: number; held: number } {
  let registered = 0;
  let present = 0;
  for (const variable of table.variables()) {
    registered += registrationBytes(variable);
    present += variable.history.newestBytes;
  }
  return { live: registered + present, held: registered + table.historyBytes };
}

/** What more it takes, found by asking. */
function roomOf(table: VariableTable): number {
  const variable = table.find('probe')!;
  const fits = (length: number): boolean => {
    const accepted = table.accept({ identifier: 'probe', input: 'x'.repeat(length), expectedVersion: undefined });
    const { results, changes } = table.decide({ operations: [accepted], isAtomic: false, setter: NO_SETTER, nowMs: 0 });
    const [result] = results;
    if (typeof result !== 'number') assert.ok(result instanceof QuotaExceededError);
    // Only looked at: as if nothing could keep it.
    for (const { bytes } of changes) assert.equal(variable.decidedBytes, bytes);
    table.undo(changes);
    return typeof result === 'number';
  };
  let [low, high] = [1, 1 << 20];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

type Step =
  | { readonly kind: 'register' | 'delete'; readonly name: string }
  | { readonly kind: 'set'; readonly name: string; readonly length: number };

const NAME = fc.constantFrom('a', 'b', 'c');
const STEPS = fc.array(
  fc.record({
    step: fc.oneof(
      fc.record({ kind: fc.constantFrom('register' as const, 'delete' as const), name: NAME }),
      fc.record({ kind: fc.constant('set' as const), name: NAME, length: fc.nat(2_000) }),
    ),
    isKept: fc.boolean(),
  }),
  { maxLength: 60 },
);

function operationOf(table: VariableTable, step: Step): TableOperation | undefined {
  const { name } = step;
  if (step.kind === 'register') return acceptRegistration({ name, type: 'string', initial: '' });
  const variable = table.find(name);
  if (variable === undefined) return undefined;
  if (step.kind !== 'set') return { kind: 'delete', identifier: name, variable, reason: 'deleted' };
  return table.accept({ identifier: name, input: 'y'.repeat(step.length), expectedVersion: undefined });
}

test('the books are those of the variables, whatever is decided, kept and undone', () => {
  fc.assert(
    fc.property(STEPS, (steps) => {
      const whole = wholeOf(Number.POSITIVE_INFINITY);
      const table = tableOf(Number.POSITIVE_INFINITY, whole);
      let ahead: DecidedChange[] = [];
      for (const { step, isKept } of steps) {
        const operation = operationOf(table, step);
        if (operation === undefined) continue;
        ahead.push(...table.decide({ operations: [operation], isAtomic: false, setter: NO_SETTER, nowMs: 0 }).changes);
        if (isKept) for (const change of ahead) table.apply(change, 0);
        else table.undo(ahead);
        ahead = [];
        assert.equal(table.heldBytes, counted(table).held);
        assert.equal(whole.bytes, table.heldBytes);
      }
    }),
  );
});

test('room is what the limit leaves beside registrations and present values, to the byte', () => {
  fc.assert(
    fc.property(STEPS, (steps) => {
      const maxBytes = 20_000;
      const table = tableOf(maxBytes, wholeOf(Number.POSITIVE_INFINITY));
      table.register({ name: 'probe', type: 'string', initial: '' }, 0);
      const probe = table.find('probe')!;
      for (const { step, isKept } of steps) {
        const operation = operationOf(table, step);
        if (operation === undefined) continue;
        const { changes } = table.decide({ operations: [operation], isAtomic: false, setter: NO_SETTER, nowMs: 0 });
        if (isKept) for (const change of changes) table.apply(change, 0);
        else table.undo(changes);
      }
      const { live } = counted(table);
      assert.ok(live <= maxBytes);
      // A string takes two bytes a character.
      const longest = Math.floor((maxBytes - live) / 2);
      assert.equal(
        roomOf(table),
        longest,
        `of ${maxBytes} it holds ${live}, ${probe.history.newestBytes} of them the probe`,
      );
    }),
    { numRuns: 50 },
  );
});

test('the limit of all tables counts what is beside this one', () => {
  const whole = wholeOf(2_000);
  whole.bytes = 1_500;
  const table = tableOf(Number.POSITIVE_INFINITY, whole);
  table.register({ name: 'a', type: 'string', initial: '' }, 0);
  assert.throws(
    () => table.set({ identifier: 'a', input: 'x'.repeat(400), expectedVersion: undefined }, NO_SETTER, 0),
    (error) => error instanceof QuotaExceededError && error.message.includes('maxTotalBytes'),
  );
  whole.bytes -= 1_000;
  table.set({ identifier: 'a', input: 'x'.repeat(400), expectedVersion: undefined }, NO_SETTER, 0);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ConditionIndex } from '../../../src/server/watch/condition-index.js';
import type { Condition } from '../../../src/shared/delivery/condition.js';
import { meets } from '../../../src/shared/delivery/condition.js';
import type { AskedCondition } from '../../../src/shared/delivery/condition-text.js';
import { conditionText, parseCondition } from '../../../src/shared/delivery/condition-text.js';
import type { VariableValue } from '../../../src/shared/values/variable-type.js';

interface Member {
  readonly name: number;
}

const asked = (condition: Condition): AskedCondition => parseCondition(conditionText(condition)!);

const number = fc.oneof(
  fc.integer({ min: -6, max: 6 }),
  fc.constantFrom(0.5, -0, 2 ** 60, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER),
);
const bigint = fc.constantFrom(2n ** 60n, 2n ** 60n + 1n, -(2n ** 70n));
const text = fc.constantFrom('', 'a', 'b', 'ba', '5');
const value: fc.Arbitrary<VariableValue> = fc.oneof(
  number,
  fc.constantFrom(Number.NaN, Number.NEGATIVE_INFINITY),
  bigint,
  text,
  fc.boolean(),
  fc.constantFrom<VariableValue>([1], { a: 1 }),
);
const simple: fc.Arbitrary<Condition> = fc.oneof(
  number.map((crosses) => ({ crosses })),
  number.map((least) => ({ changedBy: Math.abs(least) })),
  fc
    .oneof(number, bigint, text)
    .chain((operand) =>
      fc.constantFrom<Condition>({ gt: operand }, { gte: operand }, { lt: operand }, { lte: operand }),
    ),
  fc
    .oneof(number, bigint, text, fc.boolean(), fc.constantFrom<VariableValue | null>(null, [1], { a: 1 }))
    .map((eq) => ({ eq })),
  fc.array(fc.oneof(number, bigint, text, fc.boolean()), { maxLength: 3 }).map((list) => ({ in: list })),
);
const condition: fc.Arbitrary<Condition> = fc.oneof(
  { weight: 3, arbitrary: simple },
  fc.array(simple, { minLength: 1, maxLength: 3 }).map((and) => ({ and })),
  fc.array(simple, { minLength: 1, maxLength: 3 }).map((or) => ({ or })),
  simple.map((not) => ({ not })),
);

type Step =
  | { readonly name: 'add' | 'remove'; readonly condition: number; readonly member: number }
  | { readonly name: 'change'; readonly value: VariableValue };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    name: fc.constantFrom('add' as const, 'add' as const, 'remove' as const),
    condition: fc.nat(29),
    member: fc.nat(5),
  }),
  value.map((one): Step => ({ name: 'change', value: one })),
);

describe('an index of conditions', () => {
  test('tells exactly those who would be told if each were asked, through any additions, removals and changes', () => {
    fc.assert(
      fc.property(
        fc.array(condition, { minLength: 30, maxLength: 30 }),
        fc.array(step, { maxLength: 120 }),
        (conditions, steps) => {
          const index = new ConditionIndex<Member>();
          const all = conditions.map(asked);
          const members = Array.from({ length: 6 }, (_, name): Member => ({ name }));
          const naive = new Map<string, { readonly condition: AskedCondition; readonly member: Member }>();
          let old: VariableValue = 0;
          for (const one of steps) {
            if (one.name === 'change') {
              const expected = [...naive.values()]
                .filter((entry) => meets(entry.condition.condition, old, one.value))
                .map((entry) => `${entry.condition.text} ${entry.member.name}`);
              const told: string[] = [];
              index.forEachConcerned(old, one.value, (member, { text: said }) => told.push(`${said} ${member.name}`));
              assert.deepEqual(told.sort(), expected.sort());
              old = one.value;
              continue;
            }
            const entry = { condition: all[one.condition]!, member: members[one.member]! };
            const key = `${entry.condition.text} ${one.member}`;
            if (one.name === 'add') {
              assert.equal(index.add(entry.condition, entry.member), !naive.has(key));
              naive.set(key, entry);
            } else assert.equal(index.remove(entry.condition, entry.member), naive.delete(key));
            assert.equal(index.size, naive.size);
          }
          let present = 0;
          index.forEach(() => {
            present += 1;
          });
          assert.equal(present, naive.size);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of 10,000 lines a change that crosses three costs a search and those three', () => {
    const index = new ConditionIndex<Member>();
    for (let line = 0; line < 10_000; line += 1) index.add(asked({ crosses: line }), { name: line });
    const before = index.steps;
    const crossed: number[] = [];
    index.forEachConcerned(5_000.5, 5_003.5, ({ name }) => crossed.push(name));
    assert.deepEqual(crossed.sort(), [5_001, 5_002, 5_003]);
    assert.ok(index.steps - before <= 40, `${index.steps - before} steps`);
    const quiet = index.steps;
    index.forEachConcerned(5_000.5, 5_000.75, () => assert.fail('no line lies there'));
    assert.ok(index.steps - quiet <= 40, `${index.steps - quiet} steps`);
  });

  test('a thousand watches that ask the same ask it once', () => {
    const index = new ConditionIndex<Member>();
    for (let name = 0; name < 1_000; name += 1) index.add(asked({ not: { changedBy: 1 } }), { name });
    const before = index.steps;
    index.forEachConcerned(1, 5, () => assert.fail('it changed by more'));
    assert.ok(index.steps - before <= 3);
  });

  test('a member that goes while others are told is not told any more', () => {
    const index = new ConditionIndex<Member>();
    const both = asked({ gt: 0 });
    const members = [{ name: 0 }, { name: 1 }];
    for (const member of members) index.add(both, member);
    const told: number[] = [];
    index.forEachConcerned(0, 1, ({ name }) => {
      told.push(name);
      index.remove(both, members[1 - name]!);
    });
    assert.deepEqual(told, [0]);
  });
});

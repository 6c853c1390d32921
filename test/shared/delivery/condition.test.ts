import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Condition } from '../../../src/shared/delivery/condition.js';
import { checkCondition, MAX_CONDITION_DEPTH, meets } from '../../../src/shared/delivery/condition.js';
import { InvalidOptionsError } from '../../../src/shared/errors.js';
import type { VariableValue } from '../../../src/shared/values/variable-type.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** [condition, old, new, whether it is met] */
const CASES: readonly (readonly [Condition, VariableValue | undefined, VariableValue, boolean])[] = [
  [{ changedBy: 2 }, 1, 3, true],
  [{ changedBy: 2 }, 3, 1, true],
  [{ changedBy: 2 }, 1, 2.9, false],
  [{ changedBy: 0 }, 1, 1, true],
  [{ changedBy: 2 }, undefined, 9, false],
  [{ changedBy: 2 }, 'a', 9, false],
  [{ changedBy: 2 }, 9, 'a', false],
  [{ changedBy: 1 }, nan, 1, true],
  [{ changedBy: 1 }, 1, nan, true],
  [{ changedBy: 1 }, nan, nan, false],
  [{ changedBy: 1 }, inf, inf, false],
  [{ changedBy: 1 }, inf, -inf, true],
  [{ changedBy: 1 }, 1, inf, true],
  [{ changedBy: inf }, 1, inf, true],
  [{ changedBy: inf }, 1, 2, false],
  [{ changedBy: 2 }, 2n ** 70n, 2n ** 70n + 2n, true],
  [{ changedBy: 2 }, 2n ** 70n, 2n ** 70n + 1n, false],
  [{ changedBy: 0.5 }, 2n ** 70n, 2n ** 70n - 1n, true],
  [{ changedBy: 1 }, 2n ** 53n, 2 ** 53 - 1, true],
  [{ changedBy: 1 }, 2n ** 53n, 1.5, true],
  [{ changedBy: 1 }, nan, 2n ** 53n, true],
  [{ changedBy: 1 }, 2n ** 53n, -inf, true],
  [{ crosses: 30 }, 29, 31, true],
  [{ crosses: 30 }, 31, 29, true],
  [{ crosses: 30 }, 29, 30, true],
  [{ crosses: 30 }, 30, 31, false],
  [{ crosses: 30 }, 28, 29, false],
  [{ crosses: 30 }, undefined, 31, false],
  [{ crosses: 30 }, 29, 2n ** 60n, true],
  [{ crosses: 30 }, '29', '31', false],
  [{ gt: 1 }, undefined, 2, true],
  [{ gt: 1 }, undefined, 1, false],
  [{ gt: 1 }, undefined, nan, false],
  [{ gt: 1 }, undefined, '2', false],
  [{ gt: 'a' }, undefined, 'b', true],
  [{ gt: 'a' }, undefined, 1, false],
  [{ gt: 2n ** 60n }, undefined, inf, true],
  [{ gte: 1 }, undefined, 1, true],
  [{ gte: 1 }, undefined, 1n, true],
  [{ gte: 1 }, undefined, 0, false],
  [{ lt: 1 }, undefined, 0, true],
  [{ lt: 1 }, undefined, 1, false],
  [{ lt: 1 }, undefined, nan, false],
  [{ lte: 1 }, undefined, 1, true],
  [{ lte: 1 }, undefined, true, false],
  [{ eq: nan }, undefined, nan, true],
  [{ eq: 0 }, undefined, -0, true],
  [{ eq: 1 }, undefined, '1', false],
  [{ eq: null }, undefined, 1, false],
  [{ eq: { a: [1] } }, undefined, { a: [1] }, true],
  [{ in: ['a', 2, nan] }, undefined, 'a', true],
  [{ in: ['a', 2, nan] }, undefined, nan, true],
  [{ in: ['a', 2, nan] }, undefined, 'b', false],
  [{ in: [] }, undefined, 1, false],
  [{ not: { gt: 1 } }, undefined, 'text', true],
  [{ and: [{ gt: 1 }, { lt: 5 }] }, undefined, 3, true],
  [{ and: [{ gt: 1 }, { lt: 5 }] }, undefined, 5, false],
  [{ or: [{ lt: 1 }, { gt: 5 }] }, undefined, 3, false],
  [{ or: [{ lt: 1 }, { gt: 5 }] }, undefined, 6, true],
  [{ not: { or: [{ and: [{ gt: 1 }, { not: { eq: 3 } }] }, { eq: 0 }] } }, undefined, 3, true],
];

function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? `'${value}'` : String(value);
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  return `{ ${Object.entries(value)
    .map(([key, inner]) => `${key}: ${show(inner)}`)
    .join(', ')} }`;
}

const numbers = fc.oneof(
  fc.double(),
  fc.integer({ min: -5, max: 5 }),
  fc.bigInt(),
  fc.constantFrom(nan, inf, -inf, 0, -0),
);
const values: fc.Arbitrary<VariableValue> = fc.oneof(
  { weight: 3, arbitrary: numbers },
  fc.string(),
  fc.boolean(),
  fc.constantFrom<VariableValue>({ a: 1 }, [1], Float32Array.of(1)),
);

const { condition: conditions } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ changedBy: fc.double({ min: 0, noNaN: true }) }),
    fc.record({ crosses: fc.double({ noNaN: true }) }),
    fc.record({ gt: fc.oneof(numbers, fc.string()) }),
    fc.record({ gte: fc.oneof(numbers, fc.string()) }),
    fc.record({ lt: fc.oneof(numbers, fc.string()) }),
    fc.record({ lte: fc.oneof(numbers, fc.string()) }),
    fc.record({ eq: fc.option(values) }),
    fc.record({ in: fc.array(fc.oneof(numbers, fc.string(), fc.boolean())) }),
    fc.record({ and: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ or: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie('condition') }),
  ) as fc.Arbitrary<Condition>,
}));

describe('a condition', () => {
  for (const [condition, old, value, isMet] of CASES) {
    test(`${show(condition)} is ${isMet ? '' : 'not '}met by ${show(old)} -> ${show(value)}`, () => {
      assert.equal(meets(checkCondition(condition), old, value), isMet);
    });
  }

  test('gives true or false and never throws, whatever the old and the new value are', () => {
    fc.assert(
      fc.property(conditions, fc.option(values, { nil: undefined }), values, (condition, old, value) => {
        assert.equal(typeof meets(condition, old, value), 'boolean');
      }),
      { numRuns: 1_000 },
    );
  });

  test('and, or and not are what logic says', () => {
    fc.assert(
      fc.property(conditions, conditions, fc.option(values, { nil: undefined }), values, (a, b, old, value) => {
        const [metA, metB] = [meets(a, old, value), meets(b, old, value)];
        assert.equal(meets({ and: [a, b] }, old, value), metA && metB);
        assert.equal(meets({ or: [a, b] }, old, value), metA || metB);
        assert.equal(meets({ not: a }, old, value), !metA);
      }),
    );
  });

  test('crosses is met from both sides or from none', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), numbers, numbers, (line, a, b) => {
        assert.equal(meets({ crosses: line }, a, b), meets({ crosses: line }, b, a));
      }),
    );
  });
});

describe('checkCondition', () => {
  test('gives back every valid condition as it is', () => {
    fc.assert(
      fc.property(conditions, (condition) => {
        assert.equal(checkCondition(condition), condition);
      }),
    );
  });

  const refused: readonly (readonly [input: unknown, sentence: RegExp])[] = [
    [null, /^filter: give a function or a condition .*not null/],
    [[], /not a list/],
    ['gt', /not string/],
    [{}, /^filter: a condition has exactly one of changedBy, .*got none/],
    [{ gt: 1, lt: 2 }, /join several with and\/or \(got gt, lt\)/],
    [{ above: 1 }, /got above/],
    [JSON.parse('{"__proto__":1}'), /got __proto__/],
    [{ changedBy: '1' }, /^filter\.changedBy: give a number from 0, not string/],
    [{ changedBy: -1 }, /^filter\.changedBy: give a number from 0, not -1/],
    [{ changedBy: nan }, /not NaN/],
    [{ crosses: 1n }, /^filter\.crosses: give a number, not bigint/],
    [{ crosses: nan }, /^filter\.crosses/],
    [{ gt: true }, /^filter\.gt: give a number, bigint or string, not boolean/],
    [{ gte: null }, /^filter\.gte/],
    [{ lt: [] }, /^filter\.lt/],
    [{ lte: undefined }, /^filter\.lte/],
    [{ in: 'abc' }, /^filter\.in: give a list of values, not string/],
    [{ and: [] }, /^filter\.and: give a list of at least one condition/],
    [{ or: {} }, /^filter\.or/],
    [{ or: [{ gt: 1 }, { gt: true }] }, /^filter\.or\[1\]\.gt/],
    [{ not: { and: [{ not: 1 }] } }, /^filter\.not\.and\[0\]\.not: .*not 1/],
  ];
  for (const [input, sentence] of refused) {
    test(`refuses ${show(input)} and says where`, () => {
      assert.throws(
        () => checkCondition(input),
        (error) => error instanceof InvalidOptionsError && sentence.test(error.message),
      );
    });
  }

  test('takes conditions as deep as the limit and refuses one more', () => {
    const nested = (depth: number): unknown => {
      let condition: unknown = { gt: 1 };
      for (let level = 0; level < depth; level += 1) condition = { not: condition };
      return condition;
    };
    checkCondition(nested(MAX_CONDITION_DEPTH));
    assert.throws(() => checkCondition(nested(MAX_CONDITION_DEPTH + 1)), /nest deeper than 16/);
  });

  test('refuses a condition that contains itself', () => {
    const condition: { not?: unknown } = {};
    condition.not = condition;
    assert.throws(() => checkCondition(condition), InvalidOptionsError);
  });
});

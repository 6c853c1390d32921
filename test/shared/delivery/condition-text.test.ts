import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Condition } from '../../../src/shared/delivery/condition.js';
import {
  conditionText,
  MAX_CONDITION_BYTES,
  MAX_CONDITION_STEPS,
  parseCondition,
} from '../../../src/shared/delivery/condition-text.js';
import { InvalidArgumentError } from '../../../src/shared/errors.js';

const number = fc.double({ noNaN: true });
const scalar = fc.oneof(
  number,
  fc.bigInt().filter((one) => one > 2n ** 53n || one < -(2n ** 53n)),
  fc.string({ unit: 'grapheme' }),
  fc.boolean(),
);
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    number.map((crosses): Condition => ({ crosses })),
    number.map((least): Condition => ({ changedBy: Math.abs(least) })),
    fc.oneof(number, fc.string({ unit: 'grapheme' })).map((gt): Condition => ({ gt })),
    fc
      .oneof(scalar, fc.constant(null), fc.dictionary(fc.string(), number, { noNullPrototype: true }))
      .map((eq): Condition => ({ eq })),
    fc.array(scalar, { maxLength: 5 }).map((list): Condition => ({ in: list })),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((and): Condition => ({ and })),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((or): Condition => ({ or })),
    tie('condition').map((not): Condition => ({ not })),
  ),
}));

describe('a condition as text', () => {
  test('is read as the condition that was said: every digit, infinities, -0', () => {
    fc.assert(
      fc.property(condition, (given) => {
        const text = conditionText(given);
        assert.ok(text !== undefined);
        const read = parseCondition(text);
        assert.deepEqual(read.condition, given);
        assert.equal(read.text, text);
      }),
    );
    for (const given of [
      { gt: Number.POSITIVE_INFINITY },
      { eq: 2n ** 64n + 1n },
      { in: [2 ** 60, -0] },
    ] as Condition[]) {
      assert.deepEqual(parseCondition(conditionText(given)!).condition, given);
    }
  });

  test('written in another way it is the same text', () => {
    assert.equal(parseCondition(' { "crosses" : 30.0 } ').text, conditionText({ crosses: 30 }));
  });

  test('there is none for what JSON cannot say, and for what is too large', () => {
    const cases: Condition[] = [
      { eq: Number.NaN },
      { in: [1, Number.NaN] },
      { eq: new Float32Array([1]) as never },
      { in: Array.from({ length: MAX_CONDITION_STEPS }, (_, place) => place) },
      { eq: 'x'.repeat(MAX_CONDITION_BYTES) },
    ];
    for (const given of cases) assert.equal(conditionText(given), undefined);
  });

  test('what is no condition, or too large a one, is refused with one sentence and without doing its work', () => {
    const parts = (count: number) => `{"or":[${Array.from({ length: count }, () => '{"gt":1}').join(',')}]}`;
    const cases: [string, RegExp][] = [
      ['', /not valid JSON/],
      ['{"gt":1', /not valid JSON/],
      ['{"gt":1,"lt":2}', /exactly one of/],
      ['{"regex":"a+"}', /exactly one of/],
      ['{"crosses":"30"}', /give a number/],
      ['[]', /a condition such as/],
      [`${'{"not":'.repeat(40)}{"gt":1}${'}'.repeat(40)}`, /deeper than 16/],
      ['['.repeat(16_000), /deeper than/],
      [parts(1_100), /2202 parts/],
      [parts(100_000), /more than 16384 bytes/],
      [`{"gt":${'9'.repeat(10_000)}}`, /digits/],
    ];
    for (const [text, sentence] of cases) {
      assert.throws(
        () => parseCondition(text),
        (error: unknown) => error instanceof InvalidArgumentError && sentence.test(error.message),
        text.slice(0, 60),
      );
    }
  });
});

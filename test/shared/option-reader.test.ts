import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as v from 'valibot';
import { copyOptions, isEmptyOptions, parseOptions } from '../../src/shared/option-reader.js';

const Schema = v.strictObject({
  waitMs: v.optional(v.pipe(v.number(), v.minValue(1)), 5),
  limits: v.optional(v.strictObject({ calls: v.optional(v.number(), 2) }), {}),
});
const parse = (input: unknown): unknown => parseOptions(Schema, input, 'thing');
const refused = (message: string) => ({ code: 'INVALID_OPTIONS', message });

describe('option reader', () => {
  test('what is left out is filled in', () => {
    for (const nothing of [undefined, null, {}]) assert.deepEqual(parse(nothing), { waitMs: 5, limits: { calls: 2 } });
  });

  test('the first option that is wrong is named with what it takes', () => {
    const see = ': see docs/options.md';
    assert.throws(() => parse({ waitMs: 0 }), refused(`thing: waitMs: expected >=1 but received 0${see}`));
    assert.throws(() => parse({ wait: 1 }), refused(`thing: there is no option "wait"${see}`));
    assert.throws(() => parse({ limits: { call: 1 } }), refused(`thing: there is no option "limits.call"${see}`));
  });

  test('what is no plain object holds no options', () => {
    assert.throws(() => parse('options'), refused('thing: the options: give a plain object, not a string'));
    assert.throws(() => parse(new Map()), refused('thing: the options: give a plain object, not a Map'));
    assert.throws(() => parse({ limits: [] }), refused('thing: limits: give a plain object, not a list'));
  });

  test('each option is read once, and what cannot be read is said', () => {
    let reads = 0;
    const counting = {
      get waitMs() {
        reads += 1;
        return 7;
      },
    };
    assert.deepEqual(copyOptions(counting, 'thing'), { waitMs: 7 });
    assert.deepEqual(parse(counting), { waitMs: 7, limits: { calls: 2 } });
    assert.equal(reads, 2);
    const throwing = {
      get waitMs() {
        throw new Error('no');
      },
    };
    assert.throws(() => parse(throwing), /^InvalidOptionsError: thing: the options cannot be read/);
  });

  test('only what has no options is empty', () => {
    assert.deepEqual(
      [undefined, {}, Object.create(null), { waitMs: 1 }, null, [], new Map()].map((input) =>
        isEmptyOptions(input, 'thing'),
      ),
      [true, true, true, false, false, false, false],
    );
  });
});

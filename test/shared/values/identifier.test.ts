import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidNameError } from '../../../src/shared/errors.js';
import { checkName, compileWildcard, isWildcard } from '../../../src/shared/values/identifier.js';

const refusal = (name: unknown): string => {
  try {
    checkName(name as string);
  } catch (error) {
    assert.ok(error instanceof InvalidNameError);
    return error.message;
  }
  return 'accepted';
};

describe('names', () => {
  for (const name of [
    'a',
    'fan speed',
    'größe',
    '😀'.repeat(256),
    '__proto__',
    'constructor',
    'a*b?',
    '\u00a0',
    'x'.repeat(256),
  ]) {
    test(`${JSON.stringify(name.slice(0, 20))} is a name`, () => assert.equal(refusal(name), 'accepted'));
  }

  for (const [name, expected] of [
    ['', /is empty: give 1 to 256 characters/],
    ['x'.repeat(257), /is too long: give at most 256 characters/],
    ['x'.repeat(10_000_000), /is too long/],
    ['a\u0000', /"a\\u0000" holds a control character \(U\+0000\)/],
    ['a\nb', /control character \(U\+000A\)/],
    ['\u007f', /control character \(U\+007F\)/],
    ['\u0085', /control character \(U\+0085\)/],
    ['a\ud800', /half of a surrogate pair/],
    ['\udc00a', /half of a surrogate pair/],
    [undefined, /is a string, not undefined/],
    [null, /is a string, not null/],
    [7, /is a string, not 7/],
  ] as const) {
    test(`${JSON.stringify(name)?.slice(0, 20)} is refused in a short sentence`, () => {
      assert.match(refusal(name), expected);
      assert.ok(refusal(name).length < 200);
    });
  }
});

describe('wildcards', () => {
  /** By definition, step by step over characters; exponential, so for small inputs. */
  const fits = (pattern: readonly string[], name: readonly string[]): boolean => {
    const [step, ...steps] = pattern;
    if (step === undefined) return name.length === 0;
    if (step === '*') return fits(steps, name) || (name.length > 0 && fits(pattern, name.slice(1)));
    return name.length > 0 && (step === '?' || step === name[0]) && fits(steps, name.slice(1));
  };

  test('a name fits exactly when the definition says so', () => {
    const of = (...characters: string[]): fc.Arbitrary<string> =>
      fc.array(fc.constantFrom(...characters), { maxLength: 8 }).map((chosen) => chosen.join(''));
    fc.assert(
      fc.property(of('a', 'b', '😀', '*', '?'), of('a', 'b', '😀', '*'), (pattern, name) => {
        assert.equal(compileWildcard(pattern)(name), fits([...pattern], [...name]));
      }),
      { numRuns: 20_000 },
    );
  });

  test('long texts between stars are found wherever they begin', () => {
    const long = fc.array(fc.constantFrom('a', 'a', 'a', 'b', '?'), { minLength: 17, maxLength: 80 });
    const letters = fc.array(fc.constantFrom('a', 'a', 'a', 'b', '😀'), { maxLength: 60 });
    fc.assert(
      fc.property(long, letters, letters, fc.boolean(), (segment, before, behind, isThere) => {
        const found = segment.map((step) => (step === '?' ? '😀' : step));
        const name = [...before, ...(isThere ? found : []), ...behind];
        const at = (start: number) => segment.every((step, place) => step === '?' || step === name[start + place]);
        const expected = name.some((_, start) => start + segment.length <= name.length && at(start));
        assert.equal(compileWildcard(`*${segment.join('')}*`)(name.join('')), expected);
      }),
      { numRuns: 3_000 },
    );
  });

  test('without a wildcard only the name itself fits', () => {
    const matches = compileWildcard('a.b');
    assert.ok(matches('a.b'));
    assert.ok(!matches('axb') && !matches('a.bc') && !matches(''));
  });

  test('? is one character, also one of two units', () => {
    const matches = compileWildcard('?');
    assert.ok(matches('😀') && matches('a'));
    assert.ok(!matches('') && !matches('aa'));
  });

  test('hostile patterns take no exponential time', () => {
    const name = 'a'.repeat(256);
    assert.ok(!compileWildcard(`${'*a'.repeat(120)}*b`)(name));
    assert.ok(!compileWildcard(`${'*'.repeat(1_000_000)}b`)(name));
    assert.ok(!compileWildcard(`*${'a'.repeat(127)}b`)(name));
    assert.ok(!compileWildcard('?'.repeat(1_000_000))(name));
  });

  test('a text is a wildcard when it has a star or a question mark', () => {
    assert.ok(isWildcard('a*') && isWildcard('?'));
    assert.ok(!isWildcard('') && !isWildcard('a.b'));
  });
});

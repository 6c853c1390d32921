import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvalidConstraintError } from '../../../src/shared/errors.js';
import { compilePattern } from '../../../src/shared/values/pattern-matcher.js';

const compile = (source: string) => compilePattern(source, 'variable "name"');

test('a pattern is found anywhere unless it is anchored', () => {
  assert.ok(compile('b').matches('abc'));
  assert.ok(!compile('^b').matches('abc'));
  assert.ok(compile('^[a-z0-9_-]{3,32}$').matches('hello-world'));
  assert.ok(!compile('^[a-z0-9_-]{3,32}$').matches('Hello'));
});

test('$ is the very end, not the place before a last line break', () => {
  assert.ok(!compile('a$').matches('a\n'));
});

test('a character is a code point', () => {
  assert.ok(compile('^.$').matches('😀'));
});

describe('hostile patterns', () => {
  test('nested repetition ends on 50,000 characters', () => {
    assert.equal(compile('^(a+)+$').matches(`${'a'.repeat(50_000)}!`), false);
  });

  for (const [name, source, reason] of [
    ['lookahead', '(?=a)b', /use RE2 syntax/],
    ['lookbehind', '(?<=a)b', /use RE2 syntax/],
    ['backreference', '(a)\\1', /use RE2 syntax/],
    ['an open group', '(a', /missing closing/],
    ['a million copies', '((a{100}){100}){100}', /too large/],
    ['copies of copies', '(?:a{0,1000}){1}'.repeat(60), /too large/],
    ['copies behind a class with a bracket', `[]({]${'.{0,1000}'.repeat(90)}`, /too large/],
    ['copies behind a quote', `\\Q[\\E${'.{0,1000}'.repeat(90)}`, /too large/],
    ['copies behind an escaped bracket', `\\[${'.{0,1000}'.repeat(90)}`, /too large/],
    ['copies behind a class name', `[[:alpha:]]${'\\p{L}{0,1000}'.repeat(70)}`, /too large/],
    ['a long text many times', `(?:${'abcdefghij'.repeat(90)}){1000}`, /too large/],
    ['a thousand and one characters', 'a'.repeat(1001), /has 1001 characters: give at most 1000/],
  ] as const) {
    test(`${name} is refused`, () => {
      assert.throws(
        () => compile(source),
        (error: unknown) =>
          error instanceof InvalidConstraintError &&
          error.message.startsWith('variable "name": pattern "') &&
          reason.test(error.message),
      );
    });
  }

  test('the larger the pattern, the shorter the text that it is tried on', () => {
    assert.ok(compile('^[a-z]+$').longestText > 100_000);
    const large = compile('[ab].{900}[cd]').longestText;
    assert.ok(large >= 1000 && large < 10_000, `${large}`);
  });

  test('the largest text of a large pattern ends', () => {
    const pattern = compile('[^\\pL]{0,900}[xz]');
    assert.equal(pattern.matches('1'.repeat(pattern.longestText)), false);
  });
});

test('the size of ordinary patterns is no obstacle', () => {
  for (const source of [
    '^[a-z]{1,1000}$',
    '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?(Z|[+-]\\d{2}:\\d{2})$',
    '^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\\.[A-Za-z]{2,63}$',
    '(?i)^(alpha|beta|gamma)[[:digit:]]*$',
    '^(?P<host>[\\w.-]+):(?P<port>\\d{1,5})$',
    '{',
    'a{,5}',
  ]) {
    compile(source);
  }
});

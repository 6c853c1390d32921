import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkFirstVersion,
  checkNextVersion,
  checkTtlMs,
  LAST_VERSION,
  MAX_FIRST_VERSION,
} from '../../../src/shared/state/registration-numbers.js';

const refused = { code: 'INVALID_ARGUMENT', message: /^variable "fan"/ };
const subject = 'variable "fan"';

test('a ttl is a whole number of ms from 0', () => {
  for (const ttlMs of [0, 1, Number.MAX_SAFE_INTEGER]) checkTtlMs(ttlMs, subject);
  for (const ttlMs of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    assert.throws(() => checkTtlMs(ttlMs, subject), refused, String(ttlMs));
  }
});

test('a first version leaves room for sets', () => {
  for (const version of [1, 1_000, MAX_FIRST_VERSION]) checkFirstVersion(version, subject);
  for (const version of [0, -1, 1.5, Number.NaN, MAX_FIRST_VERSION + 1, Number.MAX_SAFE_INTEGER]) {
    assert.throws(() => checkFirstVersion(version, subject), refused, String(version));
  }
});

test('no version is beyond what a double counts exactly, that of a deletion neither', () => {
  checkNextVersion(LAST_VERSION - 1, subject);
  assert.throws(() => checkNextVersion(LAST_VERSION, subject), refused);
  assert.ok(Number.isSafeInteger(LAST_VERSION + 1));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidValueError } from '../../../src/shared/errors.js';
import { copyMetadata, EMPTY_METADATA, ownValue, putOwn, withoutKeys } from '../../../src/shared/values/metadata.js';

const hostile = (): Record<string, string> =>
  JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>;

test('the copy is frozen, shares nothing, and holds every key whatever its name', () => {
  const given = { ...hostile(), by: 'me' };
  putOwn(given, '__proto__', 'a');
  const copy = copyMetadata(given, 'v');
  given.by = 'you';
  assert.equal(copy.by, 'me');
  assert.deepEqual(Object.keys(copy).sort(), ['__proto__', 'by', 'constructor']);
  assert.ok(Object.isFrozen(copy));
  assert.equal(Object.getPrototypeOf(copy), Object.prototype);
});

test('nothing and an empty map are the same empty metadata', () => {
  assert.equal(copyMetadata(undefined, 'v'), EMPTY_METADATA);
  assert.equal(copyMetadata({}, 'v'), EMPTY_METADATA);
});

test('what is not a map of strings is refused, naming the key', () => {
  assert.throws(() => copyMetadata({ a: 1 }, 'variable "v"'), {
    name: 'InvalidValueError',
    message: /metadata "a" is number/,
  });
  assert.throws(() => copyMetadata(['a'] as unknown as Record<string, unknown>, 'v'), InvalidValueError);
  assert.throws(() => copyMetadata('a' as unknown as Record<string, unknown>, 'v'), InvalidValueError);
});

test('more entries than a server takes are refused', () => {
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, place) => [`k${place}`, '']));
  assert.equal(Object.keys(copyMetadata(many(16_384), 'v')).length, 16_384);
  assert.throws(() => copyMetadata(many(16_385), 'v'), { code: 'INVALID_ARGUMENT' });
});

test('keys are taken out of a copy, and the same object comes back when there is none', () => {
  const metadata = copyMetadata({ source: 's', by: 'me' }, 'v');
  assert.deepEqual(withoutKeys(metadata, ['source']), { by: 'me' });
  assert.equal(withoutKeys(metadata, ['x']), metadata);
  assert.equal(withoutKeys(metadata, ['source', 'by']), EMPTY_METADATA);
  assert.deepEqual(Object.keys(withoutKeys(copyMetadata(hostile(), 'v'), ['constructor'])), ['__proto__']);
});

test('an inherited property is no value', () => {
  assert.equal(ownValue(EMPTY_METADATA, 'constructor'), undefined);
  assert.equal(ownValue(copyMetadata(hostile(), 'v'), '__proto__'), 'a');
});

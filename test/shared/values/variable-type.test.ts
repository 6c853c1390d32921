import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvalidTypeError } from '../../../src/shared/errors.js';
import { OpaqueBinary, parseVariableType, VARIABLE_TYPES } from '../../../src/shared/values/variable-type.js';

describe('parseVariableType', () => {
  test('each of the ten types is itself', () => {
    assert.equal(VARIABLE_TYPES.length, 10);
    for (const type of VARIABLE_TYPES) assert.equal(parseVariableType(type), type);
  });

  for (const text of ['', 'Float', 'double', 'float ', 'snakepit.float', '__proto__', 'toString']) {
    test(`the type ${JSON.stringify(text)} is refused by a sentence that names the ten`, () => {
      assert.throws(
        () => parseVariableType(text),
        (error: unknown) =>
          error instanceof InvalidTypeError &&
          error.message.startsWith(`type ${JSON.stringify(text)} is unknown`) &&
          VARIABLE_TYPES.every((type) => error.message.includes(type)),
      );
    });
  }
});

test('the fields of an opaque binary cannot be replaced', () => {
  const binary = new OpaqueBinary('{}', Uint8Array.of(1));
  assert.throws(() => Object.assign(binary, { header: 'x' }), TypeError);
});

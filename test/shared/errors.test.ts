import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  BridgeError,
  ERROR_CLASSES,
  errorFromWire,
  errorToWire,
  InternalError,
  SessionNotFoundError,
  UnavailableError,
  VariablesNotFoundError,
} from '../../src/shared/errors.js';

describe('the error classes', () => {
  for (const errorClass of ERROR_CLASSES) {
    test(`${errorClass.name} crosses a port with its class, code, sentence and details`, () => {
      const error = new errorClass('it broke', { details: { identifiers: ['fan'] } });

      const back = errorFromWire(structuredClone(errorToWire(error)));

      assert.equal(back.constructor, errorClass);
      assert.ok(back instanceof BridgeError && back instanceof Error);
      assert.equal(back.name, errorClass.name);
      assert.deepEqual([back.code, back.message, back.details], [error.code, 'it broke', { identifiers: ['fan'] }]);
    });
  }

  test('have a code each, and no two the same', () => {
    const codes = ERROR_CLASSES.map((errorClass) => new errorClass('').code);
    assert.equal(new Set(codes).size, ERROR_CLASSES.length);
    for (const code of codes) assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
  });
});

describe('an error', () => {
  test('keeps its cause, and has none when it was given none', () => {
    const cause = new Error('cut');
    assert.equal(new UnavailableError('gone', { cause }).cause, cause);
    assert.equal('cause' in new UnavailableError('gone'), false);
  });

  test('of a code that this version does not know stays a BridgeError with that code', () => {
    const error = errorFromWire({ code: 'LATER', message: 'it is new' });
    assert.equal(error.constructor, BridgeError);
    assert.deepEqual([error.code, error.message, error.details], ['LATER', 'it is new', {}]);
  });

  test('from the other side has what this side knows as its cause', () => {
    const cause = new Error('status 14');
    assert.equal(errorFromWire({ code: 'UNAVAILABLE', message: 'gone' }, cause).cause, cause);
  });

  test('crosses a port with the code and sentence of each cause, ours as our class', () => {
    const socket = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', secret: 'x' });
    const inner = new UnavailableError('no server', { cause: socket });
    const back = errorFromWire(structuredClone(errorToWire(new InternalError('failed', { cause: inner }))));
    const [first, second] = [back.cause, (back.cause as Error).cause] as [UnavailableError, NodeJS.ErrnoException];
    assert.ok(first instanceof UnavailableError && first.message === 'no server');
    assert.ok(second instanceof Error && second.code === 'ECONNREFUSED' && second.message === 'connect ECONNREFUSED');
    assert.equal('secret' in second, false);
    assert.equal('cause' in second, false);
  });

  test('takes five causes along, 500 characters of each, and none of a cycle more', () => {
    const cycle = new InternalError('x'.repeat(10_000));
    Object.assign(cycle, { cause: cycle });
    let depth = 0;
    for (let one: unknown = errorFromWire(errorToWire(cycle)).cause; one !== undefined; one = (one as Error).cause) {
      depth += 1;
      assert.equal((one as Error).message.length, 500);
    }
    assert.equal(depth, 5);
  });

  test('of any code, __proto__ and constructor too, comes back with that code', () => {
    const code = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'toString'));
    fc.assert(
      fc.property(code, fc.string(), (given, message) => {
        const error = errorFromWire({ code: given, message });
        assert.deepEqual([error.code, error.message], [given, message]);
      }),
    );
  });

  test('that is none of ours crosses a port as an internal one that says what it was', () => {
    assert.deepEqual(errorToWire(new TypeError('x is not a function')), {
      code: 'INTERNAL',
      message: 'TypeError: x is not a function',
    });
    assert.deepEqual(errorToWire('thrown text'), { code: 'INTERNAL', message: 'thrown text' });
    assert.deepEqual(errorToWire(undefined), { code: 'INTERNAL', message: 'undefined' });
    assert.ok(errorFromWire(errorToWire(null)) instanceof InternalError);
  });
});

test('missing variables are all named, in the sentence and as data', () => {
  const error = VariablesNotFoundError.of(['fan', 'lamp']);
  assert.deepEqual(error.identifiers, ['fan', 'lamp']);
  assert.match(error.message, /^Variable not found: fan, lamp/);
  assert.deepEqual(new VariablesNotFoundError('gone').identifiers, []);
});

test('a missing session is named', () => {
  assert.match(SessionNotFoundError.of('home').message, /^Session not found: home/);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  AlreadyExistsError,
  ConstraintViolationError,
  DeadlineExceededError,
  ERROR_CLASSES,
  errorFromWire,
  InvalidArgumentError,
  PermissionDeniedError,
  ProtocolError,
  QuotaExceededError,
  SessionNotFoundError,
  UnauthenticatedError,
  UnavailableError,
  UnsupportedError,
  VariablesNotFoundError,
  VersionConflictError,
} from '../../../src/shared/errors.js';
import { codeOfSentence, errorFromStatus, STATUS, statusOfCode } from '../../../src/shared/wire/status.js';

describe('the status of an error', () => {
  for (const errorClass of ERROR_CLASSES) {
    const { code } = new errorClass('');
    test(`with the trailer ${code} is ${errorClass.name} again, with its sentence, details and cause`, () => {
      const cause = new Error('status');
      const details = { identifiers: ['fan'] };
      const error = errorFromStatus(statusOfCode(code), 'it broke', code, details, cause);
      assert.equal(error.constructor, errorClass);
      assert.deepEqual([error.message, error.details, error.cause], ['it broke', details, cause]);
    });
  }

  test('is INTERNAL for a code that has none, whatever it is called', () => {
    const own = new Set(ERROR_CLASSES.map((errorClass) => new errorClass('').code));
    const codes = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'toString', 'INTERNAL', 'LATER'));
    fc.assert(
      fc.property(codes, (code) => {
        if (!own.has(code) || code === 'INTERNAL') assert.equal(statusOfCode(code), STATUS.INTERNAL);
      }),
    );
  });

  test('is never OK and never one that gRPC does not know', () => {
    for (const errorClass of ERROR_CLASSES) {
      const status = statusOfCode(new errorClass('').code);
      assert.ok(status !== STATUS.OK && (Object.values(STATUS) as number[]).includes(status));
    }
  });
});

describe('a status without a trailer', () => {
  const cases: readonly (readonly [status: number, sentence: string, errorClass: unknown])[] = [
    [STATUS.INVALID_ARGUMENT, 'bad', InvalidArgumentError],
    [STATUS.NOT_FOUND, 'Variable not found: fan', VariablesNotFoundError],
    [STATUS.NOT_FOUND, 'session not found: home', VariablesNotFoundError],
    [STATUS.ALREADY_EXISTS, 'there', AlreadyExistsError],
    [STATUS.PERMISSION_DENIED, 'no', PermissionDeniedError],
    [STATUS.UNAUTHENTICATED, 'who', UnauthenticatedError],
    [STATUS.RESOURCE_EXHAUSTED, 'too many', QuotaExceededError],
    [STATUS.RESOURCE_EXHAUSTED, 'Received message larger than max (5 vs. 4)', QuotaExceededError],
    [STATUS.ABORTED, 'version', VersionConflictError],
    [STATUS.FAILED_PRECONDITION, 'version', VersionConflictError],
    [STATUS.UNIMPLEMENTED, 'no method', UnsupportedError],
    [STATUS.DEADLINE_EXCEEDED, 'late', DeadlineExceededError],
    [STATUS.UNAVAILABLE, 'gone', UnavailableError],
    [STATUS.CANCELLED, 'cut', UnavailableError],
    [STATUS.INTERNAL, 'odd', ProtocolError],
    [STATUS.UNKNOWN, 'odd', ProtocolError],
    [99, 'odd', ProtocolError],
  ];
  for (const [status, sentence, errorClass] of cases) {
    test(`${status} with "${sentence}" is ${(errorClass as { name: string }).name}`, () => {
      const error = errorFromStatus(status, sentence, undefined);
      assert.equal(error.constructor, errorClass);
      assert.equal(error.message, sentence);
    });
  }
});

describe('a refusal in words alone', () => {
  const cases: readonly (readonly [sentence: string, errorClass: unknown])[] = [
    ['Session not found: home', SessionNotFoundError],
    ['Variable not found: fan', VariablesNotFoundError],
    ['variable fan already exists', AlreadyExistsError],
    ['already registered', AlreadyExistsError],
    ['Version conflict', VersionConflictError],
    ['version mismatch: 3', VersionConflictError],
    ['expected version 3', VersionConflictError],
    ['constraint min violated', ConstraintViolationError],
    ['a version of something', InvalidArgumentError],
    ['', InvalidArgumentError],
  ];
  for (const [sentence, errorClass] of cases) {
    test(`"${sentence}" is ${(errorClass as { name: string }).name}`, () => {
      assert.equal(errorFromWire({ code: codeOfSentence(sentence), message: sentence }).constructor, errorClass);
    });
  }
});

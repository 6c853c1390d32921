import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  failureOf,
  isFullDisk,
  SqliteFileError,
  sentenceOf,
} from '../../../../src/server/engine/sqlite/sqlite-failure.js';

describe('sqlite failure', () => {
  test('what a driver or the system says of an error is one of four failures', () => {
    const cases: [object, string][] = [
      [Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 }), 'full'],
      [Object.assign(new Error('write'), { code: 'ENOSPC' }), 'full'],
      [Object.assign(new Error('write'), { code: 'EDQUOT' }), 'full'],
      [Object.assign(new Error('locked'), { code: 'SQLITE_BUSY' }), 'in-use'],
      // An extended code: the low byte says which it is.
      [Object.assign(new Error('busy'), { errcode: 5 + 256 }), 'in-use'],
      [Object.assign(new Error('file is not a database'), { errcode: 26 }), 'format'],
      [Object.assign(new Error('database disk image is malformed'), { errcode: 11 }), 'format'],
      [Object.assign(new Error('permission denied'), { code: 'EACCES' }), 'unavailable'],
    ];
    for (const [error, failure] of cases) assert.equal(failureOf(error), failure, sentenceOf(error));
    assert.deepEqual(cases.map(([error]) => isFullDisk(error)).filter(Boolean).length, 3);
  });

  test('a failure that is known stays what it is, whatever its sentence says', () => {
    const error = new SqliteFileError('unknown', 'the disk is full: SQLITE_FULL', new Error('cause'));
    assert.equal(failureOf(error), 'unknown');
    assert.equal((error.cause as Error).message, 'cause');
  });

  test('what is thrown and no error is a sentence too', () => {
    assert.deepEqual([sentenceOf('text'), sentenceOf(new Error('said'))], ['text', 'said']);
  });
});

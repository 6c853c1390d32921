import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { passesByItself, redisRefusalOf } from '../../../../../src/server/engine/redis/connection/redis-refusal.js';
import { EngineFormatError } from '../../../../../src/shared/errors.js';

describe('what Redis says where it does not do what it is asked', () => {
  // As Redis 7.0 says it, and 6.2 of what failed inside a script.
  const said: readonly (readonly [string, ReturnType<typeof redisRefusalOf>])[] = [
    ['FENCED 0123abcd', 'fenced'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'full'],
    ['MISCONF Redis is configured to save RDB snapshots', 'full'],
    ['LOADING Redis is loading the dataset in memory', 'later'],
    ["READONLY You can't write against a read only replica.", 'elsewhere'],
    ['MASTERDOWN Link with MASTER is down', 'elsewhere'],
    ['MOVED 1307 127.0.0.1:7001', 'moved'],
    ['TRYAGAIN Multiple keys request during rehashing of slot', 'moved'],
    ['CLUSTERDOWN Hash slot not served', 'later'],
    ['NOREPLICAS Not enough good replicas to write.', 'later'],
    ['NOAUTH Authentication required.', 'denied'],
    ["NOPERM User default has no permissions to run the 'evalsha' command", 'denied'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value script: ab, on @user_script:3.', 'foreign'],
    ['ERR user_script:12: attempt to index a nil value', 'broken'],
    ['ERR Error running script (call to f_ab): @user_script:12: @user_script: 12: -OOM command not allowed', 'full'],
    ['ERR Error running script (call to f_ab): @user_script:3: WRONGTYPE Operation against a key', 'foreign'],
    ['ERR Error running script (call to f_ab): @user_script:3: attempt to index a nil value', 'broken'],
  ];
  for (const [message, refusal] of said) {
    test(`${refusal}: ${message}`, () => assert.equal(redisRefusalOf(replyError(message)), refusal));
  }

  test('is nothing where it did not answer', () => {
    assert.equal(redisRefusalOf(new Error('OOM of another kind')), undefined);
    assert.equal(redisRefusalOf('OOM'), undefined);
  });
});

describe('what fails while Redis is opened', () => {
  const passing = [
    ...['ECONNREFUSED', 'ENOTFOUND', 'ECONNRESET', 'ETIMEDOUT'].map((code) => Object.assign(new Error(code), { code })),
    ...['Connection is closed.', 'Socket timeout.'].map((message) => new Error(message)),
    ...['LOADING', 'MASTERDOWN', 'READONLY', 'CLUSTERDOWN', 'MISCONF', 'OOM'].map((code) => replyError(`${code} why`)),
    replyError('ERR max number of clients reached'),
  ];
  for (const error of passing) {
    test(`passes by itself: ${error.message}`, () => assert.equal(passesByItself(error), true));
  }
  const staying = [
    ...['WRONGPASS', 'NOAUTH', 'NOPERM', 'WRONGTYPE', 'ERR'].map((code) => replyError(`${code} why`)),
    Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    Object.assign(new Error('permission denied'), { code: 'EACCES' }),
    new Error('Unknown RESP type 72 "H". Please report this.'),
    new EngineFormatError('of a newer format'),
  ];
  for (const error of staying) {
    test(`stays until somebody mends it: ${error.message}`, () => assert.equal(passesByItself(error), false));
  }
});

/** As the client for Redis names what was answered. */
function replyError(message: string): Error {
  const error = new Error(message);
  error.name = 'ReplyError';
  return error;
}

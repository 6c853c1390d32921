import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERROR_CLASSES } from '../../../src/shared/errors.js';
import { STATUS, statusOfCode } from '../../../src/shared/wire/status.js';
import { isPermanentForConnection, verdictOf } from '../../../src/workers/connection/failure-verdict.js';

const of = (code: string, wasLive: boolean) => verdictOf({ trailer: code, status: statusOfCode(code), wasLive });
const bare = (status: number, wasLive: boolean) => verdictOf({ trailer: undefined, status, wasLive });

describe('a stream that its server refused', () => {
  test('for its arguments or its credentials is not opened again, whether it was live or not', () => {
    for (const code of [
      'INVALID_ARGUMENT',
      'INVALID_NAME',
      'UNAUTHENTICATED',
      'PERMISSION_DENIED',
      'MESSAGE_TOO_LARGE',
    ]) {
      for (const wasLive of [true, false]) assert.equal(of(code, wasLive), 'permanent', code);
    }
  });

  test('for want of room or of its variables is told at once at first, and opened again when it was live', () => {
    for (const code of ['QUOTA_EXCEEDED', 'VARIABLE_NOT_FOUND']) {
      assert.deepEqual([of(code, false), of(code, true)], ['permanent', 'retry'], code);
    }
  });

  test('because its session is not there is opened again in a session that is joined again', () => {
    assert.deepEqual([of('SESSION_NOT_FOUND', false), of('SESSION_NOT_FOUND', true)], ['rejoin', 'rejoin']);
  });

  test('because it drains returns with everything else of the connection', () => {
    assert.equal(of('UNAVAILABLE', false), 'reconnect');
  });

  test('because it was slow is opened again alone', () => {
    assert.equal(of('SLOW_STREAM', true), 'retry');
  });

  test('by a code that this version does not know is judged by its status', () => {
    const unknown = (status: number, wasLive: boolean) => verdictOf({ trailer: 'NEW_CODE', status, wasLive });
    assert.equal(unknown(STATUS.INVALID_ARGUMENT, true), 'permanent');
    assert.equal(unknown(STATUS.RESOURCE_EXHAUSTED, true), 'retry');
    assert.equal(unknown(STATUS.UNAVAILABLE, true), 'reconnect');
  });
});

describe('a status without a trailer', () => {
  test('that a lost connection may have is taken for one', () => {
    for (const status of [STATUS.OK, STATUS.CANCELLED, STATUS.UNKNOWN, STATUS.INTERNAL, STATUS.UNAVAILABLE]) {
      assert.deepEqual([bare(status, false), bare(status, true)], ['reconnect', 'reconnect']);
    }
  });

  test('that only a server gives is permanent at first', () => {
    for (const status of [STATUS.NOT_FOUND, STATUS.RESOURCE_EXHAUSTED, STATUS.UNAUTHENTICATED, STATUS.UNIMPLEMENTED]) {
      assert.equal(bare(status, false), 'permanent');
    }
    assert.equal(bare(STATUS.RESOURCE_EXHAUSTED, true), 'retry');
    assert.equal(bare(STATUS.UNAUTHENTICATED, true), 'permanent');
  });
});

test('waiting makes no credentials right: a connection refused for them is not tried again', () => {
  assert.ok(isPermanentForConnection('UNAUTHENTICATED') && isPermanentForConnection('PERMISSION_DENIED'));
  assert.ok(!isPermanentForConnection('UNAVAILABLE') && !isPermanentForConnection('QUOTA_EXCEEDED'));
});

test('the table of docs/errors.md says the verdict of each code that a server sends', () => {
  const page = readFileSync(fileURLToPath(new URL('../../../../docs/errors.md', import.meta.url)), 'utf8');
  const sent = ERROR_CLASSES.map((errorClass) => new errorClass('').code).filter(
    (code) => statusOfCode(code) !== STATUS.INTERNAL || code === 'INTERNAL',
  );
  for (const code of sent.filter((one) => page.includes(`\n| \`${one}\` | `))) {
    assert.ok(
      page.includes(`\n| \`${code}\` | ${of(code, false)} | ${of(code, true)} |`),
      `${code} is not in the table as it is decided`,
    );
  }
  assert.ok(page.includes('\n| `QUOTA_EXCEEDED` | permanent | retry |'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Access } from '../../src/server/access.js';
import { PermissionDeniedError, UnauthenticatedError } from '../../src/shared/errors.js';

const token = fc.string({
  minLength: 1,
  maxLength: 20,
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
});

test('without tokens everybody may call', () => {
  const access = new Access(undefined);
  assert.equal(access.isOpen, true);
  access.check(undefined);
  access.check('nonsense');
});

test('each listed token opens, whatever the case of the scheme', () => {
  fc.assert(
    fc.property(fc.array(token, { minLength: 1, maxLength: 5 }), (tokens) => {
      const access = new Access(tokens);
      for (const known of tokens) {
        access.check(`Bearer ${known}`);
        access.check(`bearer  ${known}`);
      }
    }),
  );
});

test('a token opens the sessions that it names and no other; which it was is not said', () => {
  const access = new Access(['all', { token: 'some', sessions: ['team-*', 'shared'] }]);
  for (const session of ['team-a', 'shared', 'x', '']) access.check('Bearer all').check(session);
  const grant = access.check('Bearer some');
  for (const session of ['team-', 'team-a', 'shared', '']) grant.check(session);
  for (const session of ['team', 'shared2', 'x', '*']) {
    assert.throws(
      () => grant.check(session),
      (error) => error instanceof PermissionDeniedError && !error.message.includes(session === '*' ? 'some' : session),
    );
  }
});

test('a token that is not listed is refused', () => {
  fc.assert(
    fc.property(fc.array(token, { minLength: 1, maxLength: 5 }), token, (tokens, guess) => {
      fc.pre(!tokens.includes(guess));
      assert.throws(() => new Access(tokens).check(`Bearer ${guess}`), UnauthenticatedError);
    }),
  );
});

test('a part or a repetition of a token is refused', () => {
  const access = new Access(['abab']);
  for (const guess of ['ab', 'aba', 'ababab', 'abababab', 'ABAB']) {
    assert.throws(() => access.check(`Bearer ${guess}`), UnauthenticatedError, guess);
  }
});

test('no header and another scheme are refused with what to send', () => {
  const access = new Access(['secret']);
  assert.throws(() => access.check(undefined), /send the header "authorization: Bearer TOKEN"/);
  for (const header of ['', 'secret', 'Basic secret', 'Bearer', 'Bearer ', 'Bearer a b']) {
    assert.throws(() => access.check(header), UnauthenticatedError, header);
  }
});

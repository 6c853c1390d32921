import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTokenFile } from '../../src/cli/token-file.js';
import { UsageError } from '../../src/cli/usage-error.js';

test('a line is a token and the sessions that it opens; comments and empty lines say nothing', () => {
  const text = '# operators\nfirst\r\n\n  second   team-a team-b*  \n#third\n';
  assert.deepEqual(parseTokenFile(text, 'f'), ['first', { token: 'second', sessions: ['team-a', 'team-b*'] }]);
});

test('a JSON list says the same, also of sessions with spaces', () => {
  const list = ['first', { token: 'second', sessions: ['team a', '?'] }];
  assert.deepEqual(parseTokenFile(`\n ${JSON.stringify(list)}`, 'f'), list);
});

test('what is no such file is refused by a sentence that names the place and no secret', () => {
  for (const text of [
    '',
    '# nothing\n',
    '["s3cret"',
    '[7]',
    '[{"token":"s3cret"}]',
    '[{"token":"s3cret","sessions":[]}]',
    '[{"token":"s3cret","sessions":[1]}]',
    '["s3cret é"]',
    's3crét',
    '[null]',
    `s3cret${'x'.repeat(2_000)}`,
  ]) {
    assert.throws(
      () => parseTokenFile(text, 'tokens.txt'),
      (error) => error instanceof UsageError && error.message.includes('tokens.txt') && !/s3cr/.test(error.message),
      text,
    );
  }
});

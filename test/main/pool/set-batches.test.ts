import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SetBatch } from '../../../src/main/pool/set-batches.js';
import { WorkerError } from '../../../src/shared/errors.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';

const NOTHING = { places: [], versions: [], errors: [] };

test('a batch says by columns what was asked, and leaves out what nobody gave', () => {
  const plain = new SetBatch(3, 'me');
  void plain.add('a', 1, EMPTY_METADATA, 0);
  assert.deepEqual(plain.command(8), {
    ...{ kind: 'sets', id: 8, bridge: 3, identifiers: ['a'], values: [1], source: 'me' },
    ...{ metadata: undefined, expectedVersions: undefined },
  });
  void plain.add('b', 'x', { trace: '1' }, 0);
  void plain.add('c', true, EMPTY_METADATA, 4);
  const { metadata, expectedVersions } = plain.command(8);
  assert.deepEqual(metadata, [{}, { trace: '1' }, {}]);
  assert.deepEqual(expectedVersions, [0, 0, 4]);
});

test('each set settles by its own result, once, in any order', async () => {
  const batch = new SetBatch(1, '');
  const sets = ['a', 'b', 'c'].map((name) => batch.add(name, 1, EMPTY_METADATA, 0));
  const results = { kind: 'set-results', id: 1, ...NOTHING } as const;
  const error = { code: 'INVALID_VALUE', message: 'no' };
  batch.handleResults({ ...results, places: [2, 0], versions: [0, 5], errors: [error] });
  batch.handleResults({ ...results, places: [0], versions: [6], errors: [] });
  assert.equal(await sets[0], 5);
  await assert.rejects(sets[2]!, { code: 'INVALID_VALUE' });
  assert.equal(batch.isSettled, false);
  const gone = new WorkerError('gone');
  batch.fail(gone);
  await assert.rejects(sets[1]!, gone);
  assert.ok(batch.isSettled);
});

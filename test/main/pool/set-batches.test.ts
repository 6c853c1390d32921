import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldChanges } from '../../../src/main/pool/held-changes.js';
import { SetBatch } from '../../../src/main/pool/set-batches.js';
import { WorkerError } from '../../../src/shared/errors.js';
import type { SetResults } from '../../../src/shared/port/replies.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';

const NOTHING = { places: [], versions: [], errors: [] };

test('a batch says by columns what was asked, and leaves out what nobody gave', () => {
  const plain = new SetBatch(3, 'me', new HeldChanges());
  void plain.add('a', 1, EMPTY_METADATA, 0);
  assert.deepEqual(plain.command(8), {
    ...{ kind: 'sets', id: 8, bridge: 3, identifiers: ['a'], values: [1], source: 'me' },
    ...{ metadata: undefined, expectedVersions: undefined, batches: [] },
  });
  void plain.add('b', 'x', { trace: '1' }, 0);
  void plain.add('c', true, EMPTY_METADATA, 4);
  const { metadata, expectedVersions } = plain.command(8);
  assert.deepEqual(metadata, [{}, { trace: '1' }, {}]);
  assert.deepEqual(expectedVersions, [0, 0, 4]);
});

test('each set settles by its own result, once, in any order', async () => {
  const batch = new SetBatch(1, '', new HeldChanges());
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

const resultsOf = (versions: readonly number[], codes: readonly string[]): SetResults => ({
  ...{ kind: 'set-results', id: 1, places: [...versions.keys()], versions: [...versions] },
  errors: codes.map((code) => ({ code, message: 'no' })),
});

const VALUES = [
  ['a', 1],
  ['b', 2],
] as const;

test('the sets of one batch are settled together: what was refused is named, and what is not to blame is not', async () => {
  for (const [versions, codes, refused] of [
    [[5, 6], [], []],
    [[0, 6], ['INVALID_VALUE'], ['a']],
    [[0, 0], ['BATCH_REFUSED', 'VERSION_CONFLICT'], ['b']],
    [
      [0, 0],
      ['INVALID_VALUE', 'CONSTRAINT_VIOLATION'],
      ['a', 'b'],
    ],
    [[0, 6], ['UNAVAILABLE'], ['a']],
  ] as const) {
    const batch = new SetBatch(1, '', new HeldChanges());
    const result = batch.addBatch(VALUES, EMPTY_METADATA, false);
    assert.deepEqual(batch.command(1).batches, [{ from: 0, upTo: 2, atomic: false }]);
    batch.handleResults(resultsOf(versions, codes));
    const made = await result;
    assert.deepEqual(
      made.versions,
      VALUES.flatMap(([name], place) => (versions[place]! > 0 ? [[name, versions[place]]] : [])),
    );
    assert.deepEqual(
      made.refused.map(([name]) => name),
      refused,
    );
  }
});

test('a batch fails as a whole by what was about none of its sets, and when nobody knows what became of one', async () => {
  for (const [atomic, versions, codes, code] of [
    [false, [5, 0], ['UNKNOWN_OUTCOME'], 'UNKNOWN_OUTCOME'],
    [true, [0, 0], ['UNKNOWN_OUTCOME', 'UNAVAILABLE'], 'UNKNOWN_OUTCOME'],
    [false, [0, 0], ['UNAVAILABLE', 'UNAVAILABLE'], 'UNAVAILABLE'],
    [true, [0, 0], ['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED'], 'QUOTA_EXCEEDED'],
  ] as const) {
    const batch = new SetBatch(1, '', new HeldChanges());
    const result = batch.addBatch(VALUES, EMPTY_METADATA, atomic);
    batch.handleResults(resultsOf(versions, codes));
    await assert.rejects(result, { code });
  }
});

test('batches and single sets of a turn keep their order in one command', () => {
  const batch = new SetBatch(1, '', new HeldChanges());
  void batch.add('first', 1, EMPTY_METADATA, 0);
  void batch.addBatch(VALUES, { trace: '1' }, true);
  void batch.add('last', 1, EMPTY_METADATA, 0);
  const { identifiers, batches, metadata } = batch.command(1);
  assert.deepEqual(identifiers, ['first', 'a', 'b', 'last']);
  assert.deepEqual(batches, [{ from: 1, upTo: 3, atomic: true }]);
  assert.deepEqual(metadata, [{}, { trace: '1' }, { trace: '1' }, {}]);
});

test('what waits is bounded: one set more is refused alone, a batch as a whole, and there is room again when others are answered', async () => {
  const batch = new SetBatch(1, '', new HeldChanges(10_000));
  const first = batch.add('a', 'x'.repeat(3_000), EMPTY_METADATA, 0);
  await assert.rejects(batch.add('b', 'x'.repeat(3_000), EMPTY_METADATA, 0), { code: 'QUOTA_EXCEEDED' });
  await assert.rejects(
    batch.addBatch(
      [
        ['c', 1],
        ['d', 'x'.repeat(3_000)],
      ],
      EMPTY_METADATA,
      false,
    ),
    { code: 'QUOTA_EXCEEDED' },
  );
  assert.deepEqual(batch.command(1).identifiers, ['a']);
  assert.deepEqual(batch.command(1).batches, []);
  batch.handleResults({ kind: 'set-results', id: 1, places: [0], versions: [5], errors: [] });
  assert.equal(await first, 5);
  assert.ok(batch.isSettled);
  void batch.add('e', 'x'.repeat(30_000), EMPTY_METADATA, 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkReader } from '../../../src/shared/wire/link-reader.js';
import { ROW } from '../../../src/shared/wire/link-row.js';
import { LinkWriter } from '../../../src/shared/wire/link-writer.js';
import { UpdateMessage, updateValue } from '../../../src/shared/wire/update-message.js';
import { fillUpdate } from '../../../src/workers/transport/link-update.js';
import type { Addressed, LinkedFeed } from '../../../src/workers/transport/linked-feeds.js';

test('a row becomes an update of the variable that its handle stands for, and a deletion says why', () => {
  const writer = new LinkWriter();
  const announcement = { feed: 1, id: 'v1', name: 'fan', type: 'integer', identifiers: ['v1'] };
  const update = {
    ...{ row: ROW.CHANGE, handle: 0, announcement, version: 7, versionBefore: 4, revision: 9, timestamp: 5 },
    ...{ source: 'me', custom: { trace: '1' }, missed: 2, reason: '', more: true },
  } as const;
  writer.update(update, 'integer', 42, { encoded: undefined });
  const gone = { ...update, row: ROW.DELETED, announcement: undefined, version: 8, versionBefore: 7, missed: 0 };
  writer.update({ ...gone, reason: 'expired', more: false }, 'integer', undefined, { encoded: undefined });
  const reader = new LinkReader(writer.take());
  const addressed: Addressed = { linked: {} as LinkedFeed, announcement, version: 7 };
  assert.ok(reader.next());
  const change = new UpdateMessage();
  fillUpdate(change, reader, addressed);
  assert.deepEqual(
    [change.updateType, change.variableId, change.name, change.version, change.missed, change.more, change.revision],
    ['value_change', 'v1', 'fan', 7, 2, true, 9],
  );
  assert.deepEqual([change.identifiers, change.source, change.custom], [['v1'], 'me', { trace: '1' }]);
  assert.equal(updateValue(change), 42);
  assert.ok(reader.next());
  const deletion = new UpdateMessage();
  fillUpdate(deletion, reader, { ...addressed, version: 8 });
  assert.deepEqual([deletion.updateType, deletion.version, deletion.reason], ['deleted', 8, 'expired']);
});

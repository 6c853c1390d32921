import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../../src/shared/errors.js';
import { KeptFeeds } from '../../../src/workers/transport/kept-feeds.js';

class Noting {
  readonly told: string[] = [];

  handleKept(variableId: string, version: number): void {
    this.told.push(`${variableId} ${version}`);
  }
}

test('what was kept out is told to each feed of the variable that is still there', () => {
  const kept = new KeptFeeds<Noting>((feed, id, version) => feed.handleKept(id, version));
  const [a, b, c] = [new Noting(), new Noting(), new Noting()];
  for (const feed of [a, b, b]) kept.add('v1', feed);
  for (const feed of [b, c]) kept.add('v2', feed);
  kept.handle({ number: 0, id: 'v1', version: 5 });
  kept.handle({ number: 1, id: 'v2', version: 7 });
  kept.remove(b);
  kept.handle({ number: 0, id: undefined, version: 6 });
  kept.handle({ number: 1, id: undefined, version: 8 });
  assert.deepEqual(
    [a.told, b.told, c.told],
    [
      ['v1 5', 'v1 6'],
      ['v1 5', 'v2 7'],
      ['v2 7', 'v2 8'],
    ],
  );
  for (const feed of [a, b, c]) kept.remove(feed);
  assert.ok(kept.isEmpty);
  kept.handle({ number: 0, id: 'v3', version: 1 });
});

test('a number that was not said, and a version that is none, are refused', () => {
  const kept = new KeptFeeds<Noting>((feed, id, version) => feed.handleKept(id, version));
  assert.throws(() => kept.handle({ number: 3, id: undefined, version: 1 }), ProtocolError);
  for (const version of [Number.NaN, 1.5, Number.POSITIVE_INFINITY]) {
    assert.throws(() => kept.handle({ number: 3, id: 'v', version }), ProtocolError);
  }
});

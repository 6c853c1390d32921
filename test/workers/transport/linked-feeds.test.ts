import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { forEachListener } from '../../../src/shared/one-or-many.js';
import type { CarriedFeed } from '../../../src/workers/transport/carrier.js';
import type { LinkedFeed } from '../../../src/workers/transport/linked-feeds.js';
import { LinkedFeeds } from '../../../src/workers/transport/linked-feeds.js';
import type { FeedRequest } from '../../../src/workers/watch/resume-request.js';

const feed = (): CarriedFeed => ({}) as CarriedFeed;
const request = (...identifiers: string[]): FeedRequest => ({
  ...{ identifiers, patterns: [], resume: undefined, resumeEpoch: '' },
  ...{ waitForMissing: false, wantsMark: false, unseenAreInitial: false, keepsBatches: false },
});
const heard = (linked: LinkedFeed): CarriedFeed[] => {
  const all: CarriedFeed[] = [];
  forEachListener(linked, (one) => all.push(one));
  return all;
};
const at = (linked: LinkedFeed, version: number): void => {
  const announcement = { feed: linked.number, id: 'v1', name: 'a', type: 'float', identifiers: undefined };
  linked.only = { linked, announcement, version };
};

describe('feeds of a link', () => {
  test('are joined by who asks for the same before they are registered, and by nobody else', () => {
    const feeds = new LinkedFeeds();
    const [a, b, c, d] = [feed(), feed(), feed(), feed()];
    const first = feeds.join(a, request('a'));
    assert.deepEqual([first.isNew, feeds.join(b, request('a')).linked === first.linked], [true, true]);
    assert.ok(feeds.join(c, { ...request('a'), fromRevision: 3 }).isNew, 'from another place on');
    feeds.handleRegistered(first.linked, 5);
    assert.ok(feeds.join(d, request('a')).isNew, 'it has missed what that said at first');
    assert.deepEqual(heard(first.linked), [a, b]);
    assert.equal(feeds.size, 4);
  });

  test('that ask for much are not compared', () => {
    const feeds = new LinkedFeeds();
    const names = Array.from({ length: 20 }, (_, place) => `v${place}`);
    assert.ok(feeds.join(feed(), request(...names)).isNew);
    assert.ok(feeds.join(feed(), request(...names)).isNew);
  });

  test('of one variable become one when the later has come as far, and not before', () => {
    const feeds = new LinkedFeeds();
    const [a, b] = [feed(), feed()];
    const { linked: first } = feeds.join(a, request('a'));
    feeds.handleRegistered(first, 1);
    at(first, 7);
    assert.equal(feeds.share(first), undefined);
    const { linked: late } = feeds.join(b, request('a'));
    feeds.handleRegistered(late, 2);
    at(late, 6);
    assert.equal(feeds.share(late), undefined);
    at(late, 7);
    assert.equal(feeds.share(late), late);
    assert.deepEqual([late.stage, feeds.find(late.number)], ['over', undefined]);
    assert.deepEqual(heard(first), [a, b]);
    assert.equal(feeds.of(b), first);
  });

  test('go with the last that hears them, or with all', () => {
    const feeds = new LinkedFeeds();
    const [a, b] = [feed(), feed()];
    const { linked } = feeds.join(a, request('a'));
    feeds.join(b, request('a'));
    assert.equal(feeds.leave(a), undefined);
    assert.equal(feeds.leave(a), undefined);
    assert.equal(feeds.leave(b), linked);
    const { linked: next, isNew } = feeds.join(a, request('a'));
    assert.ok(isNew);
    feeds.join(b, request('a'));
    assert.deepEqual(feeds.end(next), [a, b]);
    assert.deepEqual([feeds.size, next.stage], [0, 'over']);
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { feedRequest } from '../../../src/workers/watch/resume-request.js';
import { VariableFeed } from '../../../src/workers/watch/variable-feed.js';

const seen = (identifier: string, version: number, epoch: string, variableId: string) =>
  new VariableFeed(identifier, 0, { version, epoch, variableId, last: undefined });
const OPTIONS = {
  patterns: [],
  epochBefore: '',
  position: undefined,
  waitForMissing: false,
  awaitsInitial: false,
  keepsBatches: false,
  serverEpoch: 'e1',
};

describe('the request of a feed', () => {
  test('that has everything up to a revision names no versions', () => {
    const position = { epoch: 'e1', revision: 9 };
    const gone = seen('door', 3, 'e1', 'v3');
    gone.isGone = true;
    const feeds = [seen('fan', 7, 'e1', 'v1'), gone];
    const { identifiers, resume, fromRevision, wantsMark } = feedRequest(feeds, { ...OPTIONS, position });
    assert.deepEqual([identifiers, resume, fromRevision, wantsMark], [['fan'], undefined, 9, true]);
    const patterns = feedRequest(feeds, { ...OPTIONS, position, patterns: ['f*'] });
    assert.deepEqual([patterns.identifiers, patterns.fromRevision], [[], 9]);
    for (const other of [
      new VariableFeed('new', 0, undefined),
      seen('lamp', 1, 'e0', 'v2'),
      seen('x', 1, 'e1.1', 'v4'),
      seen('v5', 1, 'e1', 'v5'),
    ]) {
      assert.equal(feedRequest([...feeds, other], { ...OPTIONS, position }).fromRevision, undefined);
    }
    const elsewhere = feedRequest(feeds, { ...OPTIONS, position: { epoch: 'e0', revision: 9 } });
    assert.deepEqual([elsewhere.fromRevision, elsewhere.resume], [undefined, { v1: 7 }]);
  });

  test('that has seen nothing asks for its variables as they are', () => {
    const request = feedRequest([new VariableFeed('fan', 0, undefined)], OPTIONS);
    assert.deepEqual([request.identifiers, request.resume, request.wantsMark], [['fan'], undefined, false]);
  });

  test('that goes on names the last version of each variable, and leaves out what is gone', () => {
    const gone = seen('lamp', 3, 'e1', 'v2');
    gone.isGone = true;
    const request = feedRequest([seen('fan', 7, 'e1', 'v1'), gone, new VariableFeed('door', 0, undefined)], OPTIONS);
    assert.deepEqual(request.identifiers, ['fan', 'door']);
    assert.deepEqual([request.resume, request.resumeEpoch, request.wantsMark], [{ v1: 7 }, 'e1', true]);
  });

  test('over versions of two epochs resumes those of its server, and waits for the others', () => {
    const feeds = [seen('lamp', 7, 'e0', 'v2'), seen('fan', 7, 'e1', 'v1'), seen('door', 1, 'e', 'v3')];
    const { identifiers, resume, resumeEpoch, waitForMissing } = feedRequest(feeds, OPTIONS);
    assert.deepEqual([identifiers, resume, resumeEpoch], [['lamp', 'fan', 'door'], { v1: 7 }, 'e1']);
    assert.equal(waitForMissing, true);
    const lost = feedRequest([feeds[0]!, feeds[2]!], OPTIONS);
    assert.deepEqual([lost.resume, lost.resumeEpoch, lost.waitForMissing], [{ v2: 7 }, 'e0', true]);
  });

  test('over versions of two eras, or of no epoch, does not resume', () => {
    assert.equal(feedRequest([seen('fan', 7, 'e1', 'v1'), seen('lamp', 7, 'e1.1', 'v2')], OPTIONS).resume, undefined);
    assert.equal(feedRequest([seen('fan', 7, '', 'v1')], OPTIONS).resume, undefined);
  });

  test('that was never in step, and wants initial values, says so of what it has not seen by pattern, or waits for', () => {
    const feeds = [seen('fan', 7, 'e1', 'v1'), new VariableFeed('door', 0, undefined)];
    const awaiting = { ...OPTIONS, awaitsInitial: true };
    assert.equal(feedRequest(feeds, { ...awaiting, patterns: ['*'] }).unseenAreInitial, true);
    assert.equal(feedRequest(feeds, { ...awaiting, waitForMissing: true }).unseenAreInitial, true);
    assert.equal(feedRequest(feeds, { ...OPTIONS, patterns: ['*'] }).unseenAreInitial, false);
    const fresh = { ...awaiting, patterns: ['*'], epochBefore: '' };
    assert.equal(feedRequest([], fresh).unseenAreInitial, false);
    assert.equal(feedRequest([], { ...fresh, epochBefore: 'e1' }).unseenAreInitial, true);
  });

  test('to a server that lost its state waits for what is not there yet', () => {
    assert.equal(feedRequest([seen('fan', 7, 'e0', 'v1')], OPTIONS).waitForMissing, true);
    assert.equal(feedRequest([seen('fan', 7, 'e1.2', 'v1')], OPTIONS).waitForMissing, false);
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnavailableError } from '../../src/shared/errors.js';
import { TurnReplies } from '../../src/workers/turn-replies.js';

test('watches that open one after the other are three replies together: live, registered, in step', () => {
  const replies = new TurnReplies();
  for (const number of [1, 2, 3]) {
    replies.state(number, 'live', undefined);
    replies.done(10 + number);
    replies.add({ kind: 'synced', subscriptions: [number] });
  }
  assert.deepEqual(replies.take(), [
    { kind: 'state', subscriptions: [1, 2, 3], state: 'live', error: undefined },
    { kind: 'done', ids: [11, 12, 13] },
    { kind: 'synced', subscriptions: [1, 2, 3] },
  ]);
  assert.equal(replies.isEmpty, true);
});

test('no step of a watch overtakes an earlier one of it', () => {
  const replies = new TurnReplies();
  // One was open before: it only comes in step.
  replies.add({ kind: 'synced', subscriptions: [1] });
  replies.state(2, 'live', undefined);
  replies.done(12);
  replies.add({ kind: 'synced', subscriptions: [2] });
  assert.deepEqual(
    replies.take().map(({ kind }) => kind),
    ['synced', 'state', 'done', 'synced'],
  );
});

test('what is told in between is overtaken by nothing', () => {
  const replies = new TurnReplies();
  replies.state(1, 'live', undefined);
  replies.add({ kind: 'synced', subscriptions: [1] });
  replies.state(1, 'backoff', new UnavailableError('gone'));
  replies.state(1, 'live', undefined);
  replies.add({ kind: 'synced', subscriptions: [1] });
  replies.add({ kind: 'ended', subscription: 1, error: undefined });
  replies.done(11);
  assert.deepEqual(
    replies.take().map((reply) => (reply.kind === 'state' ? reply.state : reply.kind)),
    ['live', 'synced', 'backoff', 'live', 'synced', 'ended', 'done'],
  );
});

test('one turn begins its replies anew', () => {
  const replies = new TurnReplies();
  replies.state(1, 'live', undefined);
  replies.done(11);
  const first = replies.take();
  replies.done(12);
  assert.deepEqual(replies.take(), [{ kind: 'done', ids: [12] }]);
  assert.deepEqual(first.at(-1), { kind: 'done', ids: [11] });
});

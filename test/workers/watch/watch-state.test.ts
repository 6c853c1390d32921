import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InternalError, UnavailableError } from '../../../src/shared/errors.js';
import type { FeedState } from '../../../src/workers/watch/watch-state.js';
import { checkMove, isOver } from '../../../src/workers/watch/watch-state.js';

const cause = new UnavailableError('gone');
const STATES: readonly FeedState[] = [
  { name: 'connecting' },
  { name: 'live' },
  { name: 'stale' },
  { name: 'backoff', cause },
  { name: 'open-circuit', cause },
  { name: 'draining', cause },
  { name: 'stopped' },
  { name: 'failed', error: cause },
];

function mayMove(from: FeedState, to: FeedState): boolean {
  try {
    checkMove(from, to);
    return true;
  } catch (error) {
    assert.ok(error instanceof InternalError);
    return false;
  }
}

const namesAfter = (from: FeedState): string[] => STATES.filter((to) => mayMove(from, to)).map(({ name }) => name);

describe('a stream', () => {
  for (const from of STATES) {
    test(`that is ${from.name} ${isOver(from) ? 'stays so' : 'can always stop, fail and wait'}`, () => {
      const reachable = namesAfter(from);
      if (isOver(from)) assert.deepEqual(reachable, []);
      else
        for (const name of ['stopped', 'failed', 'backoff', 'open-circuit', 'draining'])
          assert.ok(reachable.includes(name), name);
    });
  }

  test('becomes live only from connecting, or when a stale one is heard again', () => {
    assert.deepEqual(
      STATES.filter((from) => namesAfter(from).includes('live')).map(({ name }) => name),
      ['connecting', 'stale'],
    );
  });

  test('becomes stale only from live: one that waits is known to be silent', () => {
    assert.deepEqual(
      STATES.filter((from) => namesAfter(from).includes('stale')).map(({ name }) => name),
      ['live'],
    );
  });

  test('that waits for its connection goes on waiting or connects, and is not live at once', () => {
    for (const from of STATES.filter(
      ({ name }) => name === 'backoff' || name === 'open-circuit' || name === 'draining',
    )) {
      assert.deepEqual(namesAfter(from), ['connecting', 'backoff', 'open-circuit', 'draining', 'stopped', 'failed']);
    }
  });

  test('that makes a move which is not in the table says from where to where', () => {
    assert.throws(() => checkMove({ name: 'stopped' }, { name: 'live' }), /from stopped to live/);
  });
});

test('only what stopped or failed is over', () => {
  assert.deepEqual(
    STATES.filter(isOver).map(({ name }) => name),
    ['stopped', 'failed'],
  );
});

/** States of one feed and their legal moves. Path: watch feed -> [watch state] -> the watch's `state`. */
import { assert } from '../../shared/assert.js';
import type { BridgeError } from '../../shared/errors.js';
import type { StreamStateName } from '../../shared/port/stream-states.js';

export type FeedState =
  /** Opened, and not yet registered by the server. */
  | { readonly name: 'connecting' }
  | { readonly name: 'live' }
  /** Registered, and silent for longer than the watch allows. */
  | { readonly name: 'stale' }
  /** Waits for its connection to be tried again. */
  | { readonly name: 'backoff'; readonly cause: BridgeError }
  | { readonly name: 'open-circuit'; readonly cause: BridgeError }
  /** The server is going away and has said so. */
  | { readonly name: 'draining'; readonly cause: BridgeError }
  /** By its watcher's wish, or because no variable is left. */
  | { readonly name: 'stopped' }
  | { readonly name: 'failed'; readonly error: BridgeError };

/** The same of all that are in them: a watch keeps none of its own. */
export const CONNECTING: FeedState = { name: 'connecting' };
export const LIVE: FeedState = { name: 'live' };
export const STALE: FeedState = { name: 'stale' };

export const isOver = (state: FeedState): boolean => state.name === 'stopped' || state.name === 'failed';

/** @throws InternalError for a move that is not in the table */
export function checkMove(from: FeedState, to: FeedState): void {
  assert(MOVES[from.name].includes(to.name), `a stream does not go from ${from.name} to ${to.name}`);
}

const WAITING: readonly StreamStateName[] = ['backoff', 'open-circuit', 'draining', 'connecting', 'stopped', 'failed'];

const MOVES: Readonly<Record<StreamStateName, readonly StreamStateName[]>> = {
  connecting: ['live', 'backoff', 'open-circuit', 'draining', 'stopped', 'failed'],
  // The circuit may be open already: a stream can outlive the attempts that failed for others.
  live: ['stale', 'backoff', 'open-circuit', 'draining', 'stopped', 'failed'],
  stale: ['live', 'backoff', 'open-circuit', 'draining', 'stopped', 'failed'],
  backoff: WAITING,
  'open-circuit': WAITING,
  draining: WAITING,
  stopped: [],
  failed: [],
};

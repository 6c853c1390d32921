/** States of a stream, as users see them, and what they are together. Path: worker -> [stream states] -> watch. */

export type StreamStateName =
  | 'connecting'
  | 'live'
  | 'stale'
  | 'backoff'
  | 'open-circuit'
  | 'draining'
  | 'stopped'
  | 'failed';

/** The state of a watch whose parts are in these: the one that needs most attention. */
export function joinStates(states: readonly StreamStateName[]): StreamStateName {
  for (const state of BY_ATTENTION) if (states.includes(state)) return state;
  return 'stopped';
}

const BY_ATTENTION: readonly StreamStateName[] = [
  'failed',
  'open-circuit',
  'backoff',
  'draining',
  'connecting',
  'stale',
  'live',
  'stopped',
];

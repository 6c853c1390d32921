/**
 * Opening what may be away. Path: redis engine, local engine -> [open when there] -> their attempts. Where the server waits, what passes by itself is
 * tried again until it has passed; what does not pass ends it at once. Closed: the server's signal ends the wait with the last failure.
 */
import { Backoff } from '../../shared/resilience/backoff.js';
import { systemRandom } from '../../shared/system-clock.js';
import { pause } from '../within.js';

export interface Attempts<T> {
  /** From the beginning: what the one before had opened is closed. */
  readonly attempt: () => Promise<T>;
  readonly passes: (error: unknown) => boolean;
  /** It is tried again after this failure. */
  readonly handleAway: (error: unknown) => void;
}

/** @throws what an attempt throws: any without `waiting`, else what does not pass, and the last one when `waiting` is aborted */
export async function openWhenThere<T>(
  waiting: AbortSignal | undefined,
  { attempt, passes, handleAway }: Attempts<T>,
): Promise<T> {
  for (let backoff = new Backoff(BACKOFF); ; backoff = backoff.next()) {
    try {
      return await attempt();
    } catch (error) {
      if (waiting === undefined || waiting.aborted || !passes(error)) throw error;
      handleAway(error);
      await pause(backoff.delayMs(systemRandom), waiting);
      if (waiting.aborted) throw error;
    }
  }
}

/** Of a start: whoever started it looks at it. */
const BACKOFF = { baseMs: 100, factor: 2, capMs: 2_000, jitter: 0.2, spreadMs: 100 };

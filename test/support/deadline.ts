/** Waiting in tests as the suites do, each with a deadline of its own: for an event, never for time, and never for ever. */
import { until as untilItHolds, within as withinTime } from '../../src/testing/within.js';

/** The promise's result, or an error that names what did not come within `ms`. */
export function within<T>(ms: number, promise: PromiseLike<T>, what = 'it'): Promise<T> {
  return withinTime(promise, what, ms);
}

/** Resolves once `holds` does; for what no event tells, such as a counter. */
export function until(ms: number, holds: () => boolean, what: string): Promise<void> {
  return untilItHolds(holds, what, ms);
}

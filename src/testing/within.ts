/** Waiting in the suites: for an event, never for time, and never for ever. */
import { clearTimeout, performanceNowMs, setImmediate, setTimeout } from '../shared/platform-timers.js';

/** Enough for a busy machine: a promise that is kept is kept long before. */
export const DEADLINE_MS = 10_000;

/** Between two questions of `until`: nobody notices that it comes so much later. */
const LONGEST_PAUSE_MS = 20;

/** The promise's result, or an error that names what did not come. */
export async function within<T>(promise: PromiseLike<T>, what: string, ms = DEADLINE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Resolves once `holds` does, asked again and again, less and less often: what it asks may be another process that is to get on meanwhile.
 * For what no event tells, such as a counter.
 */
export async function until(holds: () => boolean | Promise<boolean>, what: string, ms = DEADLINE_MS): Promise<void> {
  const deadlineMs = performanceNowMs() + ms;
  for (let pauseMs = 1; !(await holds()); pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    if (performanceNowMs() > deadlineMs) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Resolves when the event loop has gone round. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

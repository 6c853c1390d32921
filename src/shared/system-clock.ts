/** The real clock and the real dice. */
import { randomUUID } from 'node:crypto';
import type { Clock, Random } from './clock.js';
import { performanceNowMs, timeOriginMs } from './platform-timers.js';

/** Ms since 1970 with microseconds behind the point; monotonic within a process, unlike Date.now. */
export const systemClock: Clock = {
  nowMs: () => timeOriginMs + performanceNowMs(),
};

export const systemRandom: Random = {
  next: () => Math.random(),
};

export function randomId(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '').slice(0, 20)}`;
}

/** The real clock and the real dice. */
import { randomUUID } from 'node:crypto';
import type { Clock, Random } from './clock.js';

/** Ms since 1970 with microseconds behind the point; monotonic within a process, unlike Date.now. */
export const systemClock: Clock = {
  nowMs: () => performance.timeOrigin + performance.now(),
};

export const systemRandom: Random = {
  next: () => Math.random(),
};

export function randomId(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '').slice(0, 20)}`;
}

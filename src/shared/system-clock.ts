/** The real clock and the real dice. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock, Random } from './clock.js';
import { dateNowMs, performanceNowMs, timeOriginMs } from './platform-timers.js';
import { WallClock } from './wall-clock.js';

/** One time for all threads of a process; it began as ms since 1970, and is them no longer once the system's clock is set anew. */
const nowMs = (): number => timeOriginMs + performanceNowMs();
const wallClock = new WallClock(nowMs, dateNowMs);

export const systemClock: Clock = {
  nowMs,
  wallAtMs: (atMs) => wallClock.at(atMs),
};

export const systemRandom: Random = {
  next: () => Math.random(),
};

export function randomId(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '').slice(0, 20)}`;
}

/** 16 bytes that no other link of the world has. */
export function randomLinkId(): Uint8Array {
  return new Uint8Array(randomBytes(16));
}

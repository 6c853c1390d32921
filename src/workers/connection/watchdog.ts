/**
 * Looks at every connection of a state at a steady pace. Path: timer -> [watchdog] -> liveness -> probe, or `handleDead`.
 * Closed: looks no more. A thread that stood still judges nobody before it has read what came meanwhile.
 */
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import { systemClock } from '../../shared/system-clock.js';
import type { PooledChannel } from '../transport/channel-pool.js';
import type { LivenessLimits } from './liveness.js';
import { livenessOf, sweepMs } from './liveness.js';

/** Whose connections they are. */
export interface WatchdogOwner {
  channels(): readonly PooledChannel[];
  livenessLimits(): LivenessLimits;
  /** Asks the peer for a sign of life. */
  probe(channel: PooledChannel): void;
  handleDead(channel: PooledChannel): void;
}

export class Watchdog {
  readonly #deadlines: Deadlines;
  readonly #owner: WatchdogOwner;
  readonly #sweep = deadlineOf((nowMs) => this.#handleSweep(nowMs));
  #sweptAtMs = 0;
  #isClosed = false;

  constructor(deadlines: Deadlines, owner: WatchdogOwner) {
    this.#deadlines = deadlines;
    this.#owner = owner;
  }

  /** Begins, or begins anew where the limits have changed. */
  start(): void {
    if (this.#isClosed) return;
    const nowMs = systemClock.nowMs();
    this.#sweptAtMs = nowMs;
    this.#deadlines.schedule(this.#sweep, nowMs + sweepMs(this.#owner.livenessLimits()));
  }

  close(): void {
    this.#isClosed = true;
    this.#deadlines.cancel(this.#sweep);
  }

  #handleSweep(nowMs: number): void {
    const limits = this.#owner.livenessLimits();
    const isLate = nowMs - this.#sweptAtMs > 2 * sweepMs(limits) + LATE_MS;
    for (const channel of isLate ? [] : this.#owner.channels()) {
      if (channel.isReady) channel.wantedSinceMs = 0;
      switch (livenessOf(channel, nowMs, limits)) {
        case 'fine':
          break;
        case 'probe':
          channel.probedAtMs = nowMs;
          this.#owner.probe(channel);
          break;
        case 'dead':
          this.#owner.handleDead(channel);
      }
    }
    this.start();
  }
}

/** A sweep that comes so much later than it should was held up. */
const LATE_MS = 500;

/**
 * When the variables of a session expire that have a time to live: so long after their last set. Path: session -> [variable expiries] -> session. A set
 * writes one number; what is due looks at it. Full, away: one that cannot be kept is tried again. Closed: nothing expires any more.
 */
import { BridgeError } from '../shared/errors.js';
import type { Variable } from '../shared/state/variable.js';
import type { Deadline, DeadlineSchedule } from '../shared/timer-wheel.js';
import type { Kept } from './engine/engine.js';

export interface ExpiryHost {
  /** Throws BridgeError, or rejects with it, where that is refused. */
  delete(name: string, reason: 'expired', nowMs: number): Kept<void>;
}

export class VariableExpiries {
  readonly #deadlines: DeadlineSchedule;
  readonly #host: ExpiryHost;
  readonly #expiries = new Map<Variable, Expiry>();

  constructor(deadlines: DeadlineSchedule, host: ExpiryHost) {
    this.#deadlines = deadlines;
    this.#host = host;
  }

  get size(): number {
    return this.#expiries.size;
  }

  /** Nothing for one without a time to live. */
  add(variable: Variable, nowMs: number): void {
    if (variable.ttlMs > 0) this.#expiries.set(variable, new Expiry(variable, this.#deadlines, this.#host, nowMs));
  }

  /** It was set. */
  renew(variable: Variable, nowMs: number): void {
    this.#expiries.get(variable)?.renew(nowMs);
  }

  /** It has gone. */
  forget(variable: Variable): void {
    this.#expiries.get(variable)?.cancel();
    this.#expiries.delete(variable);
  }

  close(): void {
    for (const expiry of this.#expiries.values()) expiry.cancel();
    this.#expiries.clear();
  }
}

class Expiry implements Deadline {
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly #variable: Variable;
  readonly #deadlines: DeadlineSchedule;
  readonly #host: ExpiryHost;
  #expiresAtMs: number;

  constructor(variable: Variable, deadlines: DeadlineSchedule, host: ExpiryHost, nowMs: number) {
    this.#variable = variable;
    this.#deadlines = deadlines;
    this.#host = host;
    this.#expiresAtMs = nowMs + variable.ttlMs;
    deadlines.schedule(this, this.#expiresAtMs);
  }

  renew(nowMs: number): void {
    this.#expiresAtMs = nowMs + this.#variable.ttlMs;
  }

  cancel(): void {
    this.#deadlines.cancel(this);
  }

  async handleDeadline(nowMs: number): Promise<void> {
    if (nowMs < this.#expiresAtMs) {
      this.#deadlines.schedule(this, this.#expiresAtMs);
      return;
    }
    try {
      // By name: an id could be the name of another.
      await this.#host.delete(this.#variable.name, 'expired', nowMs);
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      // The engine is full, or away; or it went in another way.
      if (!this.#variable.isGone) this.#deadlines.schedule(this, nowMs + RETRY_MS);
    }
  }
}

/** An expiry that could not be kept. */
const RETRY_MS = 1_000;

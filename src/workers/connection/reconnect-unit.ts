/**
 * When the connection of one bridge is tried again: its streams wait together and return together.
 * Path: connection -> [reconnect unit] -> connection. Pure: the connection keeps the timer, `attemptAtMs` says for when.
 * After `breaker.failures` attempts that failed in a row the circuit is open: one probe every `openMs`.
 */
import type { Random } from '../../shared/clock.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { Backoff } from '../../shared/resilience/backoff.js';

export type UnitState =
  | { readonly name: 'connected'; readonly sinceMs: number }
  | { readonly name: 'waiting'; readonly attemptAtMs: number; readonly isCircuitOpen: boolean }
  | { readonly name: 'attempting' }
  /** Refused for good, or tried often enough: the next that wants the connection begins anew. */
  | { readonly name: 'given-up' };

export class ReconnectUnit {
  readonly #config: BridgeConfig;
  #backoff: Backoff;
  #failedAttempts = 0;
  /** As the server said when it went; 0 = it said nothing. */
  #drainSpreadMs = 0;
  #state: UnitState = { name: 'attempting' };

  constructor(config: BridgeConfig) {
    this.#config = config;
    this.#backoff = new Backoff(config.reconnect);
  }

  /** An attempt is under way, or will be by itself. */
  get isTrying(): boolean {
    return this.#state.name === 'waiting' || this.#state.name === 'attempting';
  }

  get state(): UnitState {
    return this.#state;
  }

  /** Failures since the last time that lasted. */
  get failures(): number {
    return this.#backoff.attempt;
  }

  /** True when `maxAttempts` is used up: what waits fails. */
  get isExhausted(): boolean {
    const { maxAttempts } = this.#config.reconnect;
    return maxAttempts > 0 && this.#backoff.attempt >= maxAttempts;
  }

  /** A stream ended that should not have. Returns when to try again; an attempt that is due already stays. */
  handleStreamLost(nowMs: number, random: Random): number {
    const state = this.#state;
    switch (state.name) {
      case 'waiting':
        return state.attemptAtMs;
      case 'attempting':
        return nowMs;
      case 'given-up':
        return this.#wait(nowMs, random);
      case 'connected':
        if (nowMs - state.sinceMs >= this.#config.reconnect.resetAfterMs) this.#backoff = this.#backoff.reset();
        return this.#wait(nowMs, random);
      default:
        return state satisfies never;
    }
  }

  /** The server goes, and many clients with this one lose it: they come back spread over so many ms, at least over what is configured. */
  handleDraining(spreadMs: number): void {
    this.#drainSpreadMs = Math.min(spreadMs, LONGEST_SPREAD_MS);
  }

  handleAttempt(): void {
    this.#state = { name: 'attempting' };
  }

  handleAttemptFailed(nowMs: number, random: Random): number {
    this.#failedAttempts += 1;
    return this.#wait(nowMs, random);
  }

  handleGivenUp(): void {
    this.#state = { name: 'given-up' };
  }

  handleConnected(nowMs: number): void {
    this.#failedAttempts = 0;
    this.#state = { name: 'connected', sinceMs: nowMs };
  }

  #wait(nowMs: number, random: Random): number {
    const { failures, openMs } = this.#config.breaker;
    const isCircuitOpen = this.#failedAttempts >= failures;
    const attemptAtMs = nowMs + (isCircuitOpen ? openMs * (1 - random.next() / 4) : this.#delayMs(random));
    this.#backoff = this.#backoff.next();
    this.#state = { name: 'waiting', attemptAtMs, isCircuitOpen };
    return attemptAtMs;
  }

  #delayMs(random: Random): number {
    const spreadMs = this.#drainSpreadMs;
    this.#drainSpreadMs = 0;
    return Math.max(this.#backoff.delayMs(random), spreadMs * random.next());
  }
}

/** Whatever a server says. */
const LONGEST_SPREAD_MS = 60_000;

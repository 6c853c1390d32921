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
  readonly #first: Backoff;
  #backoff: Backoff;
  #failedAttempts = 0;
  /** As the server said when it went; 0 = it said nothing. */
  #drainSpreadMs = 0;
  #state: UnitState = { name: 'attempting' };

  constructor(config: BridgeConfig) {
    this.#config = config;
    this.#first = new Backoff(config.reconnect);
    this.#backoff = this.#first;
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

  /** How long the connection has stood, ms; 0 where it does not. */
  stoodForMs(nowMs: number): number {
    return this.#state.name === 'connected' ? nowMs - this.#state.sinceMs : 0;
  }

  /** Whether the connection has stood for so long that what failed before it is forgotten. */
  hasLasted(nowMs: number): boolean {
    return this.#state.name === 'connected' && this.stoodForMs(nowMs) >= this.#config.reconnect.resetAfterMs;
  }

  /**
   * A stream ended that should not have. Returns when to try again; an attempt that is due already stays. `isOtherLeft`: at an endpoint that
   * has not failed, for which nobody waits longer than all clients of the lost one have to be spread.
   */
  handleStreamLost(nowMs: number, random: Random, isOtherLeft = false): number {
    const state = this.#state;
    switch (state.name) {
      case 'waiting':
        return state.attemptAtMs;
      case 'attempting':
        return nowMs;
      case 'given-up':
        return this.#wait(nowMs, random, isOtherLeft);
      case 'connected':
        if (this.hasLasted(nowMs)) this.#backoff = this.#backoff.reset();
        return this.#wait(nowMs, random, isOtherLeft);
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

  handleAttemptFailed(nowMs: number, random: Random, isOtherLeft = false): number {
    this.#failedAttempts += 1;
    return this.#wait(nowMs, random, isOtherLeft);
  }

  handleGivenUp(): void {
    this.#state = { name: 'given-up' };
  }

  handleConnected(nowMs: number): void {
    this.#failedAttempts = 0;
    this.#state = { name: 'connected', sinceMs: nowMs };
  }

  #wait(nowMs: number, random: Random, isOtherLeft: boolean): number {
    const { failures, openMs } = this.#config.breaker;
    const isCircuitOpen = this.#failedAttempts >= failures && !isOtherLeft;
    const attemptAtMs = nowMs + (isCircuitOpen ? openMs * (1 - random.next() / 4) : this.#delayMs(random, isOtherLeft));
    this.#backoff = this.#backoff.next();
    this.#state = { name: 'waiting', attemptAtMs, isCircuitOpen };
    return attemptAtMs;
  }

  #delayMs(random: Random, isOtherLeft: boolean): number {
    const spreadMs = this.#drainSpreadMs;
    this.#drainSpreadMs = 0;
    const backoff = isOtherLeft ? this.#first : this.#backoff;
    return Math.max(backoff.delayMs(random), spreadMs * random.next());
  }
}

/** Whatever a server says. */
const LONGEST_SPREAD_MS = 60_000;

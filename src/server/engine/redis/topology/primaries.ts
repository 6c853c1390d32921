/** Whoever decides about a key: one primary, or that of its slot. Path: redis engine, commit calls, bucket tail -> [primaries] -> redis primary. */
import type { PrimaryStats } from '../../engine.js';
import type { RedisAddress } from '../connection/redis-address.js';
import type { RedisPrimary } from '../connection/redis-primary.js';
import { redisRefusalOf } from '../connection/redis-refusal.js';

export interface Primaries {
  readonly isCluster: boolean;
  /** Each that is needed answers, as a primary. */
  readonly isWhole: boolean;
  /** Of a cluster. */
  readonly stats: readonly PrimaryStats[];
  /** Times that a bucket was found in another generation. */
  readonly takeovers: number;
  /** @throws Error where it is away */
  of(slot: number): RedisPrimary;
  /** Asks it, and its successor where the slot has moved. */
  at<T>(slot: number, ask: (primary: RedisPrimary) => Promise<T>): Promise<T>;
  addressOf(slot: number): RedisAddress;
  /** It refused because it is not, or it is away: another may be. */
  lookAgain(slot: number): void;
  /** All that is kept was read. */
  handleStarted(): void;
  close(): void;
}

export class OnePrimary implements Primaries {
  readonly isCluster = false;
  readonly stats: readonly PrimaryStats[] = [];
  readonly #primary: RedisPrimary;
  readonly #address: RedisAddress;

  constructor(primary: RedisPrimary, address: RedisAddress) {
    this.#primary = primary;
    this.#address = address;
  }

  get isWhole(): boolean {
    return this.#primary.isKnown;
  }

  get takeovers(): number {
    return this.#primary.takeovers;
  }

  of(): RedisPrimary {
    return this.#primary;
  }

  async at<T>(_: number, ask: (primary: RedisPrimary) => Promise<T>): Promise<T> {
    try {
      return await ask(this.#primary);
    } catch (error) {
      if (redisRefusalOf(error) === 'elsewhere') this.lookAgain();
      throw error;
    }
  }

  addressOf(): RedisAddress {
    return this.#address;
  }

  lookAgain(): void {
    this.#primary.lookAgain();
  }

  handleStarted(): void {
    this.#primary.handleStarted();
  }

  close(): void {
    this.#primary.close();
  }
}

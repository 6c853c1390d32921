/**
 * What is decided and waits to be kept: one append is under way, and what comes meanwhile goes with the next. Path: local engine -> [commit queue]
 * -> journal, and back in order. Slow: groups grow. Full: refused with QuotaExceededError. An append that failed takes everything behind it along,
 * because that was decided upon it; nobody was told of any of it.
 */
import {
  type BridgeError,
  EngineUnavailableError,
  QuotaExceededError,
  StorageFullError,
  UnknownOutcomeError,
} from '../../shared/errors.js';
import { queueMicrotask } from '../../shared/platform-timers.js';
import { Durations } from './durations.js';
import type { Journal } from './journal.js';
import type { CommitRecord } from './records.js';

/** Something that is kept with others, or not at all. */
export interface Waiting {
  record(): CommitRecord;
  readonly changes: { readonly length: number };
  /** By estimate. */
  readonly bytes: number;
  /** It is kept. */
  handleKept(): void;
  /** It is kept, although it was said that nobody knows. */
  handleKeptAfterAll(): void;
  handleFailed(error: BridgeError): void;
}

export interface QueueOwner<T extends Waiting> {
  readonly nowMs: () => number;
  /** Before any of them is told: nothing of what was decided and not kept counts any more. */
  undo(waiting: readonly T[]): void;
  handleLost(cause: unknown): void;
  handleFound(): void;
}

export class CommitQueue<T extends Waiting> {
  readonly #journal: Journal;
  readonly #owner: QueueOwner<T>;
  #waiting: T[] = [];
  #bytes = 0;
  #underWay: T[] | undefined;
  #isDue = false;
  #isLost = false;
  /** Of the last append that is kept. */
  #place: number;
  #transactions = 0;
  readonly #durations = new Durations();
  #beganAtMs = 0;
  #idle: (() => void)[] = [];

  constructor(journal: Journal, owner: QueueOwner<T>, place: number) {
    this.#journal = journal;
    this.#owner = owner;
    this.#place = place;
  }

  get place(): number {
    return this.#place;
  }

  get size(): number {
    return this.#waiting.length + (this.#underWay?.length ?? 0);
  }

  get transactions(): number {
    return this.#transactions;
  }

  get durations(): Durations {
    return this.#durations;
  }

  /** @throws EngineUnavailableError, QuotaExceededError */
  checkRoom(): void {
    if (this.#isLost) throw lostError();
    if (this.#waiting.length < MAX_WAITING && this.#bytes < MAX_WAITING_BYTES) return;
    throw new QuotaExceededError(
      `the engine is ${this.#waiting.length} changes behind: set less at once, or give it a faster disk`,
    );
  }

  add(waiting: T): void {
    if (this.#waiting.length === 0) this.#beganAtMs = this.#owner.nowMs();
    this.#waiting.push(waiting);
    this.#bytes += waiting.bytes;
    this.#begin();
  }

  /** When nothing waits; what is not known is not waited for. */
  whenIdle(): Promise<void> {
    return this.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  #begin(): void {
    if (this.#isDue || this.#underWay !== undefined) return;
    this.#isDue = true;
    // Behind the turn's own sets: they go together.
    queueMicrotask(() => {
      this.#isDue = false;
      if (this.#waiting.length > 0) void this.#append(this.#take());
      else this.#tellIdle();
    });
  }

  #take(): T[] {
    let changes = 0;
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (count > 0 && (changes >= MAX_CHANGES || bytes >= MAX_BYTES)) break;
      changes += waiting.changes.length;
      bytes += waiting.bytes;
      count += 1;
    }
    this.#bytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #append(group: T[]): Promise<void> {
    this.#underWay = group;
    const beganAtMs = this.#beganAtMs;
    this.#beganAtMs = this.#owner.nowMs();
    try {
      await this.#journal.append(
        group.map((waiting) => waiting.record()),
        beganAtMs,
      );
    } catch (error) {
      this.#handleFailure(group, error);
      return;
    }
    this.#place += 1;
    this.#transactions += 1;
    this.#durations.add(this.#owner.nowMs() - beganAtMs);
    this.#underWay = undefined;
    for (const waiting of group) waiting.handleKept();
    this.#begin();
  }

  #handleFailure(group: T[], error: unknown): void {
    const behind = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    this.#underWay = undefined;
    this.#owner.undo([...group, ...behind]);
    const isNotDone = error instanceof StorageFullError || error instanceof EngineUnavailableError;
    if (isNotDone) {
      for (const waiting of group) waiting.handleFailed(error);
      for (const waiting of behind) waiting.handleFailed(error);
      this.#begin();
      return;
    }
    this.#isLost = true;
    const unknown = new UnknownOutcomeError(
      'the engine did not say that it kept the change: read the variable before setting again',
      { cause: error },
    );
    for (const waiting of group) waiting.handleFailed(unknown);
    // It was never asked to keep these.
    for (const waiting of behind) waiting.handleFailed(lostError());
    this.#owner.handleLost(error);
    void this.#find(group);
  }

  /** What became of it after all, before anything else is decided. */
  async #find(group: readonly T[]): Promise<void> {
    const place = await this.#journal.lastPlace();
    this.#isLost = false;
    if (place > this.#place) {
      this.#place = place;
      for (const waiting of group) waiting.handleKeptAfterAll();
    }
    this.#owner.handleFound();
    this.#begin();
  }

  #tellIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function lostError(): EngineUnavailableError {
  return new EngineUnavailableError('the engine does not say what it has kept: nothing was done, try again');
}

/** Of one append: it is told in one turn, some milliseconds. */
const MAX_CHANGES = 2_000;
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_WAITING = 100_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

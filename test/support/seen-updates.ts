/** What one watcher was called with, in order, and a wait for the call with which something holds. */
import type { UpdateMetadata, VariableValue, Watcher } from '../../src/main/index.js';
import { within } from './deadline.js';

export interface SeenUpdate {
  readonly identifier: string;
  readonly oldValue: VariableValue | undefined;
  readonly newValue: VariableValue | undefined;
  readonly metadata: UpdateMetadata;
}

export class SeenUpdates {
  readonly all: SeenUpdate[] = [];
  readonly errors: Error[] = [];
  readonly states: string[] = [];
  #waiters: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];

  readonly watcher: Watcher = (identifier, oldValue, newValue, metadata) => {
    this.all.push({ identifier, oldValue, newValue, metadata });
    this.#wake();
  };

  /** For a watch's options. */
  readonly onError = (error: Error): void => {
    this.errors.push(error);
  };

  readonly onState = (state: string): void => {
    this.states.push(state);
    this.#wake();
  };

  get last(): SeenUpdate | undefined {
    return this.all.at(-1);
  }

  get missed(): number {
    return this.all.reduce((sum, { metadata }) => sum + metadata.missed, 0);
  }

  /** Resolves at the call or the state with which it holds. */
  when(ms: number, holds: () => boolean, what: string): Promise<void> {
    if (holds()) return Promise.resolve();
    const held = new Promise<void>((resolve) => this.#waiters.push({ holds, resolve }));
    return within(ms, held, what);
  }

  /** [old, new, version, missed, resync] of each call. */
  rows(): readonly (readonly [unknown, unknown, number, number, boolean])[] {
    return this.all.map(
      ({ oldValue, newValue, metadata: { version, missed, resync } }) =>
        [oldValue, newValue, version, missed, resync] as const,
    );
  }

  #wake(): void {
    const due = this.#waiters.filter(({ holds }) => holds());
    if (due.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => !due.includes(waiter));
    for (const { resolve } of due) resolve();
  }
}

/** Reconnects soon and never gives up: a test's break is short. */
export const SOON = { reconnect: { baseMs: 20, capMs: 100 }, breaker: { failures: 1_000, openMs: 50 } } as const;

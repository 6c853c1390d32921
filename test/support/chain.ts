/** Checks of one watch what every watch is promised: versions strictly rise, each is delivered or told as missed, old and new chain. */
import assert from 'node:assert/strict';
import type { UpdateMetadata, VariableValue, Watcher } from '../../src/main/index.js';

interface Position {
  version: number;
  value: VariableValue | undefined;
}

export class ChainChecker {
  readonly #positions = new Map<string, Position>();
  delivered = 0;
  missed = 0;
  resyncs = 0;
  /** What broke a promise; a watcher's throw would be swallowed into the counters. */
  readonly broken: string[] = [];
  #waiters: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];

  /** `start`: the version that a variable is at when the watch is made. */
  constructor(identifiers: readonly string[], start: number, value: VariableValue) {
    for (const identifier of identifiers) this.#positions.set(identifier, { version: start, value });
  }

  readonly watcher: Watcher = (identifier, oldValue, newValue, metadata) => {
    try {
      this.#check(identifier, oldValue, newValue, metadata);
    } catch (error) {
      this.broken.push(error instanceof Error ? error.message : String(error));
    }
    for (const waiter of this.#waiters.filter(({ holds }) => holds())) {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  };

  versionOf(identifier: string): number {
    return this.#positions.get(identifier)?.version ?? 0;
  }

  /** Resolves at the update with which it holds. */
  when(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ holds, resolve }));
  }

  #check(
    identifier: string,
    oldValue: VariableValue | undefined,
    newValue: VariableValue | undefined,
    { version, missed, resync }: UpdateMetadata,
  ): void {
    const position = this.#positions.get(identifier);
    assert.ok(position !== undefined, `${identifier} is watched`);
    if (resync) this.resyncs += 1;
    if (!resync || version > position.version) {
      assert.equal(version, position.version + 1 + missed, `${identifier}: each version is delivered or missed`);
    }
    if (missed === 0) assert.equal(oldValue, position.value, `${identifier}: old and new chain at version ${version}`);
    position.version = version;
    position.value = newValue;
    this.delivered += 1;
    this.missed += missed;
  }
}

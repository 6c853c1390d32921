/** What one watch called its watcher with, in order. */
import assert from 'node:assert/strict';
import type { StateProvider, Watch, WatcherInfo } from '../../main/state-provider.js';
import type { BatchWatcher, VariableChange, Watcher } from '../../main/watch/watcher.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import { within } from '../within.js';

export class Recording {
  /** Set when the watch is registered. */
  watch!: Watch;
  readonly calls: VariableChange[] = [];
  /** Of a watch with `batch: true`: its calls, each with what came together. */
  readonly batches: (readonly VariableChange[])[] = [];
  readonly errors: Error[] = [];
  #taken = 0;
  #wake: () => void = () => undefined;

  readonly watcher: Watcher = (identifier, oldValue, newValue, metadata) => {
    this.calls.push({ identifier, oldValue, newValue, metadata });
    this.#wake();
  };

  readonly batchWatcher: BatchWatcher = (changes) => {
    this.batches.push(changes);
    this.calls.push(...changes);
    this.#wake();
  };

  /** Calls that nobody has taken yet. */
  get waiting(): number {
    return this.calls.length - this.#taken;
  }

  async next(): Promise<VariableChange> {
    const [call] = await this.take(1);
    return call!;
  }

  /** The next calls, oldest first. */
  async take(count: number): Promise<VariableChange[]> {
    const wanted = this.#taken + count;
    await this.#until(
      () => this.calls.length >= wanted,
      () => `call ${wanted} of the watcher, after ${this.calls.length}`,
    );
    const taken = this.calls.slice(this.#taken, wanted);
    this.#taken = wanted;
    return taken;
  }

  /** The calls up to the first that fits, that one among them. */
  async takeUntil(fits: (call: VariableChange) => boolean, what: string): Promise<VariableChange[]> {
    let seen = this.#taken;
    let found = -1;
    await this.#until(
      () => {
        for (; seen < this.calls.length && found < 0; seen += 1) if (fits(this.calls[seen]!)) found = seen;
        return found >= 0;
      },
      () => `a call with ${what}, after ${this.calls.length} others`,
    );
    const taken = this.calls.slice(this.#taken, found + 1);
    this.#taken = found + 1;
    return taken;
  }

  /** Of every variable, versions rise, and what lies between two of them is told by `missed`, filtered or rate-limited, never more. */
  checkVersions(): void {
    const last = new Map<string, number>();
    for (const { identifier, metadata } of this.calls) {
      const { version, missed } = metadata;
      const before = last.get(identifier);
      // Registered again it is another variable.
      if (metadata.deleted === undefined) last.set(identifier, version);
      else last.delete(identifier);
      if (before === undefined || metadata.resync) continue;
      assert.ok(version > before, `versions of ${identifier} rise: ${version} came after ${before}`);
      assert.ok(
        version >= before + 1 + missed,
        `${identifier} at ${version} says that ${missed} were missed since ${before}`,
      );
    }
  }

  /** Of every variable, each old value is the new value before it, and every version is delivered or told as missed. */
  checkChained(first: Readonly<Record<string, { value: VariableValue; version: number }>>): void {
    const last = new Map(
      Object.entries(first).map(([name, { value, version }]) => [name, { value: value as unknown, version }]),
    );
    for (const { identifier, oldValue, newValue, metadata } of this.calls) {
      const before = last.get(identifier)!;
      assert.deepEqual(
        oldValue,
        before.value,
        `the old value of ${identifier} at ${metadata.version} is what was seen last`,
      );
      assert.equal(metadata.version, before.version + 1 + metadata.missed, `nothing of ${identifier} is lost silently`);
      last.set(identifier, { value: newValue, version: metadata.version });
    }
  }

  #until(holds: () => boolean, what: () => string): Promise<void> {
    if (holds()) return Promise.resolve();
    const held = new Promise<void>((resolve) => {
      this.#wake = () => {
        if (holds()) resolve();
      };
    });
    return within(held, 'calls of the watcher').catch((error: unknown) => {
      throw new Error(`${what()} did not come`, { cause: error });
    });
  }
}

export function valuesOf(calls: readonly VariableChange[]): unknown[] {
  return calls.map((call) => call.newValue);
}

export function pairsOf(calls: readonly VariableChange[]): [unknown, unknown][] {
  return calls.map((call) => [call.oldValue, call.newValue]);
}

/** What the provider says of one watch. */
export async function infoOf(provider: StateProvider, watch: Watch): Promise<WatcherInfo> {
  const info = (await provider.listWatchers()).find((one) => one.ref === watch.ref);
  assert.ok(info !== undefined, `${watch.ref} is listed`);
  return info;
}

/**
 * Calls of a watch that takes the place of another: held until that one has told what it had. Path: dispatcher -> [call gate] -> watcher.
 * Full: the watch's `overflow` decides, and what is left out is told by the variable's next call. Never grows past its limit, or one call a variable.
 */
import type { Overflow, RingEntry } from '../../shared/delivery/update-ring.js';
import { UpdateRing } from '../../shared/delivery/update-ring.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { DispatchedCall, WatchedVariable } from './dispatched-watch.js';

/** Where the elder watch has left its watcher with a variable. */
export interface LastTold {
  readonly value: VariableValue | undefined;
  /** Versions that its next call would have said to be missed. */
  readonly missed: number;
}

interface GateEntry extends RingEntry {
  readonly key: WatchedVariable;
  readonly call: DispatchedCall;
}

export class CallGate {
  readonly #ring: UpdateRing<GateEntry>;
  /** By variable: what its watcher saw last, of the elder watch or from here. */
  readonly #told = new Map<WatchedVariable, LastTold>();

  constructor(limit: number, overflow: Overflow) {
    this.#ring = new UpdateRing(limit, overflow);
  }

  get size(): number {
    return this.#ring.size;
  }

  /** False when it is full and overflow is `error`. */
  hold(call: DispatchedCall): boolean {
    const { variable, newValue, missed, flags } = call;
    return this.#ring.push({ key: variable, value: newValue, old: undefined, missed, filtered: 0, flags, call });
  }

  handleLastTold(variable: WatchedVariable, last: LastTold): void {
    this.#told.set(variable, last);
  }

  /** The next call, chained to what its watcher saw last. */
  take(): DispatchedCall | undefined {
    const entry = this.#ring.take();
    if (entry === undefined) return undefined;
    const { call, key } = entry;
    const before = this.#told.get(key);
    this.#told.set(key, { value: call.newValue, missed: 0 });
    const oldValue = before === undefined || entry.missed === call.missed ? call.oldValue : before.value;
    call.oldValue = before !== undefined && before.missed > 0 ? before.value : oldValue;
    call.missed = entry.missed + (before?.missed ?? 0);
    call.flags = entry.flags;
    return call;
  }
}

/**
 * One variable of one feed: which version is next, what was seen, what is missing, what its condition lets through.
 * Path: watch feed -> [variable feed] -> ring.
 */
import type { Condition } from '../../shared/delivery/condition.js';
import { meets } from '../../shared/delivery/condition.js';
import type { Lineage, Newcomer } from '../../shared/delivery/update.js';
import { BASELINE, HAS_OLD, type UpdateRecord } from '../../shared/delivery/update.js';
import { VersionTracker } from '../../shared/delivery/version-tracker.js';
import type { ResumePoint } from '../../shared/port/commands.js';
import { fromPortValue } from '../../shared/port/port-value.js';
import type { VariableValue } from '../../shared/values/variable-type.js';

export class VariableFeed {
  readonly identifier: string;
  readonly handle: number;
  /** Said with each of its lives: no other way leads to the main thread than an update. */
  readonly #newcomer: Newcomer | undefined;
  readonly tracker = new VersionTracker();
  isGone = false;
  /** Its present value, or nothing newer, has come on the present stream. */
  isCurrent = false;
  /** Last value seen; kept only for a condition. */
  #last: VariableValue | undefined;
  /** Versions that the condition let pass silently since the last delivery. */
  #filtered = 0;
  /** Versions skipped right before filtered ones: the next delivery tells. */
  #missed = 0;
  /** The main thread knows where it is. */
  #isHeardOf: boolean;
  /** Of its versions, until an update that is delivered has said it. */
  #lineage: Lineage | undefined;

  constructor(identifier: string, handle: number, point: ResumePoint | undefined, newcomer?: Newcomer) {
    this.identifier = identifier;
    this.handle = handle;
    this.#newcomer = newcomer;
    this.#isHeardOf = point !== undefined;
    if (point === undefined) return;
    this.tracker.resume(point.version, point.epoch, point.variableId);
    this.#last = point.last === undefined ? undefined : fromPortValue(point.last);
  }

  /** Missed, and not told yet. */
  get missedWaiting(): number {
    return this.#missed;
  }

  /** Let pass silently by the condition, and not told yet. */
  get filteredWaiting(): number {
    return this.#filtered;
  }

  /** Its versions belong to another life from here on. */
  handleLineage(epoch: string, variableId: string, name: string): void {
    this.#lineage = { epoch, variableId, name: name === this.identifier ? '' : name, newcomer: this.#newcomer };
  }

  /** A value that is no news, but that a condition may ask for later. */
  remember(value: VariableValue): void {
    this.#last ??= value;
  }

  /** Right before its next update: what a condition that is asked elsewhere kept out at last. */
  handleBefore(value: VariableValue): void {
    this.#last = value;
  }

  /** Versions that a condition that is asked elsewhere kept out. */
  keepOut(count: number): void {
    this.#filtered += count;
  }

  /** Whether the update is delivered; `record` then says what its elders left to tell. */
  offer(record: UpdateRecord, value: VariableValue, condition: Condition | undefined): boolean {
    if (condition !== undefined) {
      const old = this.#last;
      this.#last = value;
      if (record.flags === 0 && !meets(condition, old, value)) {
        this.#filtered += 1;
        this.#missed += record.missed;
        if (this.#isHeardOf) return false;
        // Nobody is told, but the main thread has to know that there is such a variable, and where it is.
        record.flags = BASELINE;
        record.missed = this.#missed;
        record.filtered = this.#filtered;
        this.#missed = 0;
        this.#filtered = 0;
        this.#address(record, value);
        return true;
      }
      this.#tellFiltered(record, old);
    }
    this.#address(record, value);
    return true;
  }

  /** The variable is gone. Nobody gets its value. */
  end(record: UpdateRecord): void {
    this.isGone = true;
    this.#tellFiltered(record, this.#last);
    this.#address(record, this.#last);
  }

  #tellFiltered(record: UpdateRecord, old: VariableValue | undefined): void {
    record.missed += this.#missed;
    record.filtered = this.#filtered;
    if (this.#filtered > 0) {
      record.flags |= HAS_OLD;
      record.old = old;
    }
    this.#missed = 0;
    this.#filtered = 0;
  }

  #address(record: UpdateRecord, value: VariableValue | undefined): void {
    this.#isHeardOf = true;
    record.handle = this.handle;
    record.value = value;
    record.lineage = this.#lineage;
    this.#lineage = undefined;
  }
}

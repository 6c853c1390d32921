/**
 * Deadlines of many things behind one timer: 100,000 idle watches cost one wake-up per slot, not one timer each.
 * A hashed wheel: adding, moving and removing are O(1); a deadline is met up to one slot late, never early.
 * Full: cannot be; it holds what its owner holds. Closed: the owner stops calling it.
 */

/** Embedded in what is scheduled, so that an entry costs no allocation. */
export interface WheelEntry {
  /** When it is due, ms; written by the wheel. */
  dueAtMs: number;
  /** Slot that holds it, or -1; written by the wheel. */
  wheelSlot: number;
  /** Where in its slot; written by the wheel. */
  wheelPlace: number;
}

/** Something that wants to be called at a time. */
export interface Deadline extends WheelEntry {
  handleDeadline(nowMs: number): void | Promise<void>;
}

/** Where it says so; in pure tests a bare TimerWheel. */
export interface DeadlineSchedule {
  /** Schedules `deadline`, or moves it. */
  schedule(deadline: Deadline, dueAtMs: number): void;
  cancel(deadline: Deadline): void;
}

export class TimerWheel<T extends WheelEntry> {
  /** Arrays, not sets: a set that entries come to and leave for ever chains its old tables, and one full collection for all of them costs more than the work. */
  readonly #slots: T[][];
  readonly #slotMs: number;
  #size = 0;
  /** Every slot up to this one (counted since time 0) has been looked at. */
  #cursor = -1;

  /** `slotMs` is the precision; deadlines further off than `slotMs * slots` go round. */
  constructor(slotMs: number, slots = 256) {
    this.#slotMs = slotMs;
    this.#slots = Array.from({ length: slots }, () => []);
  }

  get size(): number {
    return this.#size;
  }

  /** Schedules `entry`, or moves it. */
  schedule(entry: T, dueAtMs: number): void {
    this.cancel(entry);
    // Rounded up to the slot's end: never early.
    const due = Math.max(Math.ceil(dueAtMs / this.#slotMs), this.#cursor + 1);
    const slot = due % this.#slots.length;
    entry.dueAtMs = dueAtMs;
    entry.wheelSlot = slot;
    entry.wheelPlace = this.#slots[slot]!.push(entry) - 1;
    this.#size += 1;
  }

  cancel(entry: T): void {
    if (entry.wheelSlot < 0) return;
    const slot = this.#slots[entry.wheelSlot]!;
    const last = slot.pop()!;
    if (last !== entry) {
      slot[entry.wheelPlace] = last;
      last.wheelPlace = entry.wheelPlace;
    }
    entry.wheelSlot = -1;
    this.#size -= 1;
  }

  /** Takes out everything that is due and hands it to `fire`, which may schedule again. */
  advance(nowMs: number, fire: (entry: T) => void): void {
    const now = Math.floor(nowMs / this.#slotMs);
    const first = Math.max(this.#cursor + 1, now - this.#slots.length + 1);
    this.#cursor = Math.max(this.#cursor, now);
    for (let tick = first; tick <= now; tick += 1) {
      const slot = this.#slots[tick % this.#slots.length]!;
      if (slot.length === 0) continue;
      for (const entry of [...slot]) {
        // Another round's entry stays; one that an earlier `fire` cancelled or moved is no longer ours.
        if (entry.wheelSlot !== tick % this.#slots.length || entry.dueAtMs > nowMs) continue;
        this.cancel(entry);
        fire(entry);
      }
    }
  }

  /** When `advance` is worth calling again: the end of the next slot that is not empty, in the past when it is due; undefined when nothing waits. */
  wakeAt(nowMs: number): number | undefined {
    if (this.#size === 0) return undefined;
    // Slots that came by since the last `advance` count too: looked for from now on, they would be a round away.
    const first = Math.max(this.#cursor + 1, Math.floor(nowMs / this.#slotMs) - this.#slots.length + 1);
    for (let tick = first; tick < first + this.#slots.length; tick += 1) {
      if (this.#slots[tick % this.#slots.length]!.length > 0) return tick * this.#slotMs;
    }
    return first * this.#slotMs;
  }
}

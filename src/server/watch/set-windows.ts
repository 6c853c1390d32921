/** The windows of the links of one session, by link id. Path: link call -> [set windows] -> set window. Full: the one that ended first goes, of the session or of all. */
import type { Deadline, DeadlineSchedule } from '../../shared/timer-wheel.js';
import type { WindowRecord } from '../engine/records.js';
import type { LeftWindows } from './left-windows.js';
import { SetWindow } from './set-window.js';

/** A link that has a window. */
export interface WindowOwner {
  /** Another link of its client has taken it over. */
  handleTakenOver(): void;
}

interface Entry extends Deadline {
  readonly window: SetWindow;
  owner: WindowOwner | undefined;
}

export class SetWindows {
  readonly #deadlines: DeadlineSchedule;
  readonly #left: LeftWindows;
  readonly #entries = new Map<string, Entry>();

  constructor(deadlines: DeadlineSchedule, left: LeftWindows) {
    this.#deadlines = deadlines;
    this.#left = left;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(linkId: string): boolean {
    return this.#entries.has(linkId);
  }

  /** For a link that begins. `continues`: its client had it before. */
  take(linkId: string, owner: WindowOwner): { readonly window: SetWindow; readonly continues: boolean } {
    const known = this.#entries.get(linkId);
    if (known !== undefined) {
      this.#deadlines.cancel(known);
      this.#left.remove(known);
      const before = known.owner;
      known.owner = owner;
      before?.handleTakenOver();
      return { window: known.window, continues: true };
    }
    this.#makeRoom();
    const window = new SetWindow();
    this.#add(linkId, window, owner);
    return { window, continues: false };
  }

  /** From before the server's end: its client may come back for it. */
  restore({ link, from, lostBehind, outcomes }: WindowRecord, nowMs: number): void {
    this.#makeRoom();
    const window = new SetWindow(lostBehind);
    window.skipTo(from);
    for (const outcome of outcomes) window.restore(outcome);
    this.#leave(link, this.#add(link, window, undefined), nowMs);
  }

  /** By what all servers know of it: this one may have made none of its last sets. */
  replace(link: string, record: WindowRecord | undefined, nowMs: number): void {
    const known = this.#entries.get(link);
    if (known !== undefined) {
      this.#forget(link, known);
      known.owner?.handleTakenOver();
    }
    if (record !== undefined) this.restore(record, nowMs);
  }

  records(): WindowRecord[] {
    const records: WindowRecord[] = [];
    for (const [link, { window }] of this.#entries) {
      records.push({ link, from: Math.max(window.answered, window.lostTo), outcomes: [...window.open()] });
    }
    return records;
  }

  /** Its link has ended: its client may come back for it. */
  leave(linkId: string, owner: WindowOwner, nowMs: number): void {
    const entry = this.#entries.get(linkId);
    if (entry?.owner !== owner) return;
    entry.owner = undefined;
    // Behind those that ended before it.
    this.#entries.delete(linkId);
    this.#entries.set(linkId, entry);
    this.#leave(linkId, entry, nowMs);
  }

  close(): void {
    for (const [linkId, entry] of [...this.#entries]) this.#forget(linkId, entry);
  }

  #add(linkId: string, window: SetWindow, owner: WindowOwner | undefined): Entry {
    const entry: Entry = {
      ...{ window, owner, dueAtMs: 0, wheelSlot: -1, wheelPlace: 0 },
      handleDeadline: () => this.#forget(linkId, entry),
    };
    this.#entries.set(linkId, entry);
    return entry;
  }

  #leave(linkId: string, entry: Entry, nowMs: number): void {
    const { window } = entry;
    window.forgetAnswered();
    this.#deadlines.schedule(entry, nowMs + KEPT_MS);
    this.#left.add(entry, window.heldBytes, () => this.#forget(linkId, entry));
  }

  #forget(linkId: string, entry: Entry): void {
    this.#deadlines.cancel(entry);
    this.#left.remove(entry);
    if (this.#entries.get(linkId) === entry) this.#entries.delete(linkId);
  }

  #makeRoom(): void {
    if (this.#entries.size < MAX_WINDOWS) return;
    for (const [linkId, entry] of this.#entries) {
      if (entry.owner !== undefined) continue;
      this.#forget(linkId, entry);
      return;
    }
  }
}

/** A client that comes back later finds the outcome of what it sent unknown. */
export const KEPT_MS = 60_000;
/** Of one session: those beyond belong to links that are open. */
const MAX_WINDOWS = 1_024;

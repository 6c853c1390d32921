/**
 * Set windows of all sessions whose links have ended, for as long as their clients may come back. Path: set windows -> [left windows].
 * Full: the one whose link ended first is forgotten, and its client finds the outcome of what it sent unknown.
 */

interface Left {
  readonly bytes: number;
  readonly forget: () => void;
}

export class LeftWindows {
  readonly #mostBytes: number;
  #bytes = 0;
  /** In the order in which their links ended. */
  readonly #left = new Map<object, Left>();

  constructor(mostBytes: number = MOST_BYTES) {
    this.#mostBytes = mostBytes;
  }

  /** `forget` is called at most once, and not after `remove`. */
  add(entry: object, bytes: number, forget: () => void): void {
    this.remove(entry);
    this.#left.set(entry, { bytes, forget });
    this.#bytes += bytes;
    for (const [oldest, left] of this.#left) {
      if (this.#bytes <= this.#mostBytes || oldest === entry) return;
      this.remove(oldest);
      left.forget();
    }
  }

  /** Its client has come back, or too late. */
  remove(entry: object): void {
    const left = this.#left.get(entry);
    if (left === undefined) return;
    this.#left.delete(entry);
    this.#bytes -= left.bytes;
  }
}

/** A thousand clients that are cut while they have as many sets unanswered as ours may. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * Handles of one slot: numbers that updates are addressed to. Path: watch share -> [handle table] -> slot client.
 * A place is given on, a handle never is: it carries the generation of its place, and what is still addressed to the last owner finds nobody.
 * Full: `allot` throws QuotaExceededError.
 */
import { QuotaExceededError } from '../../shared/errors.js';
import { HANDLE_GENERATIONS, HANDLE_PLACES } from '../../shared/port/handles.js';

export interface HandleLimits {
  /** At once: a power of two, up to 2^31. */
  readonly places: number;
  /** Owners of one place, one after the other; then it is used no more. */
  readonly generations: number;
}

export const HANDLE_LIMITS: HandleLimits = { places: HANDLE_PLACES, generations: HANDLE_GENERATIONS };

export class HandleTable<T> {
  readonly #limits: HandleLimits;
  readonly #mask: number;
  readonly #items: (T | undefined)[] = [];
  /** Each place's present handle, or its last. */
  readonly #handles: number[] = [];
  readonly #free: number[] = [];
  /** Those below 0. */
  readonly #adopted = new Map<number, T>();
  #size = 0;

  constructor(limits: HandleLimits = HANDLE_LIMITS) {
    this.#limits = limits;
    this.#mask = limits.places - 1;
  }

  get size(): number {
    return this.#size + this.#adopted.size;
  }

  /** A handle that the worker has allotted: below 0, and never given on while that worker lives. */
  adopt(handle: number, item: T): void {
    this.#adopted.set(handle, item);
  }

  /** A handle that nothing was addressed to before. @throws QuotaExceededError */
  allot(item: T): number {
    const free = this.#free.pop();
    const place = free ?? this.#items.length;
    if (place >= this.#limits.places) {
      throw new QuotaExceededError(
        `one worker addresses at most ${this.#limits.places} watched variables at once: stop some watches, or use more workers`,
      );
    }
    // The first generation is 1: no handle is 0.
    const handle = free === undefined ? this.#limits.places + place : this.#handles[place]! + this.#limits.places;
    this.#items[place] = item;
    this.#handles[place] = handle;
    this.#size += 1;
    return handle;
  }

  find(handle: number): T | undefined {
    if (handle < 0) return this.#adopted.get(handle);
    const place = handle & this.#mask;
    return this.#handles[place] === handle ? this.#items[place] : undefined;
  }

  /** From now on nobody is found under it. Releasing twice is fine. */
  release(handle: number): void {
    if (handle < 0) {
      this.#adopted.delete(handle);
      return;
    }
    const place = handle & this.#mask;
    if (this.#handles[place] !== handle || this.#items[place] === undefined) return;
    this.#items[place] = undefined;
    this.#size -= 1;
    const generation = Math.floor(handle / this.#limits.places);
    if (generation < this.#limits.generations - 1) this.#free.push(place);
  }
}

/**
 * Handles of one slot: numbers that updates are addressed to. Path: watch share -> [handle table] -> slot client.
 * A place is given on, a handle never is: it carries the generation of its place, and what is still addressed to the last owner finds nobody.
 * Full: `allot` throws QuotaExceededError.
 */
import type { HandleLimits } from '../../shared/port/handles.js';
import { HANDLE_LIMITS, HandlePlaces } from '../../shared/port/handles.js';

export class HandleTable<T> {
  readonly #places: HandlePlaces;
  readonly #items: (T | undefined)[] = [];
  /** Those below 0. */
  readonly #adopted = new Map<number, T>();
  #size = 0;

  constructor(limits: HandleLimits = HANDLE_LIMITS) {
    this.#places = new HandlePlaces(
      limits,
      `one worker addresses at most ${limits.places} watched variables at once: stop some watches, or use more workers`,
    );
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
    const handle = this.#places.allot();
    this.#items[this.#places.placeOf(handle)] = item;
    this.#size += 1;
    return handle;
  }

  find(handle: number): T | undefined {
    if (handle < 0) return this.#adopted.get(handle);
    return this.#places.holds(handle) ? this.#items[this.#places.placeOf(handle)] : undefined;
  }

  /** From now on nobody is found under it. Releasing twice is fine. */
  release(handle: number): void {
    if (handle < 0) this.#adopted.delete(handle);
    else if (this.#places.release(handle)) {
      this.#items[this.#places.placeOf(handle)] = undefined;
      this.#size -= 1;
    }
  }
}

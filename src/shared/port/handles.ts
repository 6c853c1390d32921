/**
 * What a handle says: a place, and how often that place was given before. Those that the main thread allots are above 0, those of a worker, for
 * what its patterns find, below. Path: watch share, watch feed -> [handles] -> handle table, value cells.
 */
import { QuotaExceededError } from '../errors.js';

/** Of either thread, at once. */
export const HANDLE_PLACES = 2 ** 24;
/** Owners of one place, one after the other; then it is used no more. With the places they fill the 53 bits of a number. */
export const HANDLE_GENERATIONS = 2 ** 29;

export function placeOf(handle: number): number {
  return Math.abs(handle) & (HANDLE_PLACES - 1);
}

/** 1 at first. */
export function generationOf(handle: number): number {
  return Math.floor(Math.abs(handle) / HANDLE_PLACES);
}

/** Those that one worker allots. A place is given on, a handle never is. Full: `allot` throws QuotaExceededError. */
export class FoundHandles {
  /** Each place's present handle; 0 of one that is free. */
  readonly #handles: number[] = [];
  /** How often each was given. */
  readonly #generations: number[] = [];
  readonly #free: number[] = [];

  /** Below 0, and nothing was addressed to it before. @throws QuotaExceededError */
  allot(): number {
    const place = this.#free.pop() ?? this.#handles.length;
    if (place >= HANDLE_PLACES) {
      throw new QuotaExceededError(
        `the patterns of one worker find at most ${HANDLE_PLACES} variables: watch less, or use more workers`,
      );
    }
    const generation = (this.#generations[place] ?? 0) + 1;
    const handle = -(generation * HANDLE_PLACES + place);
    this.#generations[place] = generation;
    this.#handles[place] = handle;
    return handle;
  }

  /** Releasing twice is fine, and so is one that the main thread has allotted. */
  release(handle: number): void {
    const place = placeOf(handle);
    if (handle >= 0 || this.#handles[place] !== handle) return;
    this.#handles[place] = 0;
    if (generationOf(handle) < HANDLE_GENERATIONS - 1) this.#free.push(place);
  }
}

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

export interface HandleLimits {
  /** At once: a power of two, up to 2^31. */
  readonly places: number;
  /** Owners of one place, one after the other; then it is used no more. */
  readonly generations: number;
}

export const HANDLE_LIMITS: HandleLimits = { places: HANDLE_PLACES, generations: HANDLE_GENERATIONS };

/** Handles above 0. A place is given on, a handle never is: what is still addressed to its last owner finds nobody. Full: `allot` throws QuotaExceededError. */
export class HandlePlaces {
  readonly #limits: HandleLimits;
  readonly #mask: number;
  readonly #fullSentence: string;
  /** Each place's present handle; below 0 its last, of one that is free or used up. */
  readonly #handles: number[] = [];
  readonly #free: number[] = [];

  /** `fullSentence`: what is said when every place is taken. */
  constructor(limits: HandleLimits, fullSentence: string) {
    this.#limits = limits;
    this.#mask = limits.places - 1;
    this.#fullSentence = fullSentence;
  }

  placeOf(handle: number): number {
    return handle & this.#mask;
  }

  /** A handle that nothing was addressed to before. @throws QuotaExceededError */
  allot(): number {
    const place = this.#free.pop() ?? this.#handles.length;
    const { places } = this.#limits;
    if (place >= places) throw new QuotaExceededError(this.#fullSentence);
    const last = this.#handles[place];
    // The first generation is 1: no handle is 0.
    const handle = places + (last === undefined ? place : -last);
    this.#handles[place] = handle;
    return handle;
  }

  /** Whether it was allotted and not released. */
  holds(handle: number): boolean {
    return this.#handles[this.placeOf(handle)] === handle;
  }

  /** False when it is not held: releasing twice is fine. */
  release(handle: number): boolean {
    if (!this.holds(handle)) return false;
    const place = this.placeOf(handle);
    const { places, generations } = this.#limits;
    this.#handles[place] = -handle;
    if (Math.floor(handle / places) < generations - 1) this.#free.push(place);
    return true;
  }
}

/** Those that one worker allots, below 0. */
export class FoundHandles {
  readonly #places = new HandlePlaces(
    HANDLE_LIMITS,
    `the patterns of one worker find at most ${HANDLE_PLACES} variables: watch less, or use more workers`,
  );

  /** @throws QuotaExceededError */
  allot(): number {
    return -this.#places.allot();
  }

  /** Releasing twice is fine, and so is one that the main thread has allotted. */
  release(handle: number): void {
    if (handle < 0) this.#places.release(-handle);
  }
}

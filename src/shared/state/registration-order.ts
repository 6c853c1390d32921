/**
 * The variables of a session in the order in which they were registered, read in pieces while others come and go. Path: variable table -> [registration order] -> lists.
 * A place stays what it is: what was there all the time is neither left out nor told twice. Full: the table refuses before. Gaps are closed when they are half of it.
 */
import { assert } from '../assert.js';
import type { Variable } from './variable.js';

export class RegistrationOrder<T extends { readonly place: number } = Variable> {
  #variables: (T | undefined)[] = [];
  /** Rising; also beside variables that went. */
  #places: number[] = [];
  #gaps = 0;
  #lastPlace = 0;

  /** No variable is behind it. */
  get lastPlace(): number {
    return this.#lastPlace;
  }

  /** The place that the next variable is to have. */
  nextPlace(): number {
    return this.#lastPlace + 1;
  }

  /** One of an earlier life may come behind others that were registered after it. */
  add(variable: T): void {
    const { place } = variable;
    if (place > this.#lastPlace) {
      this.#lastPlace = place;
      this.#variables.push(variable);
      this.#places.push(place);
      return;
    }
    const index = this.#indexAfter(place);
    assert(this.#places[index - 1] !== place, 'a place is of one variable');
    this.#variables.splice(index, 0, variable);
    this.#places.splice(index, 0, place);
  }

  /** Places up to there are not given any more. */
  skipTo(place: number): void {
    this.#lastPlace = Math.max(this.#lastPlace, place);
  }

  /** In order, with gaps. */
  all(): Iterable<T | undefined> {
    return this.#variables;
  }

  /** The variable of a place. */
  at(place: number): T | undefined {
    const index = this.#indexAfter(place) - 1;
    return this.#places[index] === place ? this.#variables[index] : undefined;
  }

  /** Another takes the place of one that is there. */
  replace(variable: T, by: T): void {
    const index = this.#indexAfter(variable.place) - 1;
    assert(this.#variables[index] === variable && by.place === variable.place, 'it is there, and its place stays');
    this.#variables[index] = by;
  }

  remove(variable: T): void {
    const index = this.#indexAfter(variable.place - 1);
    if (this.#variables[index] !== variable) return;
    this.#variables[index] = undefined;
    this.#gaps += 1;
    if (this.#gaps > FEW_GAPS && this.#gaps * 2 > this.#variables.length) this.#closeGaps();
  }

  /** The first variable behind a place; 0 is before all. */
  after(place: number): T | undefined {
    for (let index = this.#indexAfter(place); index < this.#variables.length; index += 1) {
      const variable = this.#variables[index];
      if (variable !== undefined) return variable;
    }
    return undefined;
  }

  #indexAfter(place: number): number {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#places[middle]! <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #closeGaps(): void {
    this.#variables = this.#variables.filter((variable) => variable !== undefined);
    this.#places = this.#variables.map((variable) => variable!.place);
    this.#gaps = 0;
  }
}

const FEW_GAPS = 32;

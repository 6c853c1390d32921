/** A column of a message of columns, read from its start, once. Path: link request, link set rows -> [columns]. */
import { InvalidArgumentError } from '../errors.js';

export class Column<T> {
  /** One a part that has any: put together they would be copied in one go. */
  readonly #lists: readonly (readonly T[])[];
  #list: readonly T[];
  #listIndex = 0;
  #at = 0;

  constructor(lists: readonly (readonly T[])[]) {
    this.#lists = lists;
    this.#list = lists[0] ?? [];
  }

  /** Undefined behind the last. */
  next(): T | undefined {
    while (this.#at >= this.#list.length) {
      const next = this.#lists[this.#listIndex + 1];
      if (next === undefined) return undefined;
      this.#listIndex += 1;
      this.#list = next;
      this.#at = 0;
    }
    const element = this.#list[this.#at];
    this.#at += 1;
    return element;
  }

  /** For a row that has one. @throws InvalidArgumentError */
  take(): T {
    const element = this.next();
    if (element !== undefined) return element;
    throw new InvalidArgumentError(
      "the columns of the link's message do not fit each other: each row needs its elements",
    );
  }
}

/** Of a message that came in one part or in several. */
export function columnOf<M, T>(parts: readonly M[], of: (part: M) => readonly T[] | null | undefined): Column<T> {
  return new Column(parts.map((part) => of(part) ?? NONE).filter(({ length }) => length > 0));
}

const NONE: readonly never[] = [];

/**
 * Which feeds of a link watch a variable with a condition that the server asks: what it has kept out is said once a variable, by a number.
 * Path: link session -> [kept feeds] -> watch feed. Bounded by the feeds of the link and their variables. Closed: with its link.
 */
import { ProtocolError } from '../../shared/errors.js';
import { OneOrMany } from '../../shared/one-or-many.js';
import type { ReadKept } from '../../shared/wire/link-reader.js';

/** Changes of the variable up to this version that were not told were kept out. */
export type TellKept<F> = (feed: F, variableId: string, version: number) => void;

export class KeptFeeds<F extends object> {
  readonly #tell: TellKept<F>;
  /** By the variable's id. */
  readonly #feeds = new OneOrMany<string, F>();
  readonly #ids = new OneOrMany<F, string>();
  readonly #numbers = new Map<number, string>();

  constructor(tell: TellKept<F>) {
    this.#tell = tell;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  add(id: string, feed: F): void {
    this.#feeds.add(id, feed);
    this.#ids.add(feed, id);
  }

  remove(feed: F): void {
    for (const id of this.#ids.of(feed)) this.#feeds.remove(id, feed);
    this.#ids.removeAll(feed);
  }

  /** @throws ProtocolError */
  handle({ number, id, version }: ReadKept): void {
    if (!Number.isSafeInteger(version)) throw new ProtocolError(`the link kept out versions up to ${version}`);
    if (id !== undefined) this.#numbers.set(number, id);
    const variableId = this.#numbers.get(number);
    if (variableId === undefined) throw new ProtocolError(`the link has not said which variable number ${number} is`);
    this.#feeds.forEach(variableId, (feed) => this.#tell(feed, variableId, version));
  }
}

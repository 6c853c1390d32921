/**
 * Writers of links that have nothing to say: a link has one from its first row to the message, so that the room of its columns, which a large message leaves
 * behind, is not held by each. Path: link call -> [link writers] -> link writer. Bounded: what is given back beyond MOST_KEPT is let go.
 */
import { LinkWriter } from '../../shared/wire/link-writer.js';

export class LinkWriters {
  readonly #free: LinkWriter[] = [];

  /** An empty one; give it back with `giveBack`. */
  take(): LinkWriter {
    return this.#free.pop() ?? new LinkWriter();
  }

  /** It is not used any more by who had it; what it holds is forgotten. */
  giveBack(writer: LinkWriter): void {
    if (this.#free.length >= MOST_KEPT) return;
    writer.clear();
    this.#free.push(writer);
  }
}

/** Links that speak in the same turn of the event loop; with their columns, some 100 KB each at most of usual messages. */
const MOST_KEPT = 32;

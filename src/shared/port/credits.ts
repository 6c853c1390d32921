/**
 * How many updates may still cross a port: the port itself has no backpressure. Path: port writer spends, slot client grants back what it has dispatched.
 * Full: none left, and updates wait in their rings. A blocked main thread so costs at most this many updates in the port.
 */
import { assert } from '../assert.js';

export class Credits {
  #available: number;
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
    this.#available = limit;
  }

  get available(): number {
    return this.#available;
  }

  spend(updates: number): void {
    assert(updates <= this.#available, 'no update crosses the port without credit');
    this.#available -= updates;
  }

  grant(updates: number): void {
    assert(this.#available + updates <= this.limit, 'only what was spent is granted back');
    this.#available += updates;
  }
}

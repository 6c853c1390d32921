/** A watcher that keeps what it is called with until a test takes it, one change after another. */
import { EventEmitter, once } from 'node:events';
import type { VariableChange, Watcher } from '../../src/main/index.js';
import { within } from '../support/deadline.js';

const NEXT_MS = 10_000;

export class RecordedChanges {
  readonly #arrivals = new EventEmitter();
  readonly #waiting: VariableChange[] = [];

  readonly watcher: Watcher = (identifier, oldValue, newValue, metadata) => {
    this.#waiting.push({ identifier, oldValue, newValue, metadata });
    this.#arrivals.emit('change');
  };

  async next(): Promise<VariableChange> {
    while (this.#waiting.length === 0) await within(NEXT_MS, once(this.#arrivals, 'change'), 'the next change');
    return this.#waiting.shift()!;
  }
}

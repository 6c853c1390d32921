/** Running watches by ref. Path: watchVariables -> [watch registry] -> unwatchVariables, listWatchers, close. */
import { WatchNotFoundError } from '../../shared/errors.js';

export class WatchRegistry<T extends { readonly ref: string }> {
  readonly #watches = new Map<string, T>();
  #made = 0;

  get size(): number {
    return this.#watches.size;
  }

  /** A ref that no watch of this provider had. */
  nextRef(): string {
    this.#made += 1;
    return `watch-${this.#made}`;
  }

  add(watch: T): void {
    this.#watches.set(watch.ref, watch);
  }

  remove(watch: T): void {
    this.#watches.delete(watch.ref);
  }

  /** @throws WatchNotFoundError */
  require(ref: string): T {
    const watch = this.#watches.get(ref);
    if (watch === undefined) {
      throw new WatchNotFoundError(`Watch not found: ${ref}: it was stopped, or it belongs to another state`);
    }
    return watch;
  }

  all(): T[] {
    return [...this.#watches.values()];
  }
}

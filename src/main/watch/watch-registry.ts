/** Running watches by ref. Path: watchVariables -> [watch registry] -> unwatchVariables, listWatchers, close. */
import { WatchNotFoundError } from '../../shared/errors.js';

/** `handle`: as its maker holds it. */
export class WatchRegistry<T extends { readonly ref: string; readonly handle: object }> {
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

  remove({ ref }: { readonly ref: string }): void {
    this.#watches.delete(ref);
  }

  /** With a handle it is that of the watch: every state counts its refs from 1. @throws WatchNotFoundError */
  require(ref: string, handle?: object): T {
    const watch = this.#watches.get(ref);
    if (watch === undefined || (handle !== undefined && watch.handle !== handle)) {
      throw new WatchNotFoundError(`Watch not found: ${ref}: it was stopped, or it belongs to another state`);
    }
    return watch;
  }

  all(): T[] {
    return [...this.#watches.values()];
  }
}

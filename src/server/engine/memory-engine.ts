/** Keeps commits no longer than the process: what is committed is kept when the call returns. Path: session store -> [memory engine] -> observer manager. */
import type { Commit, Engine } from './engine.js';

export class MemoryEngine implements Engine {
  readonly #subscribers = new Set<(commit: Commit) => void>();

  commit(commit: Commit): undefined {
    for (const subscriber of this.#subscribers) subscriber(commit);
  }

  subscribe(subscriber: (commit: Commit) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }
}

/** What keeps commits. The memory engine keeps nothing beyond the process; one that does answers with a promise. */
import type { Change } from '../../shared/state/variable.js';

/** One commit: all of it is kept, or none. */
export interface Commit {
  readonly sessionId: string;
  /**
   * In the order they were made; those of an atomic batch share a revision. The value of a map or list whose JSON has more than 64 KB is
   * an object whose `bytes` are that text, in UTF-8.
   */
  readonly changes: readonly Change[];
}

/**
 * Keeps commits, and tells those who subscribed once they are kept: a set is acknowledged and published only then.
 * Loading and reading back come with the first engine that outlives its process: nothing would use them today.
 */
export interface Engine {
  /**
   * Undefined: it is kept now, and subscribers were told during the call. A promise: it resolves when it is kept, in the order of the
   * calls, and subscribers are told right before. It rejects when it may not be kept: the caller hears that the outcome is unknown.
   */
  commit(commit: Commit): Promise<void> | undefined;
  /** Tells every kept commit, in order. Returns how to stop it. */
  subscribe(subscriber: (commit: Commit) => void): () => void;
}

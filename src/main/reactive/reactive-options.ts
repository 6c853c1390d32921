/** What a caller may say to the reactive helpers. */
import type { Signal } from '../../shared/signal.js';

export interface ReactiveOptions {
  /**
   * Told what a callback or a computing function throws, which set was refused, and why the watch failed. Without it these are process
   * warnings.
   */
  readonly onError?: (error: Error) => unknown;
  /** Closes it when it aborts. */
  readonly signal?: Signal;
  /** Closes it when this exits, closes or is garbage-collected. */
  readonly owner?: object;
}

export interface WaitOptions {
  /** Ms until DeadlineExceededError; default 0 = wait for ever. */
  readonly timeoutMs?: number;
  readonly signal?: Signal;
}

/**
 * A value that shall stand at its variable: set, and set again while what keeps it from standing there passes by itself. Path: derived variable ->
 * [written value] -> set. Slow: one set at a time, less and less often. Closed: one that is on its way is waited for, and none comes behind it.
 */
import { BridgeError } from '../../shared/errors.js';
import { clearTimeout, setTimeout } from '../../shared/platform-timers.js';
import { Backoff } from '../../shared/resilience/backoff.js';
import { systemRandom } from '../../shared/system-clock.js';

export class WrittenValue {
  /** Resolves when the value stands there, is refused for itself, or is given up. */
  readonly done: Promise<void>;
  readonly #set: () => Promise<unknown>;
  readonly #tell: (error: Error) => void;
  #isGivenUp = false;
  #wake: (() => void) | undefined;

  /** `tell`: of a failure, once for what fails the same way again and again. */
  constructor(set: () => Promise<unknown>, tell: (error: Error) => void) {
    this.#set = set;
    this.#tell = tell;
    this.done = this.#write();
  }

  /** Another value shall stand there, or none. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#wake?.();
  }

  async #write(): Promise<void> {
    let told: unknown;
    for (let backoff = new Backoff(AGAIN); ; backoff = backoff.next()) {
      const failure = await this.#setOnce();
      if (failure === undefined) return;
      const reason = failure instanceof BridgeError ? failure.code : failure;
      if (reason !== told) this.#tell(failure);
      told = reason;
      if (this.#isGivenUp || !PASSING.has(reason)) return;
      await this.#pause(backoff.delayMs(systemRandom));
      if (this.#isGivenUp) return;
    }
  }

  async #setOnce(): Promise<Error | undefined> {
    try {
      await this.#set();
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      // It holds no process that has nothing else to do.
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const AGAIN = { baseMs: 500, factor: 2, capMs: 30_000, jitter: 1, spreadMs: 100 };
/** Codes of what is no fault of the value: the server or its engine is away or full, or the variable has yet to be registered. */
const PASSING: ReadonlySet<unknown> = new Set([
  ...['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'UNKNOWN_OUTCOME', 'ENGINE_UNAVAILABLE', 'STORAGE_FULL', 'QUOTA_EXCEEDED'],
  ...['VARIABLE_NOT_FOUND', 'SESSION_NOT_FOUND'],
]);

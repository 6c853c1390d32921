/**
 * Something that a watch reaches, as a promise that is made when somebody asks for it. Path: watch -> [milestone] -> `await watch.synced`.
 * A watch that nobody asks keeps no promise and, at its end, makes no error: an error holds what was on the stack when it was made.
 */
export class Milestone {
  #isReached = false;
  #failure: (() => Error) | undefined;
  #promise: Promise<void> | undefined;
  #resolve: () => void = nothing;
  #reject: (error: Error) => void = nothing;

  get isReached(): boolean {
    return this.#isReached;
  }

  /** Whoever has it may leave its rejection alone. */
  get promise(): Promise<void> {
    if (this.#promise === undefined) {
      this.#promise = new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
      this.#promise.catch(nothing);
      if (this.#isReached) this.#resolve();
      else if (this.#failure !== undefined) this.#reject(this.#failure());
    }
    return this.#promise;
  }

  handleReached(): void {
    if (this.#failure !== undefined) return;
    this.#isReached = true;
    this.#resolve();
  }

  /** It will not be reached any more, unless it was; `failure` makes the error that says why. */
  handleOver(failure: () => Error): void {
    if (this.#isReached || this.#failure !== undefined) return;
    this.#failure = failure;
    if (this.#promise !== undefined) this.#reject(failure());
  }

  /** It has to be reached again: by a new promise. One that was not reached goes on. */
  reset(): void {
    if (!this.#isReached) return;
    this.#isReached = false;
    this.#promise = undefined;
    this.#resolve = nothing;
    this.#reject = nothing;
  }
}

function nothing(): void {
  // Said elsewhere, or nobody waits.
}

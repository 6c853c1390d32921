/**
 * Something that a watch reaches, as a promise that is made when somebody asks for it. Path: watch -> [milestone] -> `await watch.synced`.
 * A watch that nobody asks keeps no promise and, at its end, makes no error: an error holds what was on the stack when it was made.
 */
export class Milestone {
  /** Reached, or what makes the error that says why it will not be. */
  #end: 'reached' | (() => Error) | undefined;
  #promise: Promise<void> | undefined;
  /** Of the promise, until it is settled: closures that would stay as long as the watch. */
  #settlers: Settlers | undefined;

  get isReached(): boolean {
    return this.#end === 'reached';
  }

  /** Whoever has it may leave its rejection alone. */
  get promise(): Promise<void> {
    if (this.#promise === undefined) {
      this.#promise = new Promise<void>((resolve, reject) => {
        this.#settlers = { resolve, reject };
      });
      this.#promise.catch(nothing);
      this.#settle();
    }
    return this.#promise;
  }

  handleReached(): void {
    if (this.#end !== undefined) return;
    this.#end = 'reached';
    this.#settle();
  }

  /** It will not be reached any more, unless it was; `failure` makes the error that says why. */
  handleOver(failure: () => Error): void {
    if (this.#end !== undefined) return;
    this.#end = failure;
    this.#settle();
  }

  /** It has to be reached again: by a new promise. One that was not reached goes on. */
  reset(): void {
    if (!this.isReached) return;
    this.#end = undefined;
    this.#promise = undefined;
  }

  #settle(): void {
    if (this.#settlers === undefined || this.#end === undefined) return;
    if (this.#end === 'reached') this.#settlers.resolve();
    else this.#settlers.reject(this.#end());
    this.#settlers = undefined;
  }
}

interface Settlers {
  resolve(): void;
  reject(error: Error): void;
}

function nothing(): void {
  // Said elsewhere, or nobody waits.
}

/**
 * Something that a watch reaches, as a promise that is made when somebody asks for it. Path: watch -> [milestone] -> `await watch.synced`.
 * A watch that nobody asks keeps no promise and, at its end, makes no error: an error holds what was on the stack when it was made.
 */
export class Milestone {
  /** Reached, or what makes the error that says why it will not be. */
  #end: 'reached' | (() => Error) | undefined;
  #asked: Asked | undefined;

  get isReached(): boolean {
    return this.#end === 'reached';
  }

  /** Whoever has it may leave its rejection alone. */
  get promise(): Promise<void> {
    if (this.#asked === undefined) {
      this.#asked = ask();
      this.#settle();
    }
    return this.#asked.promise;
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
    this.#asked = undefined;
  }

  #settle(): void {
    if (this.#asked === undefined || this.#end === undefined) return;
    if (this.#end === 'reached') this.#asked.resolve();
    else this.#asked.reject(this.#end());
  }
}

interface Asked {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

function ask(): Asked {
  let resolve: () => void = nothing;
  let reject: (error: Error) => void = nothing;
  const promise = new Promise<void>((...settlers) => {
    [resolve, reject] = settlers;
  });
  promise.catch(nothing);
  return { promise, resolve, reject };
}

function nothing(): void {
  // Said elsewhere, or nobody waits.
}

/**
 * What names of a session stand for while that changes: registrations and deletions that were asked for and are not kept, or refused, yet. Path:
 * session -> [names under way] -> unary calls, links: what names one of them waits. Bounded by what its engine lets wait.
 */

export class NamesUnderWay {
  /** By name and by id: when the last of them is over. */
  readonly #last = new Map<string, Promise<void>>();

  add({ name, id }: { readonly name: string; readonly id: string }, outcome: Promise<unknown>): void {
    const over = outcome.then(ignore, ignore);
    for (const identifier of [name, id]) {
      this.#last.set(identifier, over);
      void over.then(() => {
        if (this.#last.get(identifier) === over) this.#last.delete(identifier);
      });
    }
  }

  /** Undefined: it stands for what it stood for. */
  whenKept(identifier: string): Promise<void> | undefined {
    return this.#last.get(identifier);
  }
}

function ignore(): void {
  // Said by whoever asked.
}

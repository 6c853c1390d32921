/**
 * Keeps the order of a connection's calls when one of them goes on in later turns. Path: HTTP/2 -> [connection lines] -> handlers.
 * Reads that wait for what was asked before them wait together; what changes something waits for them, and reads behind that for it.
 * Empty while every call is done in its turn, and then nothing is looked up. Bounded by the requests that are under way.
 */

interface HeldLine {
  readonly whenFree: Promise<void>;
  /** Nothing else holds it. */
  readonly isOfReads: boolean;
}

export class ConnectionLines {
  readonly #held = new Map<string, HeldLine>();
  /** Calls that are no reads and wait, by connection: no read goes past them. */
  readonly #waiting = new Map<string, number>();

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /** Undefined: it is free. */
  heldBy(connection: string, isRead = false): Promise<void> | undefined {
    const line = this.#held.get(connection);
    if (isRead && line?.isOfReads === true && !this.#waiting.has(connection)) return undefined;
    return line?.whenFree;
  }

  /** `go` once it is free, in the turn in which that is found: the one before it may hold the line again, and one behind it may not come first. */
  async whenFree<T>(connection: string, isRead: boolean, go: () => T): Promise<Awaited<T>> {
    let held = this.heldBy(connection, isRead);
    if (held !== undefined) {
      const waiting = this.#waiting;
      if (!isRead) waiting.set(connection, (waiting.get(connection) ?? 0) + 1);
      for (; held !== undefined; held = this.heldBy(connection, isRead)) await held;
      if (!isRead) {
        const left = waiting.get(connection)! - 1;
        if (left > 0) waiting.set(connection, left);
        else waiting.delete(connection);
      }
    }
    return await go();
  }

  /** Later calls of the connection wait until what is returned is called. A second one that holds it meanwhile is waited for too. */
  hold(connection: string, isRead = false): () => void {
    const before = this.#held.get(connection);
    let release: () => void = () => undefined;
    const own = new Promise<void>((resolve) => {
      release = resolve;
    });
    const line: HeldLine = {
      whenFree: before === undefined ? own : Promise.all([before.whenFree, own]).then(() => undefined),
      isOfReads: isRead && before?.isOfReads !== false,
    };
    this.#held.set(connection, line);
    void line.whenFree.then(() => {
      if (this.#held.get(connection) === line) this.#held.delete(connection);
    });
    return release;
  }
}

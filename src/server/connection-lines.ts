/**
 * Keeps the order of a connection's calls when one of them goes on in later turns. Path: HTTP/2 -> [connection lines] -> handlers.
 * Empty while every call is done in its turn, and then nothing is looked up. Bounded by the requests that are under way.
 */

export class ConnectionLines {
  readonly #held = new Map<string, Promise<void>>();

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /** Undefined: it is free. Who waits asks again afterwards, in its own loop: the one before it may hold the line then. */
  heldBy(connection: string): Promise<void> | undefined {
    return this.#held.get(connection);
  }

  /** Later calls of the connection wait until what is returned is called. A second one that holds it meanwhile is waited for too. */
  hold(connection: string): () => void {
    const before = this.#held.get(connection);
    let release: () => void = () => undefined;
    const own = new Promise<void>((resolve) => {
      release = resolve;
    });
    const line = before === undefined ? own : Promise.all([before, own]).then(() => undefined);
    this.#held.set(connection, line);
    void line.then(() => {
      if (this.#held.get(connection) === line) this.#held.delete(connection);
    });
    return release;
  }
}

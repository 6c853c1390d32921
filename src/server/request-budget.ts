/** Bytes of requests that are not whole yet, or not answered: of each connection and of all. Path: HTTP/2 -> [request budget] -> admission. Full: the request that would be more is refused. */

export class RequestBudget {
  readonly #maxConnectionBytes: number;
  readonly #maxBytes: number;
  /** By connection, whatever names it. */
  readonly #connections = new Map<object, number>();
  #bytes = 0;

  constructor(maxConnectionBytes: number, maxBytes: number) {
    this.#maxConnectionBytes = maxConnectionBytes;
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined: there is room for them. Otherwise the option that says how much there may be; they count all the same until they are given back. */
  add(connection: object, bytes: number): 'maxConnectionRequestBytes' | 'maxRequestBytes' | undefined {
    const ofConnection = (this.#connections.get(connection) ?? 0) + bytes;
    this.#connections.set(connection, ofConnection);
    this.#bytes += bytes;
    if (ofConnection > this.#maxConnectionBytes) return 'maxConnectionRequestBytes';
    return this.#bytes > this.#maxBytes ? 'maxRequestBytes' : undefined;
  }

  giveBack(connection: object, bytes: number): void {
    this.#bytes -= bytes;
    const left = (this.#connections.get(connection) ?? 0) - bytes;
    if (left > 0) this.#connections.set(connection, left);
    else this.#connections.delete(connection);
  }
}

/**
 * Which endpoint is next: all in turn, starting with the first; then in the order that the server prefers which was reached last.
 * Path: a failed attempt -> [endpoint rotation] -> channel pool.
 */
export class EndpointRotation {
  /** By the user: they stay, whatever servers say. */
  readonly #given: readonly string[];
  #endpoints: readonly string[];
  #position = 0;
  /** That failed or broke in this round. */
  #misses = 0;
  /** A round has ended, and none was reached since. */
  #isBehindRound = false;

  constructor(endpoints: readonly string[]) {
    this.#given = endpoints;
    this.#endpoints = endpoints;
  }

  get current(): string {
    return this.#endpoints[this.#position]!;
  }

  /** How many there are to try. */
  get size(): number {
    return this.#endpoints.length;
  }

  /** The present one failed, or broke. Returns whether one is left that did not in this round; where none is, the next round begins. */
  advance(): boolean {
    this.#position = (this.#position + 1) % this.#endpoints.length;
    this.#misses += 1;
    if (this.#misses < this.#endpoints.length) return true;
    this.#misses = 0;
    this.#isBehindRound = true;
    return false;
  }

  /** The present one stands. Within a round that says little: one that stands and breaks at once must not keep it from its end. */
  handleReached(): void {
    if (this.#isBehindRound) this.#misses = 0;
    this.#isBehindRound = false;
  }

  /** The present one has stood for long: what happened before does not count. */
  handleLasting(): void {
    this.#misses = 0;
  }

  /** What the present one says of all servers; nothing where they do not say it. The next attempts go to those, then to others that were given. */
  handleServers(servers: readonly string[]): void {
    if (servers.length === 0) return;
    this.#endpoints = [...new Set([this.current, ...servers, ...this.#given])];
    this.#position = 0;
  }
}

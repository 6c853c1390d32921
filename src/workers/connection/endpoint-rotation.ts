/** Which endpoint is next: all in turn, starting with the first. Path: a failed attempt -> [endpoint rotation] -> channel pool. */
export class EndpointRotation {
  readonly #endpoints: readonly string[];
  #position = 0;

  constructor(endpoints: readonly string[]) {
    this.#endpoints = endpoints;
  }

  get current(): string {
    return this.#endpoints[this.#position]!;
  }

  /** How many there are to try. */
  get size(): number {
    return this.#endpoints.length;
  }

  advance(): void {
    this.#position = (this.#position + 1) % this.#endpoints.length;
  }
}

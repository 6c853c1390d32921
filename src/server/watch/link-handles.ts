/** The handles of one link: small numbers, given anew when nothing is addressed to them any more. Path: link feed -> [link handles]. */
export class LinkHandles {
  readonly #free: number[] = [];
  #next = 0;

  take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    this.#next += 1;
    return this.#next - 1;
  }

  giveBack(handle: number): void {
    this.#free.push(handle);
  }
}

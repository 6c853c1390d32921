/**
 * What is due first, of many whose time moves: a binary heap whose entries know their place. Adding, moving and removing are O(log n).
 * Full: cannot be; it holds what its owner holds.
 */
export interface HeapEntry {
  dueAtMs: number;
  /** Where it stands, or -1; written by the heap. */
  heapPlace: number;
}

export class DueHeap<T extends HeapEntry> {
  readonly #entries: T[] = [];

  get size(): number {
    return this.#entries.length;
  }

  get first(): T | undefined {
    return this.#entries[0];
  }

  /** Adds `entry`, or moves it. */
  schedule(entry: T, dueAtMs: number): void {
    if (entry.heapPlace < 0) {
      entry.dueAtMs = dueAtMs;
      entry.heapPlace = this.#entries.length;
      this.#entries.push(entry);
      this.#rise(entry);
      return;
    }
    const isSooner = dueAtMs < entry.dueAtMs;
    entry.dueAtMs = dueAtMs;
    if (isSooner) this.#rise(entry);
    else this.#sink(entry);
  }

  remove(entry: T): void {
    const place = entry.heapPlace;
    if (place < 0) return;
    entry.heapPlace = -1;
    const last = this.#entries.pop()!;
    if (last === entry) return;
    this.#put(last, place);
    this.#rise(last);
    this.#sink(last);
  }

  #rise(entry: T): void {
    let place = entry.heapPlace;
    const { dueAtMs } = entry;
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = this.#entries[parentPlace]!;
      if (parent.dueAtMs <= dueAtMs) break;
      this.#put(parent, place);
      place = parentPlace;
    }
    this.#put(entry, place);
  }

  #sink(entry: T): void {
    let place = entry.heapPlace;
    const { dueAtMs } = entry;
    for (;;) {
      let childPlace = 2 * place + 1;
      let child = this.#entries[childPlace];
      if (child === undefined) break;
      const other = this.#entries[childPlace + 1];
      if (other !== undefined && other.dueAtMs < child.dueAtMs) {
        child = other;
        childPlace += 1;
      }
      if (child.dueAtMs >= dueAtMs) break;
      this.#put(child, place);
      place = childPlace;
    }
    this.#put(entry, place);
  }

  #put(entry: T, place: number): void {
    this.#entries[place] = entry;
    entry.heapPlace = place;
  }
}

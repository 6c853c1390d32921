/**
 * A map that most often holds one entry, and then costs no table. Path: [small map] in every watch, at both ends of a port.
 * Its order is that in which keys were set, as a Map's; an entry that is set while it is walked through is met, too.
 */
export class SmallMap<K, V> {
  #key: K | undefined;
  #value: V | undefined;
  #hasOne = false;
  /** From the second entry on, for good. */
  #all: Map<K, V> | undefined;

  get size(): number {
    return this.#all === undefined ? Number(this.#hasOne) : this.#all.size;
  }

  get(key: K): V | undefined {
    if (this.#all !== undefined) return this.#all.get(key);
    return this.#hasOne && this.#key === key ? this.#value : undefined;
  }

  has(key: K): boolean {
    if (this.#all !== undefined) return this.#all.has(key);
    return this.#hasOne && this.#key === key;
  }

  set(key: K, value: V): this {
    if (this.#all !== undefined) this.#all.set(key, value);
    else if (!this.#hasOne || this.#key === key) this.#setOne(key, value);
    else {
      this.#all = new Map([
        [this.#key as K, this.#value as V],
        [key, value],
      ]);
      this.#forgetOne();
    }
    return this;
  }

  delete(key: K): boolean {
    if (this.#all !== undefined) return this.#all.delete(key);
    if (!this.has(key)) return false;
    this.#forgetOne();
    return true;
  }

  clear(): void {
    this.#forgetOne();
    this.#all?.clear();
  }

  *entries(): IterableIterator<[K, V]> {
    let isFirst = true;
    if (this.#hasOne) {
      yield [this.#key as K, this.#value as V];
      isFirst = false;
    }
    if (this.#all === undefined) return;
    // It grew meanwhile, and the first was met already.
    for (const entry of this.#all) {
      if (isFirst) yield entry;
      isFirst = true;
    }
  }

  *keys(): IterableIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  #setOne(key: K, value: V): void {
    this.#key = key;
    this.#value = value;
    this.#hasOne = true;
  }

  #forgetOne(): void {
    this.#key = undefined;
    this.#value = undefined;
    this.#hasOne = false;
  }
}

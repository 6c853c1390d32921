/** Members by key, where most keys have one: a set around each would cost more than what it holds. Path: observer manager, link session -> [one or many]. */

export class OneOrMany<K, T extends object> {
  readonly #byKey = new Map<K, T | Set<T>>();

  /** Keys. */
  get size(): number {
    return this.#byKey.size;
  }

  count(key: K): number {
    const members = this.#byKey.get(key);
    if (members === undefined) return 0;
    return members instanceof Set ? members.size : 1;
  }

  /** False when it is there already. */
  add(key: K, member: T): boolean {
    const members = this.#byKey.get(key);
    if (members === undefined) this.#byKey.set(key, member);
    else if (!(members instanceof Set)) {
      if (members === member) return false;
      this.#byKey.set(key, new Set([members, member]));
    } else {
      if (members.has(member)) return false;
      members.add(member);
    }
    return true;
  }

  /** False when it is not there. */
  remove(key: K, member: T): boolean {
    const members = this.#byKey.get(key);
    if (members instanceof Set) {
      if (!members.delete(member)) return false;
      if (members.size === 0) this.#byKey.delete(key);
      return true;
    }
    if (members !== member) return false;
    this.#byKey.delete(key);
    return true;
  }

  /** Returns how many there were. */
  removeAll(key: K): number {
    const count = this.count(key);
    this.#byKey.delete(key);
    return count;
  }

  /** Each that is there, those that come meanwhile too, none that has gone. */
  forEach(key: K, use: (member: T) => void): void {
    const members = this.#byKey.get(key);
    if (members === undefined) return;
    if (!(members instanceof Set)) {
      use(members);
      // It may have let another in.
      const now = this.#byKey.get(key);
      if (now instanceof Set) for (const member of now) if (member !== members) use(member);
      return;
    }
    for (const member of members) use(member);
  }
}

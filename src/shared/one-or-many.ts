/**
 * Members of which there is most often one: a set around it would cost more than what it holds. Path: [one or many] wherever much is watched by
 * little. `Members` stands in a field, as the listeners of an `Audience` do; `OneOrMany` has them by key.
 */

/** None, one, or many. */
export type Members<T> = T | Set<T> | undefined;

export function countOf<T>(members: Members<T>): number {
  if (members === undefined) return 0;
  return members instanceof Set ? members.size : 1;
}

export function hasMember<T>(members: Members<T>, member: T): boolean {
  return members instanceof Set ? members.has(member) : members === member;
}

/** With one that was not there. */
export function withMember<T>(members: Members<T>, member: T): Members<T> {
  if (members === undefined) return member;
  return members instanceof Set ? members.add(member) : new Set([members, member]);
}

/** Without one that was there. */
export function withoutMember<T>(members: Members<T>, member: T): Members<T> {
  if (!(members instanceof Set)) return undefined;
  members.delete(member);
  return members.size === 0 ? undefined : members;
}

/** Has its listeners in a field of its own. */
export interface Audience<T> {
  listeners: Members<T>;
}

/** False when it is there already. */
export function addListener<T>(audience: Audience<T>, listener: T): boolean {
  if (hasMember(audience.listeners, listener)) return false;
  audience.listeners = withMember(audience.listeners, listener);
  return true;
}

/** False when it is not there. */
export function removeListener<T>(audience: Audience<T>, listener: T): boolean {
  if (!hasMember(audience.listeners, listener)) return false;
  audience.listeners = withoutMember(audience.listeners, listener);
  return true;
}

/** Returns how many there were. */
export function removeListeners<T>(audience: Audience<T>): number {
  const count = countOf(audience.listeners);
  audience.listeners = undefined;
  return count;
}

/** Each that is there, those that come meanwhile too, none that has gone. */
export function forEachListener<T>(audience: Audience<T>, use: (listener: T) => void): void {
  const { listeners } = audience;
  if (listeners === undefined) return;
  if (listeners instanceof Set) {
    for (const listener of listeners) use(listener);
    return;
  }
  use(listeners);
  // It may have let another in.
  const now = audience.listeners;
  if (now instanceof Set) for (const listener of now) if (listener !== listeners) use(listener);
}

export class OneOrMany<K, T> {
  readonly #byKey = new Map<K, T | Set<T>>();

  /** Keys. */
  get size(): number {
    return this.#byKey.size;
  }

  count(key: K): number {
    return countOf(this.#byKey.get(key));
  }

  has(key: K, member: T): boolean {
    return hasMember(this.#byKey.get(key), member);
  }

  /** False when it is there already. */
  add(key: K, member: T): boolean {
    const members = this.#byKey.get(key);
    if (hasMember(members, member)) return false;
    this.#put(key, members, withMember(members, member));
    return true;
  }

  /** False when it is not there. */
  remove(key: K, member: T): boolean {
    const members = this.#byKey.get(key);
    if (!hasMember(members, member)) return false;
    this.#put(key, members, withoutMember(members, member));
    return true;
  }

  /** Returns how many there were. */
  removeAll(key: K): number {
    const count = this.count(key);
    this.#byKey.delete(key);
    return count;
  }

  /** Those that are there: one that goes or comes meanwhile may or may not be among them. */
  of(key: K): Iterable<T> {
    const members = this.#byKey.get(key);
    if (members === undefined) return NOBODY;
    return members instanceof Set ? members : [members];
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

  #put(key: K, before: Members<T>, members: Members<T>): void {
    if (members === undefined) this.#byKey.delete(key);
    else if (members !== before) this.#byKey.set(key, members);
  }
}

const NOBODY: readonly never[] = [];

/**
 * As `OneOrMany`, of any number of keys: V8 copies a map at once when it doubles, which holds a loop up for 50 ms at 300,000 keys. What is added goes to
 * the first shelf with room, so that a key's members may lie on several.
 */
export class ShelvedMany<K, T> {
  readonly #shelves: OneOrMany<K, T>[] = [];
  readonly #keysAShelf: number;

  constructor(keysAShelf = KEYS_A_SHELF) {
    this.#keysAShelf = keysAShelf;
  }

  get shelves(): number {
    return this.#shelves.length;
  }

  /** One that is not there. */
  add(key: K, member: T): void {
    let shelf = this.#shelves.find(({ size }) => size < this.#keysAShelf);
    if (shelf === undefined) {
      shelf = new OneOrMany();
      this.#shelves.push(shelf);
    }
    shelf.add(key, member);
  }

  remove(key: K, member: T): void {
    const at = this.#shelves.findIndex((shelf) => shelf.remove(key, member));
    if (at !== -1 && this.#shelves[at]!.size === 0) this.#shelves.splice(at, 1);
  }

  *of(key: K): Generator<T> {
    for (const shelf of this.#shelves) yield* shelf.of(key);
  }
}

/** A few milliseconds of copying. */
const KEYS_A_SHELF = 1 << 16;

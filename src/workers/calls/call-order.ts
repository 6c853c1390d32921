/**
 * Calls of one state in the order that they were made, variable by variable: a call starts when every earlier one that names a variable of its own has ended.
 * Path: name gate -> [call order] -> unary calls. HTTP/2 streams of one connection may overtake each other in a server; sets of one variable must not.
 * Full: `limit` waiting calls, then one more is refused. Closed: as calls fail on the closed connection, those behind them start and fail likewise.
 */

export interface QueuedCall {
  /** Variables that it names; none = goes at once. */
  readonly identifiers: readonly string[];
  start(): void;
}

interface Entry<T> {
  readonly call: T;
  readonly names: readonly string[];
  /** Earlier calls that it waits for. */
  blockers: number;
  readonly followers: Entry<T>[];
}

export class CallOrder<T extends QueuedCall> {
  readonly #limit: number;
  /** The last call of each variable. */
  readonly #tails = new Map<string, Entry<T>>();
  readonly #entries = new Map<T, Entry<T>>();
  readonly #idle: (() => void)[] = [];
  /** The last call of which nobody knows what it names: it may be any variable. */
  #barrier: Entry<T> | undefined;
  #waiting = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Starts it now or later. False when the queue is full, unless it was promised a place: then it is not in it.
   */
  push(call: T, names: readonly string[] = call.identifiers, hasPlace = false): boolean {
    const earlier = new Set<Entry<T>>();
    for (const identifier of names) {
      const tail = this.#tails.get(identifier);
      if (tail !== undefined) earlier.add(tail);
    }
    if (this.#barrier !== undefined && names.length > 0) earlier.add(this.#barrier);
    if (earlier.size > 0 && this.#waiting >= this.#limit && !hasPlace) return false;
    this.#append(call, names, earlier);
    return true;
  }

  /** Nobody knows what it names: it waits for every earlier call, and every later one that names a variable waits for it. It has its place. */
  pushUnknown(call: T): void {
    this.#barrier = this.#append(call, [], new Set(this.#entries.values()));
  }

  /** It was answered, or failed: those that waited for it may start. */
  handleEnd(call: T): void {
    const entry = this.#entries.get(call);
    if (entry === undefined) return;
    this.#entries.delete(call);
    if (this.#barrier === entry) this.#barrier = undefined;
    for (const name of entry.names) {
      if (this.#tails.get(name) === entry) this.#tails.delete(name);
    }
    for (const follower of entry.followers) {
      follower.blockers -= 1;
      if (follower.blockers > 0) continue;
      this.#waiting -= 1;
      follower.call.start();
    }
    if (this.#entries.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Resolves when no call is left. */
  whenIdle(): Promise<void> {
    return this.#entries.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  #append(call: T, names: readonly string[], earlier: ReadonlySet<Entry<T>>): Entry<T> {
    const entry: Entry<T> = { call, names, blockers: earlier.size, followers: [] };
    for (const blocker of earlier) blocker.followers.push(entry);
    for (const name of names) this.#tails.set(name, entry);
    this.#entries.set(call, entry);
    if (entry.blockers > 0) this.#waiting += 1;
    else call.start();
    return entry;
  }
}

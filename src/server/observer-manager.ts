/**
 * Who wants to know of a change. Path: session store -> engine -> [observer manager] -> stream outbox.
 * Knows neither streams nor gRPC. Slow observers are their own matter: `handleChange` only takes in. One that throws is counted,
 * unregistered and told; the others get theirs. Full: holds what its observers registered; the server's maxStreams and maxMessageBytes bound that.
 */
import type { Logger } from '../shared/logger.js';
import type { Change, Variable } from '../shared/state/variable.js';

/** A change on its way to its observers, shared by all of them. */
export class PublishedChange {
  readonly change: Change;
  readonly atMs: number;
  /** The change encoded, once for all streams: written by the first that needs it. */
  bytes: Uint8Array | undefined = undefined;
  bytesWithOldValue: Uint8Array | undefined = undefined;

  readonly #batch: readonly Change[];
  readonly #place: number;

  /** `batch`: what was committed together, `change` at its `place`. */
  constructor(change: Change, atMs: number, batch: readonly Change[] = [], place = 0) {
    this.change = change;
    this.atMs = atMs;
    this.#batch = batch;
    this.#place = place;
  }

  /** Whether a later change of the same revision is one of a variable that `observes` knows. */
  isFollowedBy(observes: ReadonlyMap<Variable, unknown>): boolean {
    const { revision } = this.change.current;
    for (let place = this.#place + 1; place < this.#batch.length; place += 1) {
      const { current, variable } = this.#batch[place]!;
      if (current.revision !== revision) return false;
      if (observes.has(variable)) return true;
    }
    return false;
  }
}

/** Told of every change of the variable it is registered for, the deletion too, by which it is unregistered. */
export interface Observer {
  handleChange(published: PublishedChange): void;
  /** It threw, and is no longer registered. */
  handleFailure(error: unknown): void;
}

/** Told of variables when they are registered, before the change is published: it may register an observer for it and gets the change. */
export interface NewcomerObserver {
  handleNewcomer(variable: Variable): void;
  handleFailure(error: unknown): void;
}

/** A newcomer observer for every name that fits. */
export interface PatternObserver extends NewcomerObserver {
  matches(name: string): boolean;
}

interface Waiting {
  readonly byName: Map<string, Set<NewcomerObserver>>;
  readonly patterns: Set<PatternObserver>;
}

export class ObserverManager {
  readonly #logger: Logger;
  readonly #observers = new Map<Variable, Set<Observer>>();
  readonly #waiting = new Map<string, Waiting>();
  #size = 0;
  #published = 0;
  #delivered = 0;
  #failed = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Registered observers, waiting ones and patterns included. */
  get size(): number {
    return this.#size;
  }

  /** Changes published so far. */
  get published(): number {
    return this.#published;
  }

  /** Changes times observers that took them. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Observers that threw. */
  get failed(): number {
    return this.#failed;
  }

  /** Observers of one variable. */
  observersOf(variable: Variable): number {
    return this.#observers.get(variable)?.size ?? 0;
  }

  register(variable: Variable, observer: Observer): void {
    this.#size += addTo(this.#observers, variable, observer);
  }

  /** False when it was not registered, or no longer. */
  unregister(variable: Variable, observer: Observer): boolean {
    const removed = removeFrom(this.#observers, variable, observer);
    this.#size -= removed;
    return removed === 1;
  }

  /** Waits for a variable of this name in the session. */
  registerName(sessionId: string, name: string, observer: NewcomerObserver): void {
    this.#size += addTo(this.#waitingIn(sessionId).byName, name, observer);
  }

  unregisterName(sessionId: string, name: string, observer: NewcomerObserver): void {
    const waiting = this.#waiting.get(sessionId);
    if (waiting === undefined) return;
    this.#size -= removeFrom(waiting.byName, name, observer);
    this.#forgetIfEmpty(sessionId, waiting);
  }

  registerPattern(sessionId: string, observer: PatternObserver): void {
    const { patterns } = this.#waitingIn(sessionId);
    if (patterns.has(observer)) return;
    patterns.add(observer);
    this.#size += 1;
  }

  unregisterPattern(sessionId: string, observer: PatternObserver): void {
    const waiting = this.#waiting.get(sessionId);
    if (waiting?.patterns.delete(observer) !== true) return;
    this.#size -= 1;
    this.#forgetIfEmpty(sessionId, waiting);
  }

  /** `batch`: what was committed together, `change` at its `place`. */
  publish(sessionId: string, change: Change, nowMs: number, batch?: readonly Change[], place?: number): void {
    this.#published += 1;
    const { variable } = change;
    if (change.previous === undefined) this.#announce(sessionId, variable);
    const observers = this.#observers.get(variable);
    if (observers === undefined) return;
    const published = new PublishedChange(change, nowMs, batch, place);
    for (const observer of observers) {
      try {
        observer.handleChange(published);
        this.#delivered += 1;
      } catch (error) {
        this.unregister(variable, observer);
        this.#handleFailure(observer, variable, error);
      }
    }
    if (change.reason !== undefined && this.#observers.delete(variable)) this.#size -= observers.size;
  }

  #announce(sessionId: string, variable: Variable): void {
    const waiting = this.#waiting.get(sessionId);
    if (waiting === undefined) return;
    const named = waiting.byName.get(variable.name);
    if (named !== undefined) {
      // It has come: nobody waits for it any more.
      waiting.byName.delete(variable.name);
      this.#size -= named.size;
      this.#forgetIfEmpty(sessionId, waiting);
      for (const observer of named) this.#introduce(observer, variable);
    }
    for (const observer of waiting.patterns) if (observer.matches(variable.name)) this.#introduce(observer, variable);
  }

  #introduce(observer: NewcomerObserver, variable: Variable): void {
    try {
      observer.handleNewcomer(variable);
    } catch (error) {
      this.#handleFailure(observer, variable, error);
    }
  }

  #handleFailure(observer: Observer | NewcomerObserver, variable: Variable, error: unknown): void {
    this.#failed += 1;
    this.#logger.warn({ error, variable: variable.name }, 'an observer failed and was unregistered');
    try {
      observer.handleFailure(error);
    } catch (second) {
      this.#logger.warn({ error: second, variable: variable.name }, 'an observer failed again when it was told so');
    }
  }

  #waitingIn(sessionId: string): Waiting {
    let waiting = this.#waiting.get(sessionId);
    if (waiting === undefined) {
      waiting = { byName: new Map(), patterns: new Set() };
      this.#waiting.set(sessionId, waiting);
    }
    return waiting;
  }

  #forgetIfEmpty(sessionId: string, waiting: Waiting): void {
    if (waiting.byName.size === 0 && waiting.patterns.size === 0) this.#waiting.delete(sessionId);
  }
}

/** 1 when it is new. */
function addTo<K, T>(sets: Map<K, Set<T>>, key: K, member: T): number {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([member]));
  else if (set.has(member)) return 0;
  else set.add(member);
  return 1;
}

/** 1 when it was there. */
function removeFrom<K, T>(sets: Map<K, Set<T>>, key: K, member: T): number {
  const set = sets.get(key);
  if (set === undefined || !set.delete(member)) return 0;
  if (set.size === 0) sets.delete(key);
  return 1;
}

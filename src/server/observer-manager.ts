/**
 * Who wants to know of a change. Path: session store -> engine -> [observer manager] -> watch.
 * Conditions are asked here, each once a change and variable (condition index): who does not want a change does not hear of it.
 * Knows neither streams nor gRPC. Slow observers are their own matter: `handleChange` only takes in. One that throws is counted,
 * unregistered and told; the others get theirs. Full: holds what its observers registered; the server's maxStreams and maxMessageBytes bound that.
 */
import type { AskedCondition } from '../shared/delivery/condition-text.js';
import { QuotaExceededError } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import type { Audience } from '../shared/one-or-many.js';
import {
  addListener,
  countOf,
  forEachListener,
  OneOrMany,
  removeListener,
  removeListeners,
} from '../shared/one-or-many.js';
import type { Change, Variable } from '../shared/state/variable.js';
import { compileWildcard } from '../shared/values/identifier.js';
import type { EncodedValue } from '../shared/values/value-codec.js';
import type { SharedChange } from '../shared/wire/update-encoder.js';
import { ConditionIndex } from './watch/condition-index.js';
import type { ChangeFollower } from './watch/kept-marks.js';

/** Told when all of an atomic batch is published. */
export interface BatchHolder {
  handleBatchEnd(nowMs: number): void;
}

/** An atomic batch on its way to its observers. */
export class PublishedBatch {
  #holders: BatchHolder[] = [];

  /** Tells it once, at the end of this batch. */
  hold(holder: BatchHolder): void {
    this.#holders.push(holder);
  }

  end(nowMs: number): void {
    const holders = this.#holders;
    this.#holders = [];
    for (const holder of holders) holder.handleBatchEnd(nowMs);
  }
}

/** A change on its way to its observers, shared by all of them. */
export class PublishedChange implements SharedChange {
  readonly change: Change;
  readonly atMs: number;
  /** The batch that goes on behind this change with the same revision; undefined for the last of one, and for a change alone. */
  readonly batch: PublishedBatch | undefined;
  /** The change encoded, once for all streams: written by the first that needs it. */
  bytes: Uint8Array | undefined = undefined;
  bytesWithOldValue: Uint8Array | undefined = undefined;
  encoded: EncodedValue | undefined = undefined;
  encodedBefore: EncodedValue | undefined = undefined;

  constructor(change: Change, atMs: number, batch: PublishedBatch | undefined = undefined) {
    this.change = change;
    this.atMs = atMs;
    this.batch = batch;
  }

  /** Lets go of encoded bytes that would be held by every slow watch beside the value itself. */
  letGoOfLarge(): void {
    if ((this.bytes?.length ?? 0) > LARGE_BYTES) this.bytes = undefined;
    if ((this.bytesWithOldValue?.length ?? 0) > LARGE_BYTES) this.bytesWithOldValue = undefined;
    if (isLarge(this.encoded)) this.encoded = undefined;
    if (isLarge(this.encodedBefore)) this.encodedBefore = undefined;
  }
}

/** Told of every change of the variable it is registered for that its condition lets through, the deletion too, by which it is unregistered. */
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

interface Waiting {
  readonly byName: OneOrMany<string, NewcomerObserver>;
  /** By pattern: each is compared once, however many wait with it. */
  readonly patterns: Map<string, WaitingPattern>;
}

/** Those of one variable that have a condition. */
interface AskingObservers {
  readonly index: ConditionIndex<Observer>;
  /** Most have one, and an array that grows has room for many. */
  followers: ChangeFollower | ChangeFollower[] | undefined;
}

interface WaitingPattern {
  readonly matches: (name: string) => boolean;
  readonly observers: Set<NewcomerObserver>;
}

export class ObserverManager {
  readonly #logger: Logger;
  readonly #maxPatterns: number;
  readonly #asking = new Map<Variable, AskingObservers>();
  readonly #waiting = new Map<string, Waiting>();
  #size = 0;
  #published = 0;
  #delivered = 0;
  #failed = 0;

  /** `maxPatterns`: different ones of a session. */
  constructor(logger: Logger, maxPatterns: number = Number.POSITIVE_INFINITY) {
    this.#logger = logger;
    this.#maxPatterns = maxPatterns;
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
    return countOf(variable.listeners) + (this.#asking.get(variable)?.index.size ?? 0);
  }

  /** Different patterns that observers of a session wait with. */
  patternsOf(sessionId: string): number {
    return this.#waiting.get(sessionId)?.patterns.size ?? 0;
  }

  /** `asked`: what a change has to meet, by the value before it; the registration and the deletion are told whatever it says. */
  register(variable: Variable, observer: Observer, asked?: AskedCondition): void {
    const isAdded =
      asked === undefined
        ? addListener(observed(variable), observer)
        : this.#askingOf(variable).index.add(asked, observer);
    if (isAdded) this.#size += 1;
  }

  /** `asked` as it was registered. False when it was not, or no longer. */
  unregister(variable: Variable, observer: Observer, asked?: AskedCondition): boolean {
    const isRemoved =
      asked === undefined
        ? removeListener(observed(variable), observer)
        : this.#removeAsking(variable, observer, asked);
    if (isRemoved) this.#size -= 1;
    return isRemoved;
  }

  /** Tells one change of a variable that somebody observes with a condition, whether anybody wants it or not; the deletion is none. */
  followNext(variable: Variable, follower: ChangeFollower): void {
    const asking = this.#asking.get(variable);
    if (asking === undefined) return;
    const { followers } = asking;
    if (followers === undefined) asking.followers = follower;
    else if (Array.isArray(followers)) followers.push(follower);
    else asking.followers = [followers, follower];
  }

  /** Waits for a variable of this name in the session. */
  registerName(sessionId: string, name: string, observer: NewcomerObserver): void {
    if (this.#waitingIn(sessionId).byName.add(name, observer)) this.#size += 1;
  }

  unregisterName(sessionId: string, name: string, observer: NewcomerObserver): void {
    const waiting = this.#waiting.get(sessionId);
    if (waiting?.byName.remove(name, observer) !== true) return;
    this.#size -= 1;
    this.#forgetIfEmpty(sessionId, waiting);
  }

  /** Waits for every variable whose name fits; returns whether one does. @throws QuotaExceededError */
  registerPattern(sessionId: string, pattern: string, observer: NewcomerObserver): (name: string) => boolean {
    const { patterns } = this.#waitingIn(sessionId);
    const known = patterns.get(pattern);
    if (known === undefined) {
      if (patterns.size >= this.#maxPatterns) {
        throw new QuotaExceededError(
          `the watches of session "${sessionId}" wait with ${patterns.size} different patterns: end some, or raise maxSessionPatterns`,
        );
      }
      const waiting: WaitingPattern = { matches: compileWildcard(pattern), observers: new Set([observer]) };
      patterns.set(pattern, waiting);
      this.#size += 1;
      return waiting.matches;
    }
    if (!known.observers.has(observer)) {
      known.observers.add(observer);
      this.#size += 1;
    }
    return known.matches;
  }

  unregisterPattern(sessionId: string, pattern: string, observer: NewcomerObserver): void {
    const waiting = this.#waiting.get(sessionId);
    const known = waiting?.patterns.get(pattern);
    if (waiting === undefined || known?.observers.delete(observer) !== true) return;
    this.#size -= 1;
    if (known.observers.size === 0) waiting.patterns.delete(pattern);
    this.#forgetIfEmpty(sessionId, waiting);
  }

  /** What was committed together, in order. */
  publishAll(sessionId: string, changes: readonly Change[], nowMs: number): void {
    let batch: PublishedBatch | undefined;
    for (let place = 0; place < changes.length; place += 1) {
      const change = changes[place]!;
      const goesOn = changes[place + 1]?.current.revision === change.current.revision;
      if (goesOn) batch ??= new PublishedBatch();
      this.publish(sessionId, change, nowMs, goesOn ? batch : undefined);
      if (goesOn) continue;
      batch?.end(nowMs);
      batch = undefined;
    }
  }

  /** `batch`: of which more follows. */
  publish(sessionId: string, change: Change, nowMs: number, batch?: PublishedBatch): void {
    this.#published += 1;
    const { variable } = change;
    if (change.previous === undefined) this.#announce(sessionId, variable);
    const asking = this.#asking.size === 0 ? undefined : this.#asking.get(variable);
    if (variable.listeners === undefined && asking === undefined) return;
    const published = new PublishedChange(change, nowMs, batch);
    const tell = (observer: Observer, asked?: AskedCondition): void => {
      try {
        observer.handleChange(published);
        this.#delivered += 1;
      } catch (error) {
        this.unregister(variable, observer, asked);
        this.#handleFailure(observer, variable, error);
      }
    };
    forEachListener(observed(variable), tell);
    if (asking !== undefined) publishAsking(asking, change, tell);
    published.letGoOfLarge();
    if (change.reason !== undefined) this.#removeAll(variable);
  }

  #removeAll(variable: Variable): void {
    this.#size -= removeListeners(observed(variable)) + (this.#asking.get(variable)?.index.size ?? 0);
    this.#asking.delete(variable);
  }

  #askingOf(variable: Variable): AskingObservers {
    let asking = this.#asking.get(variable);
    if (asking === undefined) {
      asking = { index: new ConditionIndex(), followers: undefined };
      this.#asking.set(variable, asking);
    }
    return asking;
  }

  #removeAsking(variable: Variable, observer: Observer, asked: AskedCondition): boolean {
    const asking = this.#asking.get(variable);
    if (asking?.index.remove(asked, observer) !== true) return false;
    if (asking.index.size === 0) this.#asking.delete(variable);
    return true;
  }

  #announce(sessionId: string, variable: Variable): void {
    const waiting = this.#waiting.get(sessionId);
    if (waiting === undefined) return;
    const named: NewcomerObserver[] = [];
    waiting.byName.forEach(variable.name, (observer) => named.push(observer));
    if (named.length > 0) {
      // It has come: nobody waits for it any more.
      this.#size -= waiting.byName.removeAll(variable.name);
      this.#forgetIfEmpty(sessionId, waiting);
      for (const observer of named) this.#introduce(observer, variable);
    }
    for (const { matches, observers } of waiting.patterns.values()) {
      if (matches(variable.name)) for (const observer of observers) this.#introduce(observer, variable);
    }
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
      waiting = { byName: new OneOrMany(), patterns: new Map() };
      this.#waiting.set(sessionId, waiting);
    }
    return waiting;
  }

  #forgetIfEmpty(sessionId: string, waiting: Waiting): void {
    if (waiting.byName.size === 0 && waiting.patterns.size === 0) this.#waiting.delete(sessionId);
  }
}

/** Nobody but this one has listeners of the server's variables. */
function observed(variable: Variable): Audience<Observer> {
  return variable as Audience<Observer>;
}

function publishAsking(
  asking: AskingObservers,
  { previous, current, reason }: Change,
  tell: (observer: Observer, asked: AskedCondition) => void,
): void {
  const { index } = asking;
  if (previous === undefined || reason !== undefined) {
    index.forEach(tell);
    return;
  }
  index.forEachConcerned(previous.value, current.value, tell);
  const { followers } = asking;
  if (followers === undefined) return;
  asking.followers = undefined;
  if (!Array.isArray(followers)) followers.handleChanged();
  else for (const follower of followers) follower.handleChanged();
}

function isLarge(encoded: EncodedValue | undefined): boolean {
  return encoded !== undefined && encoded.value.length + (encoded.binary?.length ?? 0) > LARGE_BYTES;
}

/** Encoded changes above this are not shared beyond the turn in which they were made. */
const LARGE_BYTES = 16 * 1024;

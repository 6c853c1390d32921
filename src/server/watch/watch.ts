/**
 * What one watch observes: its variables, the names it waits for, its patterns. Path: observer manager -> [watch] -> its owner's outbox.
 * Registered piece by piece, in turns; until `capture` it only notes what comes and goes. Full: the connection's budget refuses what is
 * registered. Closed: `close` unregisters all of it, exactly once, many in turns.
 */
import type { AskedCondition } from '../../shared/delivery/condition-text.js';
import { QuotaExceededError } from '../../shared/errors.js';
import { SmallMap } from '../../shared/small-map.js';
import type { Variable } from '../../shared/state/variable.js';
import type { GoneVariable } from '../../shared/wire/update-encoder.js';
import type { NewcomerObserver, Observer, ObserverManager, PublishedChange } from '../observer-manager.js';
import type { Work } from '../work-turns.js';
import type { CarrierBudget } from './carrier-budget.js';
import type { KeptMarks } from './kept-marks.js';
import { SentState } from './sent-state.js';

export interface WatchOwner {
  handleChange(sent: SentState, published: PublishedChange): void;
  /** Its last variable is gone, and it waits for none. */
  handleNothingLeft(): void;
  handleFailure(error: unknown): void;
}

/** Of a watch whose condition is asked here. */
export interface WatchAsks {
  readonly asked: AskedCondition;
  readonly marks: KeptMarks;
}

type WatchState = 'registering' | 'live' | 'closed';

export class Watch implements NewcomerObserver {
  readonly #observers: ObserverManager;
  readonly #sessionId: string;
  readonly #budget: CarrierBudget;
  readonly #owner: WatchOwner;
  readonly #asks: WatchAsks | undefined;
  readonly #observed = new SmallMap<Variable, ObservedVariable>();
  /** Of most watches there are none. */
  #names: Set<string> | undefined;
  #patterns: string[] | undefined;
  /** Went while it was registered. */
  #gone: GoneVariable[] | undefined;
  #heldBytes = 0;
  #state: WatchState = 'registering';

  constructor(
    observers: ObserverManager,
    sessionId: string,
    budget: CarrierBudget,
    owner: WatchOwner,
    asks?: WatchAsks,
  ) {
    this.#observers = observers;
    this.#sessionId = sessionId;
    this.#budget = budget;
    this.#owner = owner;
    this.#asks = asks;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Whether nothing can come any more. */
  get isSpent(): boolean {
    return this.#observed.size === 0 && (this.#names?.size ?? 0) === 0 && (this.#patterns?.length ?? 0) === 0;
  }

  /** `identifier`: what the request calls it; undefined when it fits a pattern. @throws QuotaExceededError */
  observe(variable: Variable, identifier: string | undefined): void {
    const known = this.#observed.get(variable);
    if (known === undefined) {
      const observed = this.#observedOf(variable, variable.current.version, false);
      if (identifier !== undefined && identifier !== variable.name) observed.unsaidIdentifiers = [identifier];
      this.#register(observed);
    } else if (identifier !== undefined) {
      // Its name alone is not said: it came before this one.
      known.unsaidIdentifiers = [...(known.unsaidIdentifiers ?? [variable.name]), identifier];
    }
  }

  /** Until a variable of that name is registered. @throws QuotaExceededError */
  waitFor(name: string): void {
    if (this.#names?.has(name) === true) return;
    this.#claim(BYTES_A_NAME + 2 * name.length);
    this.#names ??= new Set();
    this.#names.add(name);
    this.#observers.registerName(this.#sessionId, name, this);
  }

  /** From now on; returns whether a name fits, for the variables that are there. @throws QuotaExceededError */
  waitForAll(pattern: string): (name: string) => boolean {
    this.#claim(BYTES_A_NAME + 2 * pattern.length);
    this.#patterns ??= [];
    this.#patterns.push(pattern);
    return this.#observers.registerPattern(this.#sessionId, pattern, this);
  }

  /** What it is told of, as far as it is registered. */
  observed(): Iterable<SentState> {
    return this.#observed.values();
  }

  /** Once, when all is registered: where each variable is now. What happens from here on goes to the owner. */
  capture(): { readonly states: SentState[]; readonly gone: readonly GoneVariable[] } {
    const states: SentState[] = [];
    for (const observed of this.#observed.values()) {
      const { current } = observed.variable;
      observed.version = current.version;
      if (observed.kept !== undefined) observed.kept.captured = current;
      states.push(observed);
    }
    const gone = this.#gone ?? [];
    this.#gone = undefined;
    this.#state = 'live';
    return { states, gone };
  }

  handleChange(observed: ObservedVariable, published: PublishedChange): void {
    const isGone = published.change.reason !== undefined;
    if (isGone && this.#observed.delete(observed.variable)) {
      this.#release(this.#bytesAnObserver());
      this.#asks?.marks.unwatch(observed.variable);
    }
    switch (this.#state) {
      case 'registering':
        if (isGone) {
          const { variable, unsaidIdentifiers: identifiers } = observed;
          this.#gone ??= [];
          this.#gone.push({ id: variable.id, change: published.change, identifiers });
        }
        break;
      case 'live':
        this.#owner.handleChange(observed, published);
        if (isGone && this.isSpent) this.#owner.handleNothingLeft();
        break;
      case 'closed':
        break;
      default:
        this.#state satisfies never;
    }
  }

  /** One of its names or patterns has a variable: the registration itself is the first change. */
  handleNewcomer(variable: Variable): void {
    if (this.#names?.delete(variable.name) === true) this.#release(BYTES_A_NAME + 2 * variable.name.length);
    if (this.#state === 'closed' || this.#observed.has(variable)) return;
    this.#register(this.#observedOf(variable, variable.firstVersion - 1, true));
  }

  handleFailure(error: unknown): void {
    if (this.#state !== 'closed') this.#owner.handleFailure(error);
  }

  close(turns: { begin(): Work }): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#gone = undefined;
    if (this.#observed.size + (this.#names?.size ?? 0) <= MOST_AT_ONCE) {
      for (const piece of this.#unregister()) piece satisfies undefined;
    } else void this.#unregisterInTurns(turns.begin());
  }

  async #unregisterInTurns(work: Work): Promise<void> {
    for (const piece of this.#unregister()) {
      const rest = work.spend(STEPS_AN_OBSERVER) ?? piece;
      if (rest !== undefined) await rest;
    }
  }

  /** A piece at a time. */
  *#unregister(): Generator<undefined> {
    for (const pattern of this.#patterns ?? []) this.#observers.unregisterPattern(this.#sessionId, pattern, this);
    this.#patterns = undefined;
    for (const observed of this.#observed.values()) {
      this.#observers.unregister(observed.variable, observed, this.#asks?.asked);
      this.#asks?.marks.unwatch(observed.variable);
      yield;
    }
    this.#observed.clear();
    for (const name of this.#names ?? []) {
      this.#observers.unregisterName(this.#sessionId, name, this);
      yield;
    }
    this.#names = undefined;
    this.#release(this.#heldBytes);
  }

  #register(observed: ObservedVariable): void {
    this.#observed.set(observed.variable, observed);
    this.#observers.register(observed.variable, observed, this.#asks?.asked);
    this.#asks?.marks.watch(observed.variable);
  }

  /** @throws QuotaExceededError */
  #observedOf(variable: Variable, version: number, isNewcomer: boolean): ObservedVariable {
    this.#claim(this.#bytesAnObserver());
    return new ObservedVariable(this, variable, version, isNewcomer, this.#asks !== undefined);
  }

  /** Each of them may be the only one of its variable that asks this. */
  #bytesAnObserver(): number {
    return this.#asks === undefined
      ? BYTES_AN_OBSERVER
      : BYTES_AN_ASKING_OBSERVER + BYTES_A_UNIT * this.#asks.asked.text.length;
  }

  #claim(bytes: number): void {
    if (this.#budget.held + bytes > this.#budget.maxBytes) {
      throw new QuotaExceededError(
        `the watches of this connection hold their ${this.#budget.maxBytes} bytes of names and updates: watch less, or raise maxConnectionBytes`,
      );
    }
    this.#heldBytes += bytes;
    this.#budget.held += bytes;
  }

  #release(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#budget.held -= bytes;
  }
}

/** One variable of one watch. */
class ObservedVariable extends SentState implements Observer {
  readonly #watch: Watch;

  constructor(watch: Watch, variable: Variable, version: number, isNewcomer: boolean, isAsked: boolean) {
    super(variable, version, undefined, isNewcomer, isAsked);
    this.#watch = watch;
  }

  handleChange(published: PublishedChange): void {
    this.#watch.handleChange(this, published);
  }

  handleFailure(error: unknown): void {
    this.#watch.handleFailure(error);
  }
}

/** Estimates: about what a heap snapshot shows. */
const BYTES_AN_OBSERVER = 160;
/** Its part of the variable's index, and of what the link says of it. */
const BYTES_AN_ASKING_OBSERVER = 320;
/** Of a condition's text and of what is read from it. */
const BYTES_A_UNIT = 4;
const BYTES_A_NAME = 320;
const MOST_AT_ONCE = 1_000;
const STEPS_AN_OBSERVER = 1;

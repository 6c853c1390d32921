/**
 * What one watch observes: its variables, the names it waits for, its patterns. Path: observer manager -> [watch] -> its owner's outbox.
 * Registered piece by piece, in turns; until `capture` it only notes what comes and goes. Full: the connection's budget refuses what is
 * registered. Closed: `close` unregisters all of it, exactly once, many in turns, and nothing is registered any more, whoever was about to.
 */
import type { AskedCondition } from '../../shared/delivery/condition-text.js';
import { QuotaExceededError } from '../../shared/errors.js';
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

/** The same for all watches of a carrier. */
export interface WatchPlace {
  readonly observers: ObserverManager;
  readonly sessionId: string;
  readonly budget: CarrierBudget;
}

/** Of a watch whose condition is asked here. */
export interface WatchAsks {
  readonly asked: AskedCondition;
  readonly marks: KeptMarks;
}

type WatchState = 'registering' | 'live' | 'closed';

/** Of most watches there is none. */
interface Unnamed {
  /** Waited for. */
  readonly names: Set<string>;
  readonly patterns: string[];
  /** Went while it was registered. */
  readonly gone: GoneVariable[];
}

export class Watch implements NewcomerObserver {
  readonly #place: WatchPlace;
  readonly #owner: WatchOwner;
  readonly asks: WatchAsks | undefined;
  /** Most watches have one; a map of one would cost more than the variable. */
  #observed: ObservedVariable | Map<Variable, ObservedVariable> | undefined;
  #beside: Unnamed | undefined;
  #heldBytes = 0;
  #state: WatchState = 'registering';

  constructor(place: WatchPlace, owner: WatchOwner, asks?: WatchAsks) {
    this.#place = place;
    this.#owner = owner;
    this.asks = asks;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Whether nothing can come any more. */
  get isSpent(): boolean {
    const { names, patterns } = this.#beside ?? NOTHING_BESIDE;
    return this.#size === 0 && names.size === 0 && patterns.length === 0;
  }

  /** `identifier`: what the request calls it; undefined when it fits a pattern. @throws QuotaExceededError */
  observe(variable: Variable, identifier: string | undefined): void {
    if (this.isClosed) return;
    const known = this.#find(variable);
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
    if (this.isClosed || this.#beside?.names.has(name) === true) return;
    this.#claim(BYTES_A_NAME + 2 * name.length);
    this.#own().names.add(name);
    this.#place.observers.registerName(this.#place.sessionId, name, this);
  }

  /** From now on; returns whether a name fits, for the variables that are there. @throws QuotaExceededError */
  waitForAll(pattern: string): (name: string) => boolean {
    if (this.isClosed) return () => false;
    this.#claim(BYTES_A_NAME + 2 * pattern.length);
    this.#own().patterns.push(pattern);
    return this.#place.observers.registerPattern(this.#place.sessionId, pattern, this);
  }

  /** What it is told of, as far as it is registered. */
  observed(): Iterable<SentState> {
    return this.#all();
  }

  /** Once, when all is registered: where each variable is now. What happens from here on goes to the owner. */
  capture(): { readonly states: SentState[]; readonly gone: readonly GoneVariable[] } {
    const states: SentState[] = [];
    for (const observed of this.#all()) {
      const { current } = observed.variable;
      observed.version = current.version;
      if (observed.kept !== undefined) observed.kept.captured = current;
      states.push(observed);
    }
    const gone = this.#beside?.gone.splice(0) ?? [];
    this.#state = 'live';
    return { states, gone };
  }

  handleChange(observed: ObservedVariable, published: PublishedChange): void {
    const isGone = published.change.reason !== undefined;
    if (isGone && this.#remove(observed.variable)) {
      this.#release(this.#bytesAnObserver());
      this.asks?.marks.unwatch(observed.variable);
    }
    switch (this.#state) {
      case 'registering':
        if (isGone) {
          const { variable, unsaidIdentifiers: identifiers } = observed;
          this.#own().gone.push({ id: variable.id, change: published.change, identifiers });
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
    if (this.#beside?.names.delete(variable.name) === true) this.#release(BYTES_A_NAME + 2 * variable.name.length);
    if (this.#state === 'closed' || this.#find(variable) !== undefined) return;
    this.#register(this.#observedOf(variable, variable.firstVersion - 1, true));
  }

  handleFailure(error: unknown): void {
    if (this.#state !== 'closed') this.#owner.handleFailure(error);
  }

  close(turns: { begin(): Work }): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    if (this.#size + (this.#beside?.names.size ?? 0) <= MOST_AT_ONCE) {
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
    const { names, patterns } = this.#beside ?? NOTHING_BESIDE;
    for (const pattern of patterns) this.#place.observers.unregisterPattern(this.#place.sessionId, pattern, this);
    for (const observed of this.#all()) {
      this.#place.observers.unregister(observed.variable, observed, this.asks?.asked);
      this.asks?.marks.unwatch(observed.variable);
      yield;
    }
    this.#observed = undefined;
    for (const name of names) {
      this.#place.observers.unregisterName(this.#place.sessionId, name, this);
      yield;
    }
    this.#beside = undefined;
    this.#release(this.#heldBytes);
  }

  #register(observed: ObservedVariable): void {
    this.#add(observed);
    this.#place.observers.register(observed.variable, observed, this.asks?.asked);
    this.asks?.marks.watch(observed.variable);
  }

  // --- what it observes

  get #size(): number {
    if (this.#observed === undefined) return 0;
    return this.#observed instanceof Map ? this.#observed.size : 1;
  }

  #find(variable: Variable): ObservedVariable | undefined {
    const observed = this.#observed;
    if (observed instanceof Map) return observed.get(variable);
    return observed?.variable === variable ? observed : undefined;
  }

  /** Those that come meanwhile, too. */
  #all(): Iterable<ObservedVariable> {
    if (this.#observed === undefined) return [];
    return this.#observed instanceof Map ? this.#observed.values() : [this.#observed];
  }

  #add(observed: ObservedVariable): void {
    const others = this.#observed;
    if (others === undefined) this.#observed = observed;
    else if (others instanceof Map) others.set(observed.variable, observed);
    else {
      this.#observed = new Map([
        [others.variable, others],
        [observed.variable, observed],
      ]);
    }
  }

  #remove(variable: Variable): boolean {
    if (this.#observed instanceof Map) return this.#observed.delete(variable);
    if (this.#find(variable) === undefined) return false;
    this.#observed = undefined;
    return true;
  }

  // --- inside

  #own(): Unnamed {
    this.#beside ??= { names: new Set(), patterns: [], gone: [] };
    return this.#beside;
  }

  /** @throws QuotaExceededError */
  #observedOf(variable: Variable, version: number, isNewcomer: boolean): ObservedVariable {
    this.#claim(this.#bytesAnObserver());
    return new ObservedVariable(this, variable, version, isNewcomer, this.asks !== undefined);
  }

  /** Each of them may be the only one of its variable that asks this. */
  #bytesAnObserver(): number {
    return this.asks === undefined
      ? BYTES_AN_OBSERVER
      : BYTES_AN_ASKING_OBSERVER + BYTES_A_UNIT * this.asks.asked.text.length;
  }

  #claim(bytes: number): void {
    const { budget } = this.#place;
    if (budget.held + bytes > budget.maxBytes) {
      throw new QuotaExceededError(
        `the watches of this connection hold their ${budget.maxBytes} bytes of names and updates: watch less, or raise maxConnectionBytes`,
      );
    }
    this.#heldBytes += bytes;
    budget.held += bytes;
  }

  #release(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#place.budget.held -= bytes;
  }
}

const NOTHING_BESIDE: Unnamed = { names: new Set(), patterns: [], gone: [] };

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

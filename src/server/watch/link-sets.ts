/**
 * The sets of one link, made in the order in which they came. Path: link call -> [link sets] -> session, and outcomes back in that order.
 * A large value is read in turns, a long match made elsewhere, an engine may keep later: those behind wait for the first two, and are made
 * meanwhile in the last case. Full: who does not take outcomes sets no more, nor while too many wait for the engine. Closed: with its link; what was made stays made.
 */

import Denque from 'denque';
import { SessionNotFoundError } from '../../shared/errors.js';
import type { Setter } from '../../shared/state/operation.js';
import type { Variable } from '../../shared/state/variable.js';
import { longMatchOf } from '../../shared/values/constraint.js';
import { checkFloatHolds } from '../../shared/values/scalar-reader.js';
import { normalizeValue } from '../../shared/values/value-codec.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import { BINARY_TYPE_URL } from '../../shared/wire/link-row.js';
import type { LinkSetRows } from '../../shared/wire/link-set-rows.js';
import type { SetPlace } from '../engine/engine.js';
import type { ReadSet } from '../handlers/set-steps.js';
import { SetSteps } from '../handlers/set-steps.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import type { WorkBudget } from '../work-turns.js';
import type { SetOutcome } from './atomic-sets.js';
import { AtomicSets } from './atomic-sets.js';

/** Where the outcomes go, in order. */
export interface OutcomeSink {
  handleSetDone(version: number): void;
  handleSetRefused(error: unknown): void;
  /** Of the next set, behind so many whose outcome is not told; undefined where nothing of it outlives the server. */
  placeOfNext(untold: number): SetPlace | undefined;
  /** It was refused without asking the engine, behind so many. */
  noteRefused(error: unknown, untold: number): void;
  /** Undefined: they are taken. Resolves when they are again, or nobody asks for them any more. */
  room(): Promise<void> | undefined;
}

interface Waiting {
  /** Undefined until it is known. */
  outcome: SetOutcome | undefined;
}

export class LinkSets {
  readonly #server: ServerContext;
  readonly #linked: Session;
  readonly #sink: OutcomeSink;
  readonly #steps: SetSteps;
  /** Outcomes that wait for an earlier one: only with an engine that keeps later. */
  readonly #waiting = new Denque<Waiting>();
  #whenTold: (() => void) | undefined;
  #whenFewer: (() => void) | undefined;
  /** By number: found in this session while this many variables had gone from it. */
  #found: (Variable | undefined)[] = [];
  #foundIn: Session | undefined;
  #removals = 0;
  /** The sets of the last message for which it was asked what other servers know. */
  #askedFor: LinkSetRows | undefined;

  constructor(server: ServerContext, session: Session, sink: OutcomeSink) {
    this.#server = server;
    this.#linked = session;
    this.#sink = sink;
    this.#steps = new SetSteps(server);
  }

  /** Sets that were made and whose outcome is not told. */
  get untold(): number {
    return this.#waiting.length;
  }

  /** Resolves when every outcome of what was made is told. */
  whenTold(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenTold = resolve;
    });
  }

  /** Resolves when all of them are made, and not before those behind may be. */
  async make(rows: LinkSetRows, work: WorkBudget, isEnded: () => boolean): Promise<void> {
    while (!isEnded() && rows.next()) {
      const made = rows.isFollowed ? this.#makeBatch(rows, work) : this.#makeNamed(rows);
      if (made !== undefined) await made;
      const rest = this.#rest(work);
      if (rest !== undefined) await rest;
    }
  }

  /** Behind each set: for others, for the engine, or for who shall take the outcomes. */
  #rest(work: WorkBudget): Promise<void> | undefined {
    const rest = work.spend(STEPS_A_SET);
    if (rest !== undefined) return rest;
    if (this.#waiting.length < MOST_WAITING) return this.#sink.room();
    return new Promise((resolve) => {
      this.#whenFewer = resolve;
    });
  }

  /** Its variable may be on its way to be kept, or to this server: what is known behind its message coming is asked once. */
  #whenNamed(rows: LinkSetRows): Promise<void> | undefined {
    const session = this.#server.keepsLater ? this.#server.store.find(this.#linked.id) : undefined;
    if (session === undefined) return undefined;
    const isThere = (): boolean => session.find(rows.identifier) !== undefined;
    if (this.#askedFor === rows && !isThere()) return undefined;
    const named = session.whenNamesKept([rows.identifier]);
    if (named === undefined || !session.isShared || isThere()) return named;
    return named.then(() => {
      this.#askedFor = rows;
    });
  }

  #makeNamed(rows: LinkSetRows): Promise<void> | undefined {
    const named = this.#whenNamed(rows);
    if (named === undefined) return this.#makeOne(rows);
    return named.then(
      () => this.#makeOne(rows),
      (error: unknown) => this.#tell({ error }),
    );
  }

  #makeOne(rows: LinkSetRows): Promise<void> | undefined {
    const { identifier, expectedVersion, source, custom } = rows;
    const setter: Setter = { source, custom };
    try {
      if (rows.refusal !== undefined) throw rows.refusal;
      const session = this.#session();
      const variable = this.#require(session, rows);
      const value = this.#valueOf(rows, variable, setter);
      const commit = (read: VariableValue): Promise<void> | undefined =>
        this.#commitWhenMatched({ session, identifier, variable, value: read, expectedVersion, setter });
      if (!(value instanceof Promise)) return commit(value);
      return value.then(commit).catch((error: unknown) => this.#tell({ error }));
    } catch (error) {
      this.#tell({ error });
      return undefined;
    }
  }

  /**
   * That of the link, and none that was made anew under its id: what was refused before it shall not be made behind what comes now.
   * @throws SessionNotFoundError
   */
  #session(): Session {
    const session = this.#server.store.require(this.#linked.id, this.#server.clock.nowMs());
    if (session !== this.#linked) throw SessionNotFoundError.of(session.id);
    return session;
  }

  /** A name stands for its variable until that is gone; what an id stands for may become another one's name. @throws VariablesNotFoundError */
  #require(session: Session, { target, identifier }: LinkSetRows): Variable {
    const { removals } = session;
    if (session !== this.#foundIn || removals !== this.#removals) {
      this.#found = [];
      this.#foundIn = session;
      this.#removals = removals;
    }
    const known = this.#found[target];
    if (known?.name === identifier) return known;
    const variable = session.require(identifier);
    this.#found[target] = variable;
    return variable;
  }

  /** All of its rows, or none. */
  async #makeBatch(rows: LinkSetRows, work: WorkBudget): Promise<void> {
    const { source, custom } = rows;
    const batch = new AtomicSets({ source, custom }, this.#server.options.maxAtomicVariables);
    do {
      const looking = this.#lookNamed(rows, batch);
      const rest = work.spend(STEPS_A_SET);
      if (looking !== undefined) await looking;
      if (rest !== undefined) await rest;
    } while (rows.isFollowed && rows.next());
    const turn = work.ownTurn(batch.undivided);
    if (turn !== undefined) await turn;
    const result = batch.commit(this.#server.clock.nowMs(), this.#sink.placeOfNext(this.#waiting.length));
    if (result instanceof Promise)
      this.#tellLater(
        batch.size,
        result.then((outcomes) => Array.from(outcomes, (outcome) => this.#count(outcome))),
      );
    else {
      for (const outcome of result) {
        this.#tell(this.#count(outcome));
        const rest = this.#rest(work);
        if (rest !== undefined) await rest;
      }
    }
  }

  #count(outcome: SetOutcome): SetOutcome {
    if ('version' in outcome) this.#server.counters.sets += 1;
    return outcome;
  }

  #lookNamed(rows: LinkSetRows, batch: AtomicSets): Promise<void> | undefined {
    const place = batch.add(rows.identifier);
    if (place === undefined) return undefined;
    const named = this.#whenNamed(rows);
    if (named === undefined) return this.#look(rows, batch, place);
    return named.then(
      () => this.#look(rows, batch, place),
      (error: unknown) => batch.refuse(place, error),
    );
  }

  /** A promise when its value is read in turns, or its match made elsewhere. */
  #look(rows: LinkSetRows, batch: AtomicSets, place: number): Promise<void> | undefined {
    try {
      if (rows.refusal !== undefined) throw rows.refusal;
      const session = this.#session();
      const { identifier, expectedVersion } = rows;
      const variable = this.#require(session, rows);
      const accept = (value: VariableValue): Promise<void> | undefined => {
        const set = { session, identifier, variable, value, expectedVersion, setter: batch.setter };
        const long = longMatchOf(variable.type, variable.constraints, value);
        if (long === undefined) batch.accept(place, set);
        else return this.#server.patterns.matches(long).then((isMatched) => batch.accept(place, set, isMatched));
        return undefined;
      };
      const value = this.#valueOf(rows, variable, batch.setter);
      if (!(value instanceof Promise)) return accept(value)?.catch((error: unknown) => batch.refuse(place, error));
      return value.then(accept).catch((error: unknown) => batch.refuse(place, error));
    } catch (error) {
      batch.refuse(place, error);
      return undefined;
    }
  }

  #valueOf(rows: LinkSetRows, variable: Variable, setter: Setter): VariableValue | Promise<VariableValue> {
    const { payload, binary, plain } = rows;
    if (payload !== undefined) {
      // A float has a form of its own: this is an integer of a setter who does not know the type.
      if (variable.type === 'float') checkFloatHolds(payload, `variable "${variable.name}"`);
      const any = { type_url: binary === undefined ? '' : BINARY_TYPE_URL, value: payload };
      return this.#steps.read(variable, any, binary, setter);
    }
    this.#steps.checkSize(variable, typeof plain === 'string' ? plain.length : 8, setter);
    return normalizeValue(variable.type, plain, `variable "${variable.name}"`);
  }

  #commitWhenMatched(set: ReadSet): Promise<void> | undefined {
    const { type, constraints } = set.variable;
    const long = longMatchOf(type, constraints, set.value);
    if (long === undefined) {
      this.#commit(set);
      return undefined;
    }
    return this.#server.patterns
      .matches(long)
      .then((isMatched) => this.#commit(set, isMatched))
      .catch((error: unknown) => this.#tell({ error }));
  }

  #commit(set: ReadSet, isMatched?: boolean): void {
    const result = this.#steps.commit(set, isMatched, this.#sink.placeOfNext(this.#waiting.length));
    if (!(result instanceof Promise)) {
      this.#tell({ version: result });
      return;
    }
    const place: Waiting = { outcome: undefined };
    this.#waiting.push(place);
    const handle = (outcome: SetOutcome): void => {
      place.outcome = outcome;
      this.#tellWaiting();
    };
    result.then(
      (version) => handle({ version }),
      (error: unknown) => handle({ error }),
    );
  }

  /** One outcome for each of so many sets. */
  #tellLater(sets: number, result: Promise<readonly SetOutcome[]>): void {
    const places = Array.from({ length: sets }, (): Waiting => ({ outcome: undefined }));
    for (const place of places) this.#waiting.push(place);
    result
      .then((outcomes) => {
        for (const [index, place] of places.entries()) place.outcome = outcomes[index];
      })
      .catch((error: unknown) => {
        for (const place of places) place.outcome = { error };
      })
      .finally(() => this.#tellWaiting());
  }

  #tell(outcome: SetOutcome): void {
    if ('error' in outcome) this.#sink.noteRefused(outcome.error, this.#waiting.length);
    if (this.#waiting.length === 0) this.#say(outcome);
    else this.#waiting.push({ outcome });
  }

  #tellWaiting(): void {
    for (
      let outcome = this.#waiting.peekFront()?.outcome;
      outcome !== undefined;
      outcome = this.#waiting.peekFront()?.outcome
    ) {
      this.#waiting.shift();
      this.#say(outcome);
    }
    if (this.#waiting.length < MOST_WAITING) this.#whenFewer?.();
    if (this.#waiting.length === 0) this.#whenTold?.();
  }

  #say(outcome: SetOutcome): void {
    if ('version' in outcome) this.#sink.handleSetDone(outcome.version);
    else this.#sink.handleSetRefused(outcome.error);
  }
}

const STEPS_A_SET = 4;
/** Twice what our clients leave unanswered. */
const MOST_WAITING = 16_384;

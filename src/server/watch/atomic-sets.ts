/**
 * One atomic batch of a link: its sets are looked at one after the other, and made together or not at all. Path: link sets -> [atomic sets] -> session.
 * Pure: who reads the values and knows the time tells it. Full: of more than `most` sets none is looked at any more, and all are refused.
 */
import { SessionNotFoundError } from '../../shared/errors.js';
import type { Accepted, OperationResult, Setter } from '../../shared/state/operation.js';
import { OTHER_REFUSED, tooManyAtOnce } from '../../shared/state/operation.js';
import type { Kept, SetPlace } from '../engine/engine.js';
import { mapKept } from '../engine/engine.js';
import type { ReadSet } from '../handlers/set-steps.js';
import type { Session } from '../session.js';

/** Of one set. */
export type SetOutcome = { readonly version: number } | { readonly error: unknown };

export class AtomicSets {
  /** Of its first set. */
  readonly setter: Setter;
  readonly #most: number;
  #size = 0;
  readonly #identifiers: string[] = [];
  readonly #accepted: Accepted[] = [];
  /** By place. */
  readonly #refused = new Map<number, unknown>();
  #session: Session | undefined;

  constructor(setter: Setter, most: number) {
    this.setter = setter;
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  /** Sets that are made in one go. */
  get undivided(): number {
    return this.#accepted.length;
  }

  /** One more; returns its place, or undefined where it need not be looked at. */
  add(identifier: string): number | undefined {
    this.#size += 1;
    if (this.#size > this.#most) {
      // Nothing of it is made.
      this.#accepted.length = 0;
      this.#refused.clear();
      return undefined;
    }
    this.#identifiers.push(identifier);
    return this.#size - 1;
  }

  accept(place: number, { session, identifier, variable, value, expectedVersion }: ReadSet, isMatched?: boolean): void {
    this.#session = session;
    try {
      this.#accepted.push(session.acceptDecoded(identifier, variable, value, expectedVersion, isMatched));
    } catch (error) {
      this.refuse(place, error);
    }
  }

  refuse(place: number, error: unknown): void {
    this.#refused.set(place, this.#refused.size < MOST_BLAMED ? error : OTHER_REFUSED);
  }

  /** By place; what is not to blame for a refusal is refused with BATCH_REFUSED. `once`: which sets of which link they are. */
  commit(nowMs: number, once?: SetPlace): Kept<Iterable<SetOutcome>> {
    if (this.#size > this.#most) return repeated({ error: tooManyAtOnce(this.#size, this.#most) }, this.#size);
    if (this.#refused.size > 0 || this.#session === undefined) return this.#refusals();
    try {
      const results = this.#session.commitSeveral(this.#accepted, true, this.setter, nowMs, once);
      return mapKept(results, (kept) => this.#outcomes(kept));
    } catch (error) {
      return this.#identifiers.map(() => ({ error }));
    }
  }

  #outcomes(results: readonly OperationResult[]): readonly SetOutcome[] {
    const outcomes: SetOutcome[] = [];
    for (const [place, result] of results.entries()) {
      if (typeof result === 'number') outcomes.push({ version: result });
      else if (result !== OTHER_REFUSED) this.refuse(place, result);
    }
    return outcomes.length === results.length ? outcomes : this.#refusals();
  }

  #refusals(): readonly SetOutcome[] {
    // Ended while it was looked at: whoever has sent it makes it as a whole in another.
    const error = [...this.#refused.values()].find((refusal) => refusal instanceof SessionNotFoundError);
    if (error !== undefined) return this.#identifiers.map(() => ({ error }));
    return this.#identifiers.map((_, place) => ({ error: this.#refused.get(place) ?? OTHER_REFUSED }));
  }
}

function* repeated(outcome: SetOutcome, times: number): Generator<SetOutcome> {
  for (let left = times; left > 0; left -= 1) yield outcome;
}

/** Each refusal has a sentence and a stack; above what a batch of our clients may have. */
const MOST_BLAMED = 8_192;

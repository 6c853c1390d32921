/**
 * One atomic batch of a link: its sets are looked at one after the other, and made together or not at all. Path: link sets -> [atomic sets] -> session.
 * Pure: who reads the values and knows the time tells it.
 */
import type { Accepted, Setter } from '../../shared/state/operation.js';
import { OTHER_REFUSED } from '../../shared/state/operation.js';
import type { Kept, SetPlace } from '../engine/engine.js';
import type { ReadSet } from '../handlers/set-steps.js';
import type { Session, SeveralResult } from '../session.js';

/** Of one set. */
export type SetOutcome = { readonly version: number } | { readonly error: unknown };

export class AtomicSets {
  /** Of its first set. */
  readonly setter: Setter;
  readonly #identifiers: string[] = [];
  readonly #accepted: Accepted[] = [];
  /** By place. */
  readonly #refused = new Map<number, unknown>();
  #session: Session | undefined;

  constructor(setter: Setter) {
    this.setter = setter;
  }

  get size(): number {
    return this.#identifiers.length;
  }

  /** One more; returns its place. */
  add(identifier: string): number {
    this.#identifiers.push(identifier);
    return this.#identifiers.length - 1;
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
    this.#refused.set(place, error);
  }

  /** By place; what is not to blame for a refusal is refused with BATCH_REFUSED. `once`: which sets of which link they are. */
  commit(nowMs: number, once?: SetPlace): Kept<readonly SetOutcome[]> {
    if (this.#refused.size > 0 || this.#session === undefined) return this.#refusals();
    try {
      const result = this.#session.commitSeveral(this.#accepted, new Map(), true, this.setter, nowMs, once);
      return result instanceof Promise ? result.then((kept) => this.#outcomes(kept)) : this.#outcomes(result);
    } catch (error) {
      return this.#identifiers.map(() => ({ error }));
    }
  }

  #outcomes({ versions, refused }: SeveralResult): readonly SetOutcome[] {
    if (refused.size === 0) return this.#identifiers.map((identifier) => ({ version: versions.get(identifier) ?? 0 }));
    // The last of a name that is there twice is the one that is one too many.
    for (const [identifier, error] of refused) this.refuse(this.#identifiers.lastIndexOf(identifier), error);
    return this.#refusals();
  }

  #refusals(): readonly SetOutcome[] {
    return this.#identifiers.map((_, place) => ({ error: this.#refused.get(place) ?? OTHER_REFUSED }));
  }
}

/**
 * The sets of one link, made in the order in which they came. Path: link call -> [link sets] -> session, and outcomes back in that order.
 * A large value is read in turns, a long match made elsewhere, an engine may keep later: those behind wait for the first two, and are made
 * meanwhile in the last case. Full: the outcomes that wait are those of the message that is read. Closed: with its link; what was made stays made.
 */
import type { Variable } from '../../shared/state/variable.js';
import type { Setter } from '../../shared/state/variable-table.js';
import { longMatchOf } from '../../shared/values/constraint.js';
import { normalizeValue } from '../../shared/values/value-codec.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import { BINARY_TYPE_URL } from '../../shared/wire/link-row.js';
import type { LinkSetRows } from '../../shared/wire/link-set-rows.js';
import type { ReadSet } from '../handlers/set-steps.js';
import { SetSteps } from '../handlers/set-steps.js';
import type { ServerContext } from '../server-context.js';
import type { Work } from '../work-turns.js';

/** Where the outcomes go, in order. */
export interface OutcomeSink {
  handleSetDone(version: number): void;
  handleSetRefused(error: unknown): void;
}

/** Undefined until it is known. */
type Outcome = { readonly version: number } | { readonly error: unknown } | undefined;

export class LinkSets {
  readonly #server: ServerContext;
  readonly #sessionId: string;
  readonly #sink: OutcomeSink;
  readonly #steps: SetSteps;
  /** Outcomes that wait for an earlier one: only with an engine that keeps later. */
  readonly #waiting: { outcome: Outcome }[] = [];
  #whenTold: (() => void) | undefined;

  constructor(server: ServerContext, sessionId: string, sink: OutcomeSink) {
    this.#server = server;
    this.#sessionId = sessionId;
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
  async make(rows: LinkSetRows, work: Work, isEnded: () => boolean): Promise<void> {
    while (!isEnded() && rows.next()) {
      const made = this.#makeOne(rows);
      if (made !== undefined) await made;
      const rest = work.spend(STEPS_A_SET);
      if (rest !== undefined) await rest;
    }
  }

  #makeOne(rows: LinkSetRows): Promise<void> | undefined {
    const { identifier, expectedVersion, source, custom } = rows;
    const setter: Setter = { source, custom };
    try {
      const session = this.#server.store.require(this.#sessionId, this.#server.clock.nowMs());
      const variable = session.require(identifier);
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

  #valueOf(rows: LinkSetRows, variable: Variable, setter: Setter): VariableValue | Promise<VariableValue> {
    const { payload, binary, plain } = rows;
    if (payload !== undefined) {
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
    const result = this.#steps.commit(set, isMatched);
    if (result instanceof Promise) this.#tellLater(result);
    else this.#tell({ version: result.version });
  }

  #tellLater(result: Promise<{ readonly version: number }>): void {
    const place: { outcome: Outcome } = { outcome: undefined };
    this.#waiting.push(place);
    result
      .then(({ version }) => {
        place.outcome = { version };
      })
      .catch((error: unknown) => {
        place.outcome = { error };
      })
      .finally(() => this.#tellWaiting());
  }

  #tell(outcome: NonNullable<Outcome>): void {
    if (this.#waiting.length === 0) this.#say(outcome);
    else this.#waiting.push({ outcome });
  }

  #tellWaiting(): void {
    let told = 0;
    for (const { outcome } of this.#waiting) {
      if (outcome === undefined) break;
      this.#say(outcome);
      told += 1;
    }
    this.#waiting.splice(0, told);
    if (this.#waiting.length === 0) this.#whenTold?.();
  }

  #say(outcome: NonNullable<Outcome>): void {
    if ('version' in outcome) this.#sink.handleSetDone(outcome.version);
    else this.#sink.handleSetRefused(outcome.error);
  }
}

const STEPS_A_SET = 4;

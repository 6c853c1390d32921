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
import type { LinkSetRows } from '../../shared/wire/link-set-rows.js';
import { UpdateSize } from '../handlers/update-size.js';
import { readValue } from '../handlers/value-reader.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
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
  readonly #updateSize: UpdateSize;
  /** Outcomes that wait for an earlier one: only with an engine that keeps later. */
  readonly #waiting: { outcome: Outcome }[] = [];
  #whenTold: (() => void) | undefined;

  constructor(server: ServerContext, sessionId: string, sink: OutcomeSink) {
    this.#server = server;
    this.#sessionId = sessionId;
    this.#sink = sink;
    this.#updateSize = new UpdateSize(server.options.maxMessageBytes);
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
      if (!(value instanceof Promise))
        return this.#match(session, variable, identifier, value, expectedVersion, setter);
      return value
        .then((read) => this.#match(session, variable, identifier, read, expectedVersion, setter))
        .catch((error: unknown) => this.#tell({ error }));
    } catch (error) {
      this.#tell({ error });
      return undefined;
    }
  }

  #valueOf(rows: LinkSetRows, variable: Variable, { custom }: Setter): VariableValue | Promise<VariableValue> {
    const { payload, binary, plain } = rows;
    const subject = `variable "${variable.name}"`;
    if (payload === undefined) {
      this.#updateSize.checkValue(variable, typeof plain === 'string' ? plain.length : 8, custom);
      return normalizeValue(variable.type, plain, subject);
    }
    this.#updateSize.checkValue(variable, payload.length + (binary?.length ?? 0), custom);
    const any = { type_url: binary === undefined ? '' : BINARY, value: payload };
    return readValue(this.#server.turns, variable.type, any, binary, subject);
  }

  #match(
    session: Session,
    variable: Variable,
    identifier: string,
    value: VariableValue,
    expectedVersion: number | undefined,
    setter: Setter,
  ): Promise<void> | undefined {
    const commit = (isMatched?: boolean): void => {
      const accepted = session.acceptDecoded(identifier, variable, value, expectedVersion, isMatched);
      const result = session.commit(accepted, setter, this.#server.clock.nowMs());
      this.#server.counters.sets += 1;
      if (result instanceof Promise) this.#tellLater(result);
      else this.#tell({ version: result.version });
    };
    const long = longMatchOf(variable.type, variable.constraints, value);
    if (long === undefined) {
      commit();
      return undefined;
    }
    return this.#server.patterns
      .matches(long)
      .then(commit)
      .catch((error: unknown) => this.#tell({ error }));
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

/** Any type URL with this end is read so. */
const BINARY = 'link.binary';
const STEPS_A_SET = 4;

/** Sets of a life: by its states and from outside, with values that say what they are. Owner: the performer. */
import type { StateProvider, VariableInput } from '../../../src/main/index.js';
import type { SetRecord } from '../history/history.js';
import { answerSet, type Recorder } from '../history/recorder.js';
import type { Tag } from '../history/value-tag.js';
import { encodeTag } from '../history/value-tag.js';
import type { ErrorName } from './clock.js';
import { nowMs } from './clock.js';
import type { LifeVariables } from './variables.js';
import type { World } from './world.js';
import type { WriterAnswer, WriterCall } from './writer-calls.js';

/** Who sets: a state, under a name that is new after each reopening, or the outside. */
export interface Setter {
  readonly name: string;
  readonly session: number;
  /** Undefined for the outside. */
  readonly state: StateProvider | undefined;
  readonly isByLink: boolean;
}

interface Sent {
  readonly tag: Tag;
  readonly value: VariableInput;
}

export class LifeSets {
  readonly #world: World;
  readonly #recorder: Recorder;
  readonly #variables: LifeVariables;
  /** By session and variable. */
  readonly #last = new Map<string, Sent>();
  readonly #versions = new Map<string, number>();

  constructor(world: World, recorder: Recorder, variables: LifeVariables) {
    this.#world = world;
    this.#recorder = recorder;
    this.#variables = variables;
  }

  /** One set by a state. `equal`: the value sent last. `expected`: at the version heard of last. `stale`: at one that is long gone. */
  async set(
    setter: Setter,
    variable: number,
    { kind, byId, padding }: { kind: 'plain' | 'equal' | 'expected' | 'stale'; byId: boolean; padding: number },
  ): Promise<SetRecord> {
    const { name, session, state } = setter;
    const place = `${session}/${variable}`;
    const earlier = kind === 'equal' ? this.#last.get(place) : undefined;
    const { tag, value } = earlier ?? this.#newValue(session, variable, this.#recorder.nextSeq(), padding);
    const expected = kind === 'expected' ? this.#versions.get(place) : kind === 'stale' ? 1 : undefined;
    const record = this.#recorder.recordSet(tag, name, isByLink(setter, [value]), {
      isRepeat: earlier !== undefined,
      expectedVersion: expected,
    });
    const identifier = this.#variables.identifierOf(session, variable, byId);
    const options = expected === undefined ? {} : { expectedVersion: expected };
    let failure: ErrorName | undefined;
    const made = state!.setVariable(identifier, value, options);
    const version = await this.#recorder.track(`set of ${identifier}`, made, (error) => {
      failure = error;
    });
    this.#answer(record, nowMs(), version, failure);
    return record;
  }

  /** One after the other, none waited for. */
  async burst(setter: Setter, variables: readonly number[], sets: number, atOnce: number): Promise<void> {
    const { session } = setter;
    const chosen = Array.from({ length: sets }, (_, place) => variables[place % variables.length]!);
    if (setter.state !== undefined) {
      const options = { kind: 'plain', byId: false, padding: 0 } as const;
      await Promise.all(chosen.map((variable) => this.set(setter, variable, options)));
      return;
    }
    const values = chosen.map((variable) => this.#newValue(session, variable, this.#recorder.nextSeq(), 0));
    const records = values.map(({ tag, value }) =>
      this.#recorder.recordSet(tag, setter.name, isByLink(setter, [value])),
    );
    const calls = values.map(({ tag, value }) => this.#call(session, tag.variable, value));
    const answers = await this.#world.call(session, calls, atOnce);
    for (const [place, answer] of answers.entries()) this.#answerFrom(records[place]!, answer);
  }

  /** Each its own number; with `isAtomic` all the same. */
  async batch(setter: Setter, variables: readonly number[], isAtomic: boolean): Promise<void> {
    if (variables.length === 0) return;
    const { session, name, state } = setter;
    const seq = this.#recorder.nextSeq();
    const values = variables.map((variable) =>
      this.#newValue(session, variable, isAtomic ? seq : this.#recorder.nextSeq(), 0),
    );
    const goesByLink = isByLink(
      setter,
      values.map(({ value }) => value),
    );
    const records = values.map(({ tag }) => this.#recorder.recordSet(tag, name, goesByLink));
    const identifiers = variables.map((variable) => this.#variables.identifierOf(session, variable, false));
    const record = Object.fromEntries(identifiers.map((identifier, place) => [identifier, values[place]!.value]));
    let error: ErrorName | undefined;
    let versions: ReadonlyMap<string, number> | undefined;
    let startMs: number | undefined;
    if (state === undefined) {
      const call: WriterCall = { name: 'batch', values: record, atomic: isAtomic };
      const [answer] = await this.#world.call(session, [call]);
      startMs = answer!.startMs;
      error = answer!.error;
      versions = answer!.result as ReadonlyMap<string, number> | undefined;
      if (error !== undefined) this.#recorder.reject('batch', error);
    } else {
      const made = state.updateVariables(record, { atomic: isAtomic });
      versions = await this.#recorder.track('batch', made, (failure) => {
        error = failure;
      });
    }
    const endMs = nowMs();
    for (const [place, one] of records.entries()) {
      if (startMs !== undefined) Object.assign(one, { startMs });
      const version = versions?.get(identifiers[place]!) ?? error?.versions[identifiers[place]!];
      this.#answer(one, endMs, version, version === undefined ? error : undefined);
    }
  }

  #newValue(session: number, variable: number, seq: number, padding: number): Sent {
    const tag = { session, variable, seq };
    const sent = { tag, value: encodeTag(this.#variables.typeOf(session, variable), tag, padding) };
    this.#last.set(`${session}/${variable}`, sent);
    return sent;
  }

  #call(session: number, variable: number, value: VariableInput): WriterCall {
    return { name: 'set', identifier: this.#variables.identifierOf(session, variable, false), value };
  }

  #answerFrom(record: SetRecord, { startMs, endMs, result, error }: WriterAnswer): void {
    Object.assign(record, { startMs });
    if (error !== undefined) this.#recorder.reject('set from outside', error);
    this.#answer(record, endMs, result as number | undefined, error);
  }

  #answer(record: SetRecord, endMs: number, version: number | undefined, error: ErrorName | undefined): void {
    answerSet(record, endMs, version, error);
    const { session, variable } = record.tag;
    if (version !== undefined) this.#versions.set(`${session}/${variable}`, version);
  }
}

/** All of it, or none. */
function isByLink(setter: Setter, values: readonly VariableInput[]): boolean {
  return setter.isByLink && values.every((value) => SHORT.has(typeof value) && String(value).length < SHORT_CHARACTERS);
}

const SHORT: ReadonlySet<string> = new Set(['number', 'bigint', 'boolean', 'string']);
/** Those of a tag without padding have less, those with some more. */
const SHORT_CHARACTERS = 100;

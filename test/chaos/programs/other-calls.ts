/** What a life asks of a state beside sets and watches: rollbacks, imports, waits, and contexts that move. Owner: the performer. */
import type { BridgedStateOptions, StateProvider, VariableChange } from '../../../src/main/index.js';
import { Context, waitFor } from '../../../src/main/index.js';
import type { Recorder } from '../history/recorder.js';
import { answerSet } from '../history/recorder.js';
import { encodeTag, type TaggedType } from '../history/value-tag.js';
import { codeOf, nowMs, pause } from './clock.js';
import type { LifeVariables } from './variables.js';

export class OtherCalls {
  readonly #recorder: Recorder;
  readonly #variables: LifeVariables;
  #contexts = 0;

  constructor(recorder: Recorder, variables: LifeVariables) {
    this.#recorder = recorder;
    this.#variables = variables;
  }

  /** To one of the last versions that the history has. */
  async rollback(state: StateProvider, session: number, variable: number, back: number): Promise<void> {
    const name = this.#variables.identifierOf(session, variable, false);
    const entries = await this.#recorder.track(`history before a rollback of ${name}`, state.history(name));
    const entry = entries?.at(-1 - back) ?? entries?.[0];
    if (entry === undefined) return;
    this.#recorder.history.rollbacks.push({ session, variable, version: entry.version });
    await this.#recorder.track(`rollback of ${name}`, state.rollback(name, entry.version));
  }

  /** Sets what is there, and registers what is not. */
  async import(state: StateProvider, setter: string, session: number, variables: readonly number[]): Promise<void> {
    const imported = variables.map((variable) => {
      const tag = { session, variable, seq: this.#recorder.nextSeq() };
      const type = this.#variables.typeOf(session, variable);
      return { tag, type, name: this.#variables.identifierOf(session, variable, false) };
    });
    // Another order than that of sets: each is looked for first.
    const records = imported.map(({ tag }) => this.#recorder.recordSet(tag, `${setter}, import ${tag.seq}`, false));
    const exported = {
      format: 'bridged-state/1' as const,
      variables: imported.map(({ tag, type, name }) => ({
        ...{ name, type, value: exportedValue(type, tag), version: 1 },
        ...{ constraints: {}, metadata: {}, description: '', ttlMs: 0 },
      })),
    };
    await this.#recorder.track('import', state.importState(exported));
    for (const record of records) answerSet(record, nowMs(), undefined);
  }

  /** For what is never so: it is told that its time is up, or that a variable went. */
  async wait(state: StateProvider, names: readonly string[], timeoutMs: number): Promise<void> {
    await this.#recorder.track(
      `wait for ${names.join(', ')}`,
      waitFor(state, names, () => false, { timeoutMs }),
    );
  }

  /** Its variables are its own: what its watch is told is looked at here. */
  async move(options: BridgedStateOptions, variables: number, forMs: number): Promise<void> {
    this.#contexts += 1;
    const label = `context ${this.#contexts}`;
    const context = new Context();
    const names = Array.from({ length: variables }, (_, place) => `moved${this.#contexts}.${place}`);
    const seen = new Map<string, VariableChange>();
    const tell = (what: string) => this.#recorder.history.troubles.push({ kind: 'moved', what: `${label}: ${what}` });
    let isClosed = false;
    let seq = 0;
    const watcher = (changes: readonly VariableChange[]): void => {
      for (const change of changes) {
        const { identifier, oldValue, newValue, metadata } = change;
        const last = seen.get(identifier);
        const at = `${identifier}, version ${metadata.version} of ${metadata.variableId}`;
        if (isClosed) tell(`${at}: told after it was closed`);
        if (last !== undefined && oldValue !== last.newValue)
          tell(`${at}: its old value is ${oldValue}, it saw ${last.newValue} last`);
        if (last?.metadata.deleted !== undefined) tell(`${at}: told after it was deleted`);
        if (last?.metadata.variableId === metadata.variableId && metadata.version <= last.metadata.version)
          tell(`${at}: after version ${last.metadata.version}`);
        if (newValue === undefined && metadata.deleted === undefined) tell(`${at}: no value, and not deleted`);
        seen.set(identifier, change);
      }
    };
    const set = (): void => {
      seq += 1;
      const made = context.setVariable(names[seq % names.length]!, seq);
      void this.#recorder.track(`set of ${names[seq % names.length]} by ${label}`, made);
    };
    try {
      for (const name of names) await context.registerVariable(name, 'integer', 0);
      await context.watchVariables(names, watcher, { includeInitial: true, batch: true, onError: ignore });
    } catch (error) {
      tell(`before it moved: ${codeOf(error).message}`);
    }
    const moving = this.#recorder.track(`move of ${label}`, context.ensureBridged(options));
    const endMs = nowMs() + forMs;
    do {
      set();
      await pause(5);
    } while (nowMs() < endMs);
    await moving;
    set();
    await this.#recorder.track(`close of ${label}`, context.close());
    isClosed = true;
  }
}

function exportedValue(type: TaggedType, tag: Parameters<typeof encodeTag>[1]) {
  return encodeTag(type, tag) as VariableChange['oldValue'] & {};
}

function ignore(): void {
  // Where its session is ended, the watch is: it is looked at by what it was told.
}

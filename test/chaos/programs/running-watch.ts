/** One watch of a life: starts it, writes down what it is told, changes and ends it. Owner: the performer. */
import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type {
  StateProvider,
  UpdateMetadata,
  VariableChange,
  VariableValue,
  Watch,
  WatchIterable,
  WatchOptions,
} from '../../../src/main/index.js';
import type { WatchEntry, WatchRecord } from '../history/history.js';
import type { Recorder } from '../history/recorder.js';
import type { Tag } from '../history/value-tag.js';
import { decodeTag } from '../history/value-tag.js';
import { codeOf, nowMs, pause } from './clock.js';
import type { WatchPlan } from './step.js';

type Iterable = WatchIterable | WatchIterable<readonly VariableChange[]>;

export class RunningWatch {
  readonly record: WatchRecord;
  /** That the provider gave it; undefined while it opens, and for a loop. */
  ref: string | undefined;
  readonly #recorder: Recorder;
  readonly #plan: WatchPlan;
  readonly #state: StateProvider;
  readonly #controller = new AbortController();
  /** Of one that is ended by it. A port is there until it is closed. */
  readonly #owner: MessagePort | undefined;
  #watch: Promise<Watch | undefined> | undefined;
  #iterable: Iterable | undefined;
  #loop: Promise<void> | undefined;
  #isEnding = false;

  constructor(record: WatchRecord, plan: WatchPlan, state: StateProvider, recorder: Recorder) {
    this.record = record;
    this.#plan = plan;
    this.#state = state;
    this.#recorder = recorder;
    this.#owner = plan.endedBy === 'owner' ? new MessageChannel().port1 : undefined;
  }

  /** Its life is over, and whatever ended the watch has. */
  release(): void {
    this.#owner?.close();
  }

  start(): void {
    const options = this.#options();
    const { pattern } = this.#plan;
    const identifiers = pattern === undefined ? this.record.firstIdentifiers : { pattern };
    if (this.#plan.form === 'iterator') {
      this.#iterable = this.#plan.isBatch
        ? this.#state.watch(identifiers, { ...options, batch: true })
        : this.#state.watch(identifiers, options);
      this.#loop = this.#take(this.#iterable);
      return;
    }
    const opening = this.#plan.isBatch
      ? this.#state.watchVariables(identifiers, (changes) => this.#handleChanges(changes), { ...options, batch: true })
      : this.#state.watchVariables(identifiers, (...call) => this.#handleCall(...call), options);
    this.#watch = this.#recorder.track(`watch ${this.record.label}`, opening).then((watch) => {
      if (watch !== undefined) this.record.readyMs = nowMs();
      this.ref = watch?.ref;
      return watch;
    });
  }

  get provider(): StateProvider {
    return this.#state;
  }

  async add(identifiers: ReadonlyMap<string, number>): Promise<void> {
    const watch = await this.#watch;
    if (watch === undefined || this.#isEnding) return;
    for (const [identifier, variable] of identifiers) this.record.identifiers.set(identifier, variable);
    await this.#change('add', watch, [...identifiers.keys()]);
  }

  async remove(identifiers: readonly string[]): Promise<void> {
    const watch = await this.#watch;
    if (watch === undefined || this.#isEnding) return;
    const watched = identifiers.filter((identifier) => watch.identifiers.includes(identifier));
    if (watched.length > 0) await this.#change('remove', watch, watched);
  }

  async stop(by: 'stop' | 'unwatch' | 'end'): Promise<void> {
    if (by === 'end' && this.#plan.endedBy !== 'nothing') {
      await this.#endFromOutside();
      return;
    }
    if (this.#iterable !== undefined) {
      this.#isEnding = true;
      this.#note({ kind: 'stopping', turn: this.#recorder.turn });
      const { label } = this.record;
      await this.#recorder.track<unknown>(`return of ${label}`, this.#iterable.return?.() ?? Promise.resolve());
      this.#note({ kind: 'stopped', turn: this.#recorder.turn });
      await this.#recorder.track(`loop of ${label}`, this.#loop ?? Promise.resolve());
      return;
    }
    const watch = await this.#watch;
    if (watch === undefined) return;
    await this.handleEnding(by === 'unwatch' ? this.#state.unwatchVariables(watch) : watch.stop());
  }

  /** Something ends it that settles when it is over: its own stop, or the closing of its state. */
  async handleEnding(over: Promise<unknown>): Promise<void> {
    this.#isEnding = true;
    this.#note({ kind: 'stopping', turn: this.#recorder.turn });
    await this.#recorder.track(`stop of ${this.record.label}`, over);
    // A loop takes what waits for it.
    if (this.#loop !== undefined) await this.#recorder.track(`loop of ${this.record.label}`, this.#loop);
    this.#note({ kind: 'stopped', turn: this.#recorder.turn });
  }

  /** Signals are heard at once, owners when their end is told. */
  async #endFromOutside(): Promise<void> {
    this.#isEnding = true;
    this.#note({ kind: 'stopping', turn: this.#recorder.turn });
    if (this.#plan.endedBy === 'signal') {
      this.#controller.abort();
    } else if (this.#owner !== undefined) {
      const closed = once(this.#owner, 'close');
      this.#owner.close();
      await closed;
    }
    await new Promise((resolve) => setImmediate(resolve));
    // A loop takes what waits for it.
    if (this.#iterable === undefined) this.#note({ kind: 'stopped', turn: this.#recorder.turn });
    else await this.#recorder.track(`loop of ${this.record.label}`, this.#loop ?? Promise.resolve());
  }

  async #change(kind: 'add' | 'remove', watch: Watch, identifiers: readonly string[]): Promise<void> {
    const { label } = this.record;
    const doing = kind === 'add' ? 'adding' : 'removing';
    this.#note({ kind: doing, identifiers, atMs: nowMs(), turn: this.#recorder.turn });
    let isRefused = false;
    const change = kind === 'add' ? watch.add(identifiers) : watch.remove(identifiers);
    await this.#recorder.track(`${kind} of ${label}`, change, () => {
      isRefused = true;
    });
    const done = kind === 'add' ? 'added' : 'removed';
    if (!isRefused) this.#note({ kind: done, identifiers, atMs: nowMs(), turn: this.#recorder.turn });
  }

  async #take(iterable: Iterable): Promise<void> {
    try {
      for (;;) {
        const { done, value }: IteratorResult<VariableChange | readonly VariableChange[]> = await iterable.next();
        if (done === true) return;
        this.#handleChanges('identifier' in value ? [value] : value);
        // One that is slow, so that its buffer fills.
        if (this.#plan.bufferLimit < SLOW_BELOW) await pause(1);
      }
    } catch (error) {
      const name = codeOf(error);
      this.#recorder.reject(`loop of ${this.record.label}`, name);
    }
  }

  #options(): WatchOptions {
    const { plan, recorder } = { plan: this.#plan, recorder: this.#recorder };
    const { includeInitial, debounceMs, maxWaitMs, throttleMs, bufferLimit, overflow, staleAfterMs, above } = plan;
    return {
      ...{ includeInitial, debounceMs, maxWaitMs, throttleMs, bufferLimit, overflow, staleAfterMs },
      conflate: plan.conflates,
      priority: plan.priority,
      atomic: plan.isAtomic,
      missing: plan.waitsForMissing ? 'wait' : 'fail',
      ...(plan.filter === 'function' ? { filter: (old, now) => this.#asksFilter(old, now) } : {}),
      ...(plan.filter === 'condition' ? { filter: { gt: above ?? 0 } } : {}),
      ...(plan.endedBy === 'signal' ? { signal: this.#controller.signal } : {}),
      ...(this.#owner === undefined ? {} : { owner: this.#owner }),
      onState: (state) => {
        if (state === 'live' && plan.form === 'iterator') this.record.readyMs ??= nowMs();
        this.#note({ kind: 'state', state, atMs: nowMs(), turn: recorder.turn });
      },
      onError: (error) => {
        const { code, message } = codeOf(error);
        this.#note({ kind: 'error', code, message, turn: recorder.turn });
      },
    };
  }

  /** Keeps out each third set: both outcomes are common. */
  #asksFilter(oldValue: VariableValue | undefined, newValue: VariableValue): boolean {
    const now = decodeTag(newValue);
    const passes = now === undefined || now.seq % 3 !== 0;
    this.#note({ kind: 'filter', old: decodeTag(oldValue), now, passes, turn: this.#recorder.turn });
    return passes;
  }

  #handleChanges(changes: readonly VariableChange[]): void {
    for (const { identifier, oldValue, newValue, metadata } of changes)
      this.#handleCall(identifier, oldValue, newValue, metadata);
  }

  #handleCall(
    identifier: string,
    oldValue: VariableValue | undefined,
    newValue: VariableValue | undefined,
    metadata: UpdateMetadata,
  ): void {
    const { version, missed, initial, resync, deleted, revision, sessionId, variableId } = metadata;
    const [old, now]: (Tag | undefined)[] = [decodeTag(oldValue), decodeTag(newValue)];
    const isForeign = (oldValue !== undefined && old === undefined) || (newValue !== undefined && now === undefined);
    this.#note({
      ...{ kind: 'call', identifier, old, now, isForeign, turn: this.#recorder.turn },
      ...{ version, missed, initial, resync, deleted, revision, sessionId, variableId },
    });
  }

  #note(entry: WatchEntry): void {
    this.record.entries.push(entry);
  }
}

/** Buffers that a loop of one change a millisecond fills now and then. */
const SLOW_BELOW = 100;

/**
 * `watch NAME|PATTERN…`: a line per update until `--count`, Ctrl-C, or the end of whoever reads. Path: dispatcher -> [watch] -> output.
 * It works with any server of the published contract, which has no patterns. There one watches what matches when it starts, and the session is
 * listed again every second: what has come since is watched from then on and told with its present value first, as `initial`. No set of a variable is lost after that line.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BridgedState, UpdateMetadata, VariableValue, WatchOptions, WatchTarget } from '../main/index.js';
import { BridgeError, UnsupportedError } from '../shared/errors.js';
import { compileWildcard, isWildcard } from '../shared/values/identifier.js';
import type { ClientOptions, Transport } from './client.js';
import { withState } from './client.js';
import type { Output } from './output.js';
import { shorten } from './output.js';
import { nextStop } from './stop-signals.js';
import { jsonOf, plainOf } from './value-text.js';

export interface WatchCommandOptions extends ClientOptions {
  readonly count?: number;
  readonly includeInitial?: boolean;
  readonly transport: Transport;
}

export async function watch(
  namesAndPatterns: readonly string[],
  options: WatchCommandOptions,
  output: Output,
): Promise<void> {
  const stop = nextStop();
  let isOpen = false;
  // Nothing has been printed and nothing is to be flushed: no need to wait for a connection that may take seconds.
  void stop.then(() => isOpen || process.exit(0));
  await withState(
    options,
    async (state) => {
      isOpen = true;
      const run = new WatchCommand(state, namesAndPatterns, options, output);
      void stop.then(() => run.end());
      output.closed.addEventListener('abort', () => run.end());
      await run.untilEnd();
    },
    { workers: WORKERS, transport: options.transport },
  );
}

class WatchCommand {
  readonly #state: BridgedState;
  readonly #names: readonly string[];
  readonly #patterns: readonly string[];
  readonly #options: WatchCommandOptions;
  readonly #output: Output;
  readonly #over = new AbortController();
  /** Watched by name now; a deleted one leaves, and comes back as a new variable when it is listed again. */
  readonly #watched = new Set<string>();
  /** Lines of before `ready` was printed: at most the initial values. */
  #early: string[] | undefined = [];
  #shown = 0;
  #runningWatches = 0;
  #isConnected = true;
  #error: unknown;

  constructor(state: BridgedState, namesAndPatterns: readonly string[], options: WatchCommandOptions, output: Output) {
    this.#state = state;
    this.#names = [...new Set(namesAndPatterns.filter((text) => !isWildcard(text)))];
    this.#patterns = [...new Set(namesAndPatterns.filter(isWildcard))];
    this.#options = options;
    this.#output = output;
  }

  end(error?: unknown): void {
    if (this.#over.signal.aborted) return;
    this.#error = error;
    this.#over.abort();
  }

  /** Resolves when it is over. @throws what ended it, if that was a failure */
  async untilEnd(): Promise<void> {
    const { includeInitial = false } = this.#options;
    const refs: string[] = [];
    const names = await this.#namesAlone();
    if (names.length > 0) refs.push(await this.#watchNames(names, { includeInitial }));
    const ofPatterns = this.#patterns.length > 0 ? await this.#watchPatterns({ includeInitial }) : undefined;
    const isListing = this.#patterns.length > 0 && ofPatterns === undefined;
    if (ofPatterns !== undefined) refs.push(ofPatterns);
    if (isListing) {
      const matching = await this.#listNew();
      // One of them may be gone by now; it is no mistake of the caller's.
      if (matching.length > 0) refs.push(await this.#watchNames(matching, { includeInitial, missing: 'wait' }));
    }
    this.#sayReady(refs[0]);
    const { signal } = this.#over;
    const over = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve());
    });
    const following = isListing ? this.#followPatterns().catch((error) => this.end(error)) : undefined;
    await over;
    await following;
    if (this.#error !== undefined) throw this.#error;
  }

  /** Those that no pattern watches, too. @throws VariableNotFoundError */
  async #namesAlone(): Promise<readonly string[]> {
    const matches = this.#patterns.map((pattern) => compileWildcard(pattern));
    const isMatched = (name: string): boolean => matches.some((fits) => fits(name));
    // A pattern waits for what is not there, a name does not.
    await Promise.all(this.#names.filter(isMatched).map((name) => this.#state.getVariable(name)));
    return this.#names.filter((name) => !isMatched(name));
  }

  /** Undefined where the server knows no patterns. */
  async #watchPatterns(options: WatchOptions): Promise<string | undefined> {
    try {
      return await this.#watch({ pattern: this.#patterns }, options);
    } catch (error) {
      if (error instanceof UnsupportedError) return undefined;
      throw error;
    }
  }

  async #watchNames(names: readonly string[], options: WatchOptions): Promise<string> {
    for (const name of names) this.#watched.add(name);
    try {
      return await this.#watch(names, options);
    } catch (error) {
      for (const name of names) this.#watched.delete(name);
      throw error;
    }
  }

  async #watch(target: WatchTarget, options: WatchOptions): Promise<string> {
    // A watch that cannot be opened stops too; that is told by what is thrown.
    let isOpen = false;
    let hasStopped = false;
    const handleStopped = () => {
      hasStopped = true;
      if (isOpen) this.#handleStopped();
    };
    const { ref } = await this.#state.watchVariables(target, this.#show, {
      ...options,
      onError: (error) => isOpen && this.end(error),
      onState: (state) => (state === 'stopped' ? handleStopped() : this.#handleState(state)),
    });
    isOpen = true;
    this.#runningWatches += 1;
    if (hasStopped) this.#handleStopped();
    return ref;
  }

  readonly #show = (
    identifier: string,
    oldValue: VariableValue | undefined,
    newValue: VariableValue | undefined,
    metadata: UpdateMetadata,
  ): void => {
    const receivedAtNs = process.hrtime.bigint();
    if (this.#over.signal.aborted) return;
    if (metadata.deleted !== undefined) this.#watched.delete(identifier);
    const line =
      this.#options.json === true
        ? jsonLine(identifier, oldValue, newValue, metadata, receivedAtNs)
        : this.#humanLine(identifier, oldValue, newValue, metadata);
    if (this.#early === undefined) this.#output.line(line);
    else this.#early.push(line);
    this.#shown += 1;
    if (this.#shown === this.#options.count) this.end();
  };

  #sayReady(ref: string | undefined): void {
    if (this.#options.json === true) this.#output.line(jsonOf({ event: 'ready', ref: ref ?? null }));
    else {
      const { size } = this.#watched;
      const variables = size === 1 ? '1 variable' : `${size} variables`;
      const what = [
        ...(size > 0 ? [variables] : []),
        ...(this.#patterns.length > 0 ? [`what fits ${this.#patterns.join(', ')}`] : []),
      ];
      this.#say(`watching ${what.join(' and ')}, Ctrl-C ends it`);
    }
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const line of early) this.#output.line(line);
  }

  #handleState(state: string): void {
    switch (state) {
      case 'live':
        if (!this.#isConnected) this.#say('connected again; what was missed is told by the next updates');
        this.#isConnected = true;
        break;
      case 'backoff':
      case 'open-circuit':
      case 'draining':
        if (this.#isConnected) this.#say('the connection is lost: trying again until it is back, Ctrl-C ends it');
        this.#isConnected = false;
        break;
    }
  }

  /** Every variable of that watch was deleted: nothing else stops one before we are over. */
  #handleStopped(): void {
    this.#runningWatches -= 1;
    if (this.#runningWatches > 0 || this.#patterns.length > 0 || this.#over.signal.aborted) return;
    const { count } = this.#options;
    if (count === undefined) this.#say('every watched variable was deleted: nothing is left to watch');
    const sentence = `every watched variable was deleted after ${this.#shown} of ${count} updates: watch others, or lower --count`;
    this.end(count === undefined ? undefined : new Error(sentence));
  }

  async #followPatterns(): Promise<void> {
    const { signal } = this.#over;
    let pauseMs = 0;
    while (!signal.aborted) {
      const startedAtMs = performance.now();
      try {
        const names = await this.#listNew();
        if (signal.aborted) return;
        if (names.length > 0) await this.#watchNames(names, { includeInitial: true, missing: 'wait' });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof BridgeError && PASSING_FAILURES.includes(error.code))) throw error;
      }
      // Listing a session of many variables must not become the server's main work.
      pauseMs = Math.max(LIST_EVERY_MS, LIST_PAUSE_FACTOR * (performance.now() - startedAtMs));
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Names that match and are not watched. */
  async #listNew(): Promise<string[]> {
    const lists = await Promise.all(this.#patterns.map((pattern) => this.#state.listVariables(pattern)));
    const names = lists.flatMap((variables) => variables.map(({ name }) => name));
    return [...new Set(names)].filter((name) => !this.#watched.has(name));
  }

  #humanLine(
    identifier: string,
    oldValue: VariableValue | undefined,
    newValue: VariableValue | undefined,
    { version, timestamp, missed, initial, resync, deleted }: UpdateMetadata,
  ): string {
    const time = this.#output.paint('dim', new Date(timestamp).toISOString().slice(TIME_FROM, TIME_TO));
    const before = initial || oldValue === undefined ? '' : `${textOf(oldValue)} -> `;
    const after = newValue === undefined ? (deleted ?? '') : textOf(newValue);
    const notes = [
      `version ${version}`,
      ...(initial ? ['initial'] : []),
      ...(resync ? ['resync'] : []),
      ...(missed > 0 ? [`${missed} missed`] : []),
    ];
    const note = this.#output.paint('dim', `(${notes.join(', ')})`);
    return `${time}  ${this.#output.paint('bold', identifier)}  ${before}${after}  ${note}`;
  }

  #say(sentence: string): void {
    process.stderr.write(`watch: ${sentence}\n`);
  }
}

/** Exactly these fields: scripts read them. `receivedAtNs` is `process.hrtime.bigint()` of this process, as a number with all its digits. */
function jsonLine(
  identifier: string,
  oldValue: VariableValue | undefined,
  newValue: VariableValue | undefined,
  { version, missed, initial, resync, deleted, source, timestamp }: UpdateMetadata,
  receivedAtNs: bigint,
): string {
  return jsonOf({
    identifier,
    old: oldValue ?? null,
    new: newValue ?? null,
    version,
    missed,
    initial,
    resync,
    deleted: deleted ?? null,
    source,
    timestamp,
    receivedAtNs,
  });
}

const textOf = (value: VariableValue): string => shorten(plainOf(value), SHOWN_CHARACTERS);

/** A terminal that is slow to print then holds up neither heartbeats nor the bookkeeping of what was missed. */
const WORKERS = 1;

const LIST_EVERY_MS = 1_000;
const LIST_PAUSE_FACTOR = 10;
const PASSING_FAILURES: readonly string[] = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'SESSION_NOT_FOUND'];

const SHOWN_CHARACTERS = 200;
/** Of 2026-01-02T03:04:05.678Z, the time with its ms. */
const TIME_FROM = 11;
const TIME_TO = 23;

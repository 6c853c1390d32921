/** A running watch, as its maker holds it. Path: your code -> [watch handle] -> watch. Closed: `stop()` twice is fine, `add` is refused. */
import { assert } from '../../shared/assert.js';
import { type BridgeError, ClosedError, InvalidArgumentError } from '../../shared/errors.js';
import type { StreamStateName } from '../../shared/port/stream-states.js';
import { systemClock } from '../../shared/system-clock.js';
import { checkIdentifiers } from '../call-arguments.js';
import type { Watch } from '../state-provider.js';
import type { WatchedVariable } from './dispatched-watch.js';
import type { WatchBackend, WatchRun } from './watch.js';

export class WatchHandle implements Watch {
  #changing: Promise<void> | undefined;
  readonly #run: WatchRun;
  readonly #backend: WatchBackend;

  constructor(run: WatchRun, backend: WatchBackend) {
    this.#run = run;
    this.#backend = backend;
  }

  static runOf(watch: Watch): WatchRun | undefined {
    return watch instanceof WatchHandle ? watch.#run : undefined;
  }

  get ref(): string {
    return this.#run.ref;
  }

  get identifiers(): readonly string[] {
    return this.#run.identifiers;
  }

  get state(): StreamStateName {
    return this.#run.state;
  }

  get ready(): Promise<void> {
    return this.#run.ready;
  }

  get synced(): Promise<void> {
    return this.#run.synced;
  }

  get freshnessMs(): number {
    return Math.max(0, systemClock.nowMs() - this.#backend.lastWordAtMs(this.#run));
  }

  stop(): Promise<void> {
    return this.#run.stop();
  }

  add(identifiers: string | readonly string[]): Promise<void> {
    return this.#inTurn(() => this.#add(identifiers));
  }

  remove(identifiers: string | readonly string[]): Promise<void> {
    return this.#inTurn(() => this.#remove(identifiers));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** What is watched changes by one call after the other: each finds what the one before has done. */
  async #inTurn(change: () => Promise<void>): Promise<void> {
    const before = this.#changing;
    const turn = before === undefined ? change() : before.then(change);
    const settled = turn.catch(ignore);
    this.#changing = settled;
    try {
      await turn;
    } finally {
      if (this.#changing === settled) this.#changing = undefined;
    }
  }

  async #add(identifiers: string | readonly string[]): Promise<void> {
    if (this.#run.isStopped) throw new ClosedError(`${this.ref} is over: watch again`);
    this.#checkNames();
    const { variables } = this.#run;
    const wanted = checkIdentifiers(identifiers).filter((identifier) => variables.get(identifier)?.isGone !== false);
    if (wanted.length === 0) return;
    // Deleted since, and perhaps registered again: another variable under its name.
    const gone = wanted.filter((identifier) => variables.has(identifier));
    if (gone.length > 0) await this.#backend.remove(this.#run, gone);
    await this.#backend.add(this.#run, wanted);
  }

  async #remove(identifiers: string | readonly string[]): Promise<void> {
    this.#checkNames();
    const { variables } = this.#run;
    const unwanted = new Set(checkIdentifiers(identifiers).filter((identifier) => variables.has(identifier)));
    if (unwanted.size === 0) return;
    if (isAnyLeft(variables, unwanted)) await this.#backend.remove(this.#run, [...unwanted]);
    else await this.stop();
  }

  /** @throws InvalidArgumentError */
  #checkNames(): void {
    const { patterns } = this.#run;
    if (patterns.length === 0) return;
    throw new InvalidArgumentError(
      `${this.ref} watches what fits ${patterns.join(', ')}, and no list of names: stop it, and watch another pattern`,
    );
  }
}

/** The inside of a watch of ours. */
export function runOf(watch: Watch): WatchRun {
  const run = WatchHandle.runOf(watch);
  assert(run !== undefined, 'every watch of ours has a run');
  return run;
}

/** Tells the end of a watch that somebody else made; at once when it is over already. */
export function whenOver(watch: Watch, onOver: (error: BridgeError | undefined) => void): void {
  const run = runOf(watch);
  if (run.isStopped) onOver(run.error);
  else run.onOver = onOver;
}

/** A deleted variable is none that a watch could still hear of. */
function isAnyLeft(variables: Iterable<readonly [string, WatchedVariable]>, without: ReadonlySet<string>): boolean {
  for (const [identifier, { isGone }] of variables) if (!isGone && !without.has(identifier)) return true;
  return false;
}

function ignore(): void {
  // Said to whoever made that change.
}

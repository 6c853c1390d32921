/** The share of one watch in one slot: its variables there, its subscription, its state. Path: slot client -> [watch share] -> watch. */
import type { BridgeError, ErrorWire } from '../../shared/errors.js';
import { errorFromWire } from '../../shared/errors.js';
import type { WatchOptions } from '../../shared/options.js';
import type { OpenCommand, SubscriptionOptions } from '../../shared/port/commands.js';
import type { StreamStateName } from '../../shared/port/stream-states.js';
import { systemClock } from '../../shared/system-clock.js';
import type { SlotClient, SlotSubscriber } from '../pool/slot-client.js';
import { resumePoints } from '../pool/slot-recovery.js';
import type { AtomicGroup, VariablePosition, WatchedVariable } from './dispatched-watch.js';
import { watchedVariable } from './dispatcher.js';
import type { WatchRun } from './watch.js';

/** Joins the shares of a watch. */
export interface WatchShareOwner {
  handleShareState(run: WatchRun, error: ErrorWire | undefined): void;
  handleShareSynced(run: WatchRun): void;
  /** One of its patterns has found it. */
  handleFound(variable: WatchedVariable): void;
  /** Where variables of it are that have been told all that waits of them. */
  ahead(run: WatchRun): ReadonlyMap<WatchedVariable, VariablePosition>;
}

export class WatchShare implements SlotSubscriber {
  readonly subscription: number;
  readonly slot: SlotClient;
  readonly run: WatchRun;
  variables: WatchedVariable[];
  state: StreamStateName = 'connecting';
  isSynced = false;
  isOver = false;
  /** On what carries it alone, or while its link carried it. */
  #lastWordAtMs = systemClock.nowMs();
  #wasReady: boolean;
  /** Was in step: a variable that it waits for, and that had not come by then, did not exist. */
  #wasSynced = false;
  /** From where it was elsewhere: in step there. */
  readonly #goesOn: boolean;
  readonly #bridge: number;
  readonly #epoch: () => string;
  /** Of `variables`. */
  #forgotten = 0;
  readonly #group: AtomicGroup | undefined;
  readonly #options: SubscriptionOptions;
  /** Until its first opening is answered. */
  #opening: Opening | undefined;
  readonly #owner: WatchShareOwner;

  /** `resumes`: its variables say already from where on. */
  constructor(
    bridge: number,
    epoch: () => string,
    slot: SlotClient,
    run: WatchRun,
    variables: WatchedVariable[],
    owner: WatchShareOwner,
    resumes: boolean,
  ) {
    this.#wasReady = resumes;
    this.#goesOn = resumes;
    this.#bridge = bridge;
    this.#epoch = epoch;
    this.subscription = slot.nextSubscription();
    this.slot = slot;
    this.run = run;
    this.variables = variables;
    this.#owner = owner;
    this.#options = subscriptionOptions(run.options);
    this.#group = this.#options.atomic ? [] : undefined;
    for (const variable of variables) {
      variable.handle = slot.allot(variable);
      variable.cells = slot.cells;
      variable.group = this.#group;
    }
  }

  /** When the server was last heard on what carries it, ms. */
  get lastWordAtMs(): number {
    // Of one that waits to be carried again its link says nothing.
    const isCarried = this.state === 'live' || this.state === 'stale';
    return isCarried ? Math.max(this.#lastWordAtMs, this.slot.heardAtMs(this.#bridge)) : this.#lastWordAtMs;
  }

  handleNewcomer(name: string, handle: number): WatchedVariable | undefined {
    if (this.run.isStopped) return undefined;
    const variable = watchedVariable(this.run, name);
    variable.handle = handle;
    variable.cells = this.slot.cells;
    variable.group = this.#group;
    this.variables.push(variable);
    this.run.variables.set(name, variable);
    this.#owner.handleFound(variable);
    return variable;
  }

  /** It is gone, and was found by a pattern: nothing more is addressed to it. */
  forget(variable: WatchedVariable): void {
    this.slot.handles.release(variable.handle);
    this.#forgotten += 1;
    // Many may go one after the other: the list is gone through now and then.
    if (2 * this.#forgotten <= this.variables.length) return;
    this.variables = this.variables.filter(({ isGone }) => !isGone);
    this.#forgotten = 0;
  }

  /** Resolves when nothing more can come for these variables of it. */
  async drop(variables: readonly WatchedVariable[]): Promise<void> {
    try {
      await this.slot.drop(
        this,
        variables.map((variable) => variable.handle),
      );
    } finally {
      for (const variable of variables) this.slot.handles.release(variable.handle);
    }
  }

  /** Resolves when nothing more can come for it. */
  async close(): Promise<void> {
    try {
      await this.slot.closeSubscriber(this);
    } finally {
      this.#releaseHandles();
    }
  }

  #allot(variable: WatchedVariable): void {
    this.slot.handles.release(variable.handle);
    variable.handle = this.slot.allot(variable);
  }

  #releaseHandles(): void {
    for (const variable of this.variables) this.slot.handles.release(variable.handle);
  }

  /** Resolves when its server has registered it. @throws BridgeError of the worker or the server */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject };
      this.slot.open(this);
    });
  }

  get isOpening(): boolean {
    return this.#opening !== undefined;
  }

  /** A worker that takes over resumes it. */
  handleReady(): void {
    this.#wasReady = true;
    this.#opening?.resolve();
    this.#opening = undefined;
  }

  handleRefused(error: BridgeError): void {
    this.#opening?.reject(error);
    this.#opening = undefined;
  }

  openCommand(id: number): OpenCommand | undefined {
    const { patterns } = this.run;
    // What has crossed is told here, and does not come again.
    const ahead = this.#owner.ahead(this.run);
    const positionOf = (variable: WatchedVariable): VariablePosition => ahead.get(variable) ?? variable;
    const left = this.variables.filter((variable) => !positionOf(variable).isGone);
    if (left.length === 0 && patterns.length === 0) return undefined;
    // Its worker's handles went with the worker.
    for (const variable of left) if (variable.handle < 0) this.#allot(variable);
    const points = resumePoints(left.map(positionOf), this.#options.condition !== undefined);
    return {
      kind: 'open',
      id,
      bridge: this.#bridge,
      subscription: this.subscription,
      identifiers: left.map((variable) => variable.identifier),
      handles: left.map((variable) => variable.handle),
      patterns,
      epoch: patterns.length > 0 || (this.#wasSynced && this.#options.waitForMissing) ? this.#epoch() : '',
      wasSynced: this.#wasSynced || this.#goesOn,
      options: this.#options,
      // One that was registered before goes on, also where nothing has come yet: its first value is no baseline.
      resume: this.#wasReady || points.some((point) => point !== undefined) ? points : undefined,
    };
  }

  handleWorkerLost(): void {
    // Nothing has moved for a group that was not whole: it comes again.
    if (this.#group !== undefined) this.#group.length = 0;
    this.handleState('connecting', undefined);
  }

  handleState(state: StreamStateName, error: ErrorWire | undefined): void {
    // Its end comes with `ended`, behind its last updates.
    if (state === 'stopped' || state === 'failed') return;
    this.#lastWordAtMs = state === 'live' ? systemClock.nowMs() : this.lastWordAtMs;
    this.state = state;
    if (state !== 'live' && state !== 'stale') this.isSynced = false;
    this.#owner.handleShareState(this.run, error);
  }

  handleSynced(): void {
    this.isSynced = true;
    this.#wasSynced = true;
    this.#owner.handleShareSynced(this.run);
  }

  handlePulse(atMs: number): void {
    this.#lastWordAtMs = Math.max(this.#lastWordAtMs, atMs);
  }

  handleTrouble(error: ErrorWire): void {
    this.run.stats.errors += 1;
    this.run.handleError(errorFromWire(error));
  }

  handleEnded(error: ErrorWire | undefined): void {
    this.isOver = true;
    this.#releaseHandles();
    this.state = error === undefined ? 'stopped' : 'failed';
    this.#owner.handleShareState(this.run, error);
  }
}

interface Opening {
  resolve(): void;
  reject(error: BridgeError): void;
}

/** One object for watches that are opened one after the other with the same: it crosses to a worker once for all that one message opens. */
function subscriptionOptions(options: WatchOptions): SubscriptionOptions {
  const condition = typeof options.filter === 'object' ? options.filter : undefined;
  const waitForMissing = options.missing === 'wait';
  const { includeInitial, atomic, bufferLimit, overflow, priority, staleAfterMs } = options;
  const isAsBefore =
    last !== undefined &&
    last.condition === condition &&
    last.waitForMissing === waitForMissing &&
    last.includeInitial === includeInitial &&
    last.atomic === atomic &&
    last.bufferLimit === bufferLimit &&
    last.overflow === overflow &&
    last.priority === priority &&
    last.staleAfterMs === staleAfterMs;
  if (!isAsBefore)
    last = { includeInitial, condition, waitForMissing, atomic, bufferLimit, overflow, priority, staleAfterMs };
  return last as SubscriptionOptions;
}

let last: SubscriptionOptions | undefined;

/**
 * The watches of a BridgedState: each is split over the slots that own its variables, and joined here. Path: slot client -> watch share -> [bridged watches] -> watch.
 * Slow: the workers' rings. Closed: its shares are closed, their handles given back.
 */
import type { Deadlines } from '../shared/deadlines.js';
import type { ErrorWire } from '../shared/errors.js';
import {
  ClosedError,
  errorFromWire,
  MessageTooLargeError,
  UnsupportedError,
  VariablesNotFoundError,
} from '../shared/errors.js';
import { listedNames } from '../shared/listed-names.js';
import type { Logger } from '../shared/logger.js';
import type { PortStats } from '../shared/port/replies.js';
import { joinStates } from '../shared/port/stream-states.js';
import type { CellValue } from '../shared/port/value-cells.js';
import { systemClock } from '../shared/system-clock.js';
import { bytesToOpen, bytesToResume } from '../shared/wire/request-size.js';
import { slotOf } from './pool/placement.js';
import type { SlotClient } from './pool/slot-client.js';
import type { WatcherInfo } from './state-provider.js';
import type { VariablePosition, WatchedVariable } from './watch/dispatched-watch.js';
import { watchedVariable } from './watch/dispatcher.js';
import { PeekIndex } from './watch/peek-index.js';
import type { WatchOrigin, WatchPosition, WatchRun } from './watch/watch.js';
import type { UpstreamStats, WatchSource } from './watch/watch-set.js';
import { WatchSet } from './watch/watch-set.js';
import type { WatchShareOwner } from './watch/watch-share.js';
import { WatchShare } from './watch/watch-share.js';
import { type TurnStats, WatchTurns } from './watch/watch-turns.js';

/** What the watches have to know of their state. */
export interface BridgedWatchesOptions {
  readonly bridge: number;
  readonly slots: readonly SlotClient[];
  readonly sessionId: string;
  readonly logger: Logger;
  readonly deadlines: Deadlines;
  readonly verifies: boolean;
  readonly maxMessageBytes: number;
  readonly maxMainMs: number;
  /** Of the server, as it was said when the state was opened. */
  readonly epoch: () => string;
  /** Which of them are there. */
  readonly present: (identifiers: readonly string[]) => Promise<ReadonlySet<string>>;
  /** @throws ClosedError */
  readonly checkOpen: () => void;
}

export class BridgedWatches implements WatchSource, WatchShareOwner {
  readonly set: WatchSet;
  readonly turns: WatchTurns;
  /** Conditions are asked in the workers. */
  readonly asksConditions = false;
  readonly #options: BridgedWatchesOptions;
  readonly #shares = new Map<WatchRun, readonly WatchShare[]>();
  /** Made by the first peek: who never peeks pays nothing for it. */
  #index: PeekIndex | undefined;

  constructor(options: BridgedWatchesOptions) {
    this.#options = options;
    this.set = new WatchSet(this, options.verifies);
    this.turns = new WatchTurns(options.maxMainMs, () => this.set.handleTurnEnd(systemClock.nowMs()));
  }

  get deadlines(): Deadlines {
    return this.#options.deadlines;
  }

  get logger(): Logger {
    return this.#options.logger;
  }

  get sessionId(): string {
    return this.#options.sessionId;
  }

  async list(): Promise<WatcherInfo[]> {
    const { slots } = this.#options;
    const answers = (await Promise.all(slots.map((slot) => slot.stats())).catch((error: unknown) => {
      // Closed, and its workers with it: nothing is watched, and nobody is there to ask.
      if (this.set.isEmpty) return undefined;
      throw error;
    })) as PortStats[] | undefined;
    if (answers === undefined) return [];
    const stats: SlotStats = new Map(
      slots.map((slot, place) => [slot, new Map(answers[place]!.subscriptions.map((one) => [one.subscription, one]))]),
    );
    return this.set.list((run) => upstreamOf(this.#shares.get(run) ?? [], stats, this.turns.statsOf(run)));
  }

  /** The updates that came together have all been seen. */
  handleTurnEnd(): void {
    this.turns.run();
    this.set.handleTurnEnd(systemClock.nowMs());
  }

  /** As its worker has heard it, whatever of that has been dispatched. */
  peek(identifier: string): CellValue | undefined {
    if (this.#index === undefined) {
      this.#index = new PeekIndex();
      for (const shares of this.#shares.values()) for (const { variables } of shares) this.#index.add(variables);
    }
    return this.#index.peek(identifier);
  }

  // --- WatchSource

  checkOpen(): void {
    this.#options.checkOpen();
  }

  open(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    this.turns.open(run);
    this.#shares.set(run, NONE);
    return this.#openShares(run, identifiers, run.origin);
  }

  async openPatterns(run: WatchRun): Promise<void> {
    this.#checkFits(run.patterns, false);
    this.turns.open(run);
    const variables = [...(run.origin?.positions ?? [])].map(([identifier, position]) => {
      const variable = watchedVariable(run, identifier);
      beginAt(variable, position);
      return variable;
    });
    // What fits is not known, so it is not split: one slot finds all of it.
    const share = this.#share(run, this.#slotBy(run.ref), variables, run.origin !== undefined);
    this.#shares.set(run, [share]);
    try {
      await share.open();
    } catch (error) {
      await this.#closeShare(share);
      throw error;
    }
  }

  add(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    return this.#openShares(run, identifiers, undefined);
  }

  async remove(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    const unwanted = new Set(identifiers);
    const shares = this.#shares.get(run) ?? [];
    await Promise.all([...shares].map((share) => this.#removeFrom(run, share, unwanted)));
  }

  handleIdentified(variable: WatchedVariable, formerId: string): void {
    this.#index?.handleIdentified(variable, formerId);
  }

  forget(run: WatchRun, variable: WatchedVariable): void {
    this.#index?.remove([variable]);
    for (const share of this.#shares.get(run) ?? []) share.forget(variable);
  }

  tellDue(run: WatchRun, nowMs: number): void {
    this.turns.tellDue(run, nowMs);
  }

  async stop(run: WatchRun): Promise<void> {
    this.turns.close(run);
    const shares = this.#shares.get(run) ?? [];
    this.#shares.delete(run);
    for (const { variables } of shares) this.#index?.remove(variables);
    await Promise.all(shares.map((share) => this.#closeShare(share)));
  }

  lastWordAtMs(run: WatchRun): number {
    let last = Number.POSITIVE_INFINITY;
    for (const share of this.#shares.get(run) ?? []) last = Math.min(last, share.lastWordAtMs);
    if (last === Number.POSITIVE_INFINITY) last = run.createdAt;
    return Math.max(last, run.stats.lastUpdateAtOrUndefined ?? 0);
  }

  releaseAtTurnEnd(run: WatchRun): void {
    this.set.holdThisTurn(run);
  }

  // --- WatchShareOwner

  handleFound(variable: WatchedVariable): void {
    this.#index?.add([variable]);
  }

  ahead(run: WatchRun): ReadonlyMap<WatchedVariable, VariablePosition> {
    return this.turns.ahead(run);
  }

  handleShareState(run: WatchRun, error: ErrorWire | undefined): void {
    const shares = this.#shares.get(run);
    if (shares === undefined || run.isStopped) return;
    const state = joinStates(shares.map((share) => share.state));
    const isOver = state === 'failed' || shares.every((share) => share.isOver);
    // Behind what waits to be told.
    if (isOver && this.turns.defer(run, () => this.handleShareState(run, error))) return;
    if (state === 'failed') run.handleEnded(error === undefined ? undefined : errorFromWire(error));
    else if (isOver) run.handleEnded(undefined);
    else run.handleState(state);
  }

  handleShareSynced(run: WatchRun): void {
    if (this.turns.defer(run, () => this.handleShareSynced(run))) return;
    const shares = this.#shares.get(run) ?? [];
    if (shares.every((share) => share.isSynced || share.isOver)) run.handleSynced();
  }

  // --- inside

  /** Opens a subscription per slot; on a failure none of them stays. */
  #openShares(run: WatchRun, identifiers: readonly string[], origin: WatchOrigin | undefined): Promise<void> {
    this.#checkFits(identifiers, run.options.atomic);
    const parts = this.#parts(run, identifiers, origin);
    const resumes = origin !== undefined;
    // Each slot, and each stream, alone would begin to deliver although another refuses its share.
    const isSplit = parts.length > 1 || bytesToResume(identifiers) > this.#options.maxMessageBytes;
    // One that resumes is told of what is gone.
    if (!isSplit || resumes || run.options.missing !== 'fail') return this.#openParts(run, identifiers, parts, resumes);
    return this.#checkAllThere(identifiers).then(() => this.#openParts(run, identifiers, parts, resumes));
  }

  /** Its variables by slot. */
  #parts(run: WatchRun, identifiers: readonly string[], origin: WatchOrigin | undefined): Part[] {
    const parts: Part[] = [];
    for (const identifier of identifiers) {
      const slot = this.#slotFor(run, identifier);
      const variable = watchedVariable(run, identifier);
      const part = partOf(parts, slot);
      // An array that begins empty has room for seventeen; most have this one.
      if (part === undefined) parts.push({ slot, variables: [variable] });
      else part.variables.push(variable);
      const position = origin?.positions.get(identifier);
      if (position !== undefined) beginAt(variable, position);
    }
    return parts;
  }

  #openParts(run: WatchRun, identifiers: readonly string[], parts: readonly Part[], resumes: boolean): Promise<void> {
    const all = this.#shares.get(run);
    // Stopped meanwhile: nobody would close what is opened now.
    if (all === undefined) throw new ClosedError(`${run.ref} was stopped before the server had registered it`);
    const shares = parts.map(({ slot, variables }) => this.#share(run, slot, variables, resumes));
    this.#shares.set(run, all.length === 0 ? shares : all.concat(shares));
    const opening = shares.length === 1 ? shares[0]!.open() : openAll(shares);
    return opening.catch((error: unknown) => this.#takeBack(run, identifiers, shares, error));
  }

  /** @throws why it was refused, in the names of its caller */
  async #takeBack(
    run: WatchRun,
    identifiers: readonly string[],
    shares: readonly WatchShare[],
    reason: unknown,
  ): Promise<never> {
    await Promise.all(shares.map((share) => this.#closeShare(share)));
    for (const { variables } of shares) {
      for (const { identifier } of variables) run.variables.delete(identifier);
      this.#index?.remove(variables);
    }
    this.#forgetShares(run, shares);
    if (reason instanceof VariablesNotFoundError) {
      const missing = await this.#missingOf(identifiers);
      // A server of ours waits for them.
      if (run.options.missing === 'wait') throw cannotWait(missing.length > 0 ? missing : identifiers, reason);
      if (missing.length > 0) throw VariablesNotFoundError.of(missing);
    }
    throw reason;
  }

  #share(run: WatchRun, slot: SlotClient, variables: WatchedVariable[], resumes: boolean): WatchShare {
    const { bridge, epoch } = this.#options;
    const share = new WatchShare(bridge, epoch, slot, run, variables, this, resumes);
    for (const variable of variables) run.variables.set(variable.identifier, variable);
    this.#index?.add(variables);
    return share;
  }

  async #removeFrom(run: WatchRun, share: WatchShare, unwanted: ReadonlySet<string>): Promise<void> {
    const variables = share.variables.filter(({ identifier }) => unwanted.has(identifier));
    if (variables.length === 0) return;
    for (const variable of variables) {
      variable.isGone = true;
      run.dropHeld(variable);
      run.variables.delete(variable.identifier);
    }
    this.#index?.remove(variables);
    this.turns.remove(run, variables);
    if (variables.length < share.variables.length) {
      share.variables = share.variables.filter(({ identifier }) => !unwanted.has(identifier));
      await share.drop(variables);
    } else {
      await this.#closeShare(share);
      this.#forgetShares(run, [share]);
    }
  }

  /**
   * The names of one call fit one message, so that nobody watches what cannot be asked for; what a return adds to them is split over streams,
   * unless the watch is atomic, which is whole on one stream only. @throws MessageTooLargeError
   */
  #checkFits(identifiers: readonly string[], isAtomic: boolean): void {
    const { maxMessageBytes } = this.#options;
    const bytes = isAtomic ? bytesToResume(identifiers) : bytesToOpen(identifiers);
    if (bytes <= maxMessageBytes || identifiers.length === 1) return;
    const what = isAtomic ? 'an atomic watch and the versions that it resumes from' : 'the names of a watch';
    throw new MessageTooLargeError(
      `${what} take ${bytes} bytes for ${identifiers.length} variables, above limits.maxMessageBytes ${maxMessageBytes}: ` +
        'watch them by several calls, or raise it at both ends',
    );
  }

  /** @throws VariablesNotFoundError naming every one that is not there */
  async #checkAllThere(identifiers: readonly string[]): Promise<void> {
    const missing = await this.#missingOf(identifiers);
    if (missing.length > 0) throw VariablesNotFoundError.of(missing);
  }

  async #missingOf(identifiers: readonly string[]): Promise<string[]> {
    const present = await this.#options.present(identifiers);
    return identifiers.filter((identifier) => !present.has(identifier));
  }

  #slotFor(run: WatchRun, identifier: string): SlotClient {
    // All of an atomic watch on one slot: a batch set atomically arrives in one turn.
    return this.#slotBy(run.options.atomic ? run.ref : identifier);
  }

  #slotBy(key: string): SlotClient {
    const { slots, sessionId } = this.#options;
    return slots[slotOf(sessionId, key, slots.length)]!;
  }

  async #closeShare(share: WatchShare): Promise<void> {
    if (share.isOver) return;
    share.isOver = true;
    await share.close().catch((error: unknown) => {
      if (!(error instanceof ClosedError)) throw error;
    });
  }

  /** The watch is what its other shares are: nobody else tells that it waited for these. */
  #forgetShares(run: WatchRun, gone: readonly WatchShare[]): void {
    const left = (this.#shares.get(run) ?? []).filter((share) => !gone.includes(share));
    if (!this.#shares.has(run)) return;
    this.#shares.set(run, left);
    if (left.length === 0) return;
    this.handleShareState(run, undefined);
    if (gone.some((share) => !share.isSynced)) this.handleShareSynced(run);
  }
}

/** What one slot has of a watch. */
interface Part {
  readonly slot: SlotClient;
  readonly variables: WatchedVariable[];
}

function partOf(parts: readonly Part[], slot: SlotClient): Part | undefined {
  for (const part of parts) if (part.slot === slot) return part;
  return undefined;
}

/** Resolves when all are open. When one is refused it throws as soon as nothing is under way any more. */
async function openAll(shares: readonly WatchShare[]): Promise<void> {
  const results = await Promise.allSettled(shares.map((share) => share.open()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

const NONE: readonly WatchShare[] = [];

function beginAt(variable: WatchedVariable, { name, variableId, epoch, version, value }: WatchPosition): void {
  variable.name = name;
  variable.variableId = variableId;
  variable.epoch = epoch;
  variable.lastVersion = version;
  variable.lastValue = value;
}

type SlotStats = ReadonlyMap<SlotClient, ReadonlyMap<number, PortStats['subscriptions'][number]>>;

function upstreamOf(shares: readonly WatchShare[], stats: SlotStats, turns: TurnStats): UpstreamStats {
  let transport: WatcherInfo['transport'] | undefined;
  const sum = { ...turns, received: 0, reconnects: 0 };
  for (const share of shares) {
    const one = stats.get(share.slot)?.get(share.subscription);
    if (one === undefined) continue;
    transport ??= one.transport;
    sum.received += one.received;
    sum.filteredWaiting += one.filteredWaiting;
    sum.missedWaiting += one.missedWaiting;
    sum.reconnects += one.reconnects;
    sum.buffered += one.buffered;
  }
  // One whose worker is being made again is carried by nothing.
  return { workerId: shares[0]?.slot.number ?? -1, transport: transport ?? 'stream', ...sum };
}

function cannotWait(missing: readonly string[], cause: Error): UnsupportedError {
  return new UnsupportedError(
    `watch of ${listedNames(missing)}: the server knows only the published contract, in which no watch waits for a variable: ` +
      'register it first, or use a bridged-state server',
    { cause },
  );
}

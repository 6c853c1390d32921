/**
 * What one watch makes of its stream: which update is next, which was seen, how many are missing, what its condition lets through.
 * Path: transport -> [watch feed] -> ring -> port writer. Pure; the transport tells it what happened, it tells its sink.
 * Slow: it never waits; the ring behind the sink does. Closed: after `handleStop` it delivers nothing.
 */
import type { Condition } from '../../shared/delivery/condition.js';
import { meets } from '../../shared/delivery/condition.js';
import type { Lineage, Update } from '../../shared/delivery/update.js';
import { BASELINE, flagsOfReason, HAS_OLD, INITIAL, MORE, RESYNC, UpdateRecord } from '../../shared/delivery/update.js';
import { DUPLICATE, VersionTracker } from '../../shared/delivery/version-tracker.js';
import type { BridgeError } from '../../shared/errors.js';
import { ProtocolError } from '../../shared/errors.js';
import type { ResumePoint, SubscriptionOptions } from '../../shared/port/commands.js';
import { fromPortValue } from '../../shared/port/port-value.js';
import type { SubscriptionStats } from '../../shared/port/replies.js';
import type { DeletedReason } from '../../shared/state/variable.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { ExpectedNames, UpdateMessage } from '../../shared/wire/update-message.js';
import { decodeUpdate, updateValue } from '../../shared/wire/update-message.js';
import type { FeedState } from './watch-state.js';
import { checkMove, isOver } from './watch-state.js';

/** Where a consumer's results go. Hot: `deliver` allocates nothing of its own. */
export interface FeedSink {
  /** False when the watch's ring is full and it asked for an error. The update is the consumer's own, and used again. */
  deliver(update: Update): boolean;
  handleState(state: FeedState): void;
  handleSynced(): void;
  handlePulse(nowMs: number): void;
  handleTrouble(error: BridgeError): void;
  /** The ring was full and the watch had asked for an error. */
  handleOverflow(): void;
  /** Every variable is gone. */
  handleNothingLeft(): void;
}

/** What the next stream of a watch asks the server for. */
export interface StreamRequest {
  readonly identifiers: readonly string[];
  /** Last versions by variable id, when all belong to `resumeEpoch`. */
  readonly resume: Readonly<Record<string, number>> | undefined;
  readonly resumeEpoch: string;
  readonly waitForMissing: boolean;
  /** A `synced` mark behind what the server has to say at first. */
  readonly wantsMark: boolean;
  /** Changes set atomically say whether more of them follow. */
  readonly keepsBatches: boolean;
}

interface TrackedVariable {
  readonly identifier: string;
  readonly handle: number;
  readonly tracker: VersionTracker;
  /** Last value seen; kept only for a condition. */
  last: VariableValue | undefined;
  /** Versions that the condition let pass silently since the last delivery. */
  filtered: number;
  /** Versions skipped right before filtered ones: the next delivery tells. */
  missed: number;
  /** Of its versions, until an update that is delivered has said it. */
  lineage: Lineage | undefined;
  isGone: boolean;
  /** Its present value, or nothing newer, has come on the present stream. */
  isCurrent: boolean;
}

export class WatchFeed {
  readonly #variables = new Map<string, TrackedVariable>();
  /** By the server's id; a variable asked for by name and by id is there twice. */
  readonly #byId = new Map<string, TrackedVariable[]>();
  /** Watched by name since an earlier worker, by the server's id: a deletion may come without a name. */
  readonly #resumedById = new Map<string, TrackedVariable>();
  readonly #sink: FeedSink;
  readonly #options: SubscriptionOptions;
  readonly #condition: Condition | undefined;
  #state: FeedState;
  #streamEpoch = '';
  #hasBeenLive = false;
  #isSynced = false;
  #awaitsMark = false;
  /** Of an atomic group that is not whole: nothing has moved for it yet, so that a break forgets it and the server says it again. */
  #group: UpdateMessage[] = [];
  /** What a whole group delivers; undefined while no group is handled. */
  #ready: UpdateRecord[] | undefined;
  readonly #record = new UpdateRecord();
  /** Was in step on some stream: a variable that had not come by then did not exist. */
  #wasSynced = false;
  #waitsForMissing: boolean;
  #lastWordAtMs: number;
  #lastNames: ExpectedNames = { variableId: '', name: '' };
  #received = 0;
  #filtered = 0;
  #duplicates = 0;
  #errors = 0;
  #reconnects = 0;

  constructor(
    identifiers: readonly string[],
    handles: readonly number[],
    resume: readonly (ResumePoint | undefined)[] | undefined,
    options: SubscriptionOptions,
    sink: FeedSink,
    nowMs: number,
  ) {
    this.#sink = sink;
    this.#options = options;
    this.#condition = options.condition;
    this.#waitsForMissing = options.waitForMissing;
    this.#state = { name: 'connecting', sinceMs: nowMs };
    this.#lastWordAtMs = nowMs;
    this.#hasBeenLive = resume !== undefined;
    identifiers.forEach((identifier, place) => {
      const tracker = new VersionTracker();
      const point = resume?.[place];
      if (point !== undefined) {
        tracker.resume(point.version, point.epoch, point.variableId);
      }
      const variable: TrackedVariable = {
        identifier,
        handle: handles[place]!,
        tracker,
        last: point?.last === undefined ? undefined : fromPortValue(point.last),
        filtered: 0,
        missed: 0,
        lineage: undefined,
        isGone: false,
        isCurrent: false,
      };
      this.#variables.set(identifier, variable);
      if (point !== undefined && point.variableId !== identifier) this.#resumedById.set(point.variableId, variable);
    });
  }

  get state(): FeedState {
    return this.#state;
  }

  get hasBeenLive(): boolean {
    return this.#hasBeenLive;
  }

  /** When the server was last heard on this watch, ms. */
  get lastWordAtMs(): number {
    return this.#lastWordAtMs;
  }

  /** Identifiers that still have a variable. */
  get identifiers(): string[] {
    return [...this.#variables.values()].filter((variable) => !variable.isGone).map((variable) => variable.identifier);
  }

  /** What to ask for now. `serverEpoch` is the one that the connection said, '' when it said none. */
  request(serverEpoch: string): StreamRequest {
    const resume: Record<string, number> = {};
    let resumeEpoch: string | undefined;
    let canResume = true;
    for (const { tracker, isGone } of this.#variables.values()) {
      if (isGone || tracker.version === 0) continue;
      if (tracker.epoch === '' || tracker.variableId === '') canResume = false;
      resumeEpoch ??= tracker.epoch;
      if (resumeEpoch !== tracker.epoch) canResume = false;
      resume[tracker.variableId] = tracker.version;
    }
    const isResuming = canResume && resumeEpoch !== undefined;
    // A server that lost its state gets its variables back from whoever sets them: the watch outlives that.
    const hasLostState = resumeEpoch !== undefined && serverEpoch !== '' && !isSameServer(resumeEpoch, serverEpoch);
    const waitForMissing = this.#waitsForMissing || hasLostState;
    // Present values that all come need no mark behind them.
    this.#awaitsMark = serverEpoch !== '' && (isResuming || waitForMissing);
    return {
      identifiers: this.identifiers,
      resume: isResuming ? resume : undefined,
      resumeEpoch: isResuming ? resumeEpoch! : '',
      waitForMissing,
      wantsMark: this.#awaitsMark,
      keepsBatches: this.#options.atomic,
    };
  }

  /** After a NOT_FOUND of a watch that was live before: the variables are waited for. */
  waitForMissing(): void {
    this.#waitsForMissing = true;
  }

  handleOpening(nowMs: number): void {
    if (this.#state.name !== 'connecting') this.#become({ name: 'connecting', sinceMs: nowMs });
    for (const variable of this.#variables.values()) variable.isCurrent = false;
    this.#isSynced = false;
    this.#group = [];
  }

  /** Response headers are there: the server has registered the watch. */
  handleRegistered(epoch: string, nowMs: number): void {
    this.#streamEpoch = epoch;
    this.#lastWordAtMs = nowMs;
    if (this.#hasBeenLive) this.#reconnects += 1;
    this.#hasBeenLive = true;
    this.#become({ name: 'live', sinceMs: nowMs });
  }

  /** Bytes of one VariableUpdate. What cannot be read is told and counted; the gap shows in the next one's `missed`. */
  handleMessage(bytes: Uint8Array, nowMs: number): void {
    if (isOver(this.#state)) return;
    this.#lastWordAtMs = nowMs;
    if (this.#state.name === 'stale') this.#become({ name: 'live', sinceMs: nowMs });
    try {
      const update = decodeUpdate(bytes, this.#lastNames);
      const { variableId, name } = update;
      if (variableId !== this.#lastNames.variableId || name !== this.#lastNames.name)
        this.#lastNames = { variableId, name };
      if (isMark(update)) this.#handleMark(update, nowMs);
      else if (update.more) this.#group.push(update);
      else if (this.#group.length > 0) this.#handleGroup([...this.#takeGroup(), update], nowMs);
      else this.#handleUpdate(update, nowMs);
    } catch (cause) {
      this.#handleUnreadable(cause);
      // Nobody can know whether it was the last of its group: what is there must not wait for a word that may never come.
      if (this.#group.length > 0) this.#handleGroup(this.#takeGroup(), nowMs);
    }
  }

  /** Silent for too long? Told by the slot's timer. Returns when to ask again, or undefined when the watch does not care. */
  handleStaleCheck(nowMs: number): number | undefined {
    const { staleAfterMs } = this.#options;
    if (staleAfterMs === 0 || isOver(this.#state)) return undefined;
    const dueAtMs = this.#lastWordAtMs + staleAfterMs;
    if (nowMs < dueAtMs) return dueAtMs;
    if (this.#state.name === 'live') this.#become({ name: 'stale', sinceMs: nowMs });
    return nowMs + staleAfterMs;
  }

  handleWaiting(state: Extract<FeedState, { name: 'backoff' | 'open-circuit' | 'draining' }>): void {
    this.#group = [];
    if (!isOver(this.#state)) this.#become(state);
  }

  /** These are no longer wanted; what still comes for them is not delivered. Returns whether any is left. */
  handleDropped(handles: ReadonlySet<number>): boolean {
    for (const variable of this.#variables.values()) {
      if (!handles.has(variable.handle)) continue;
      this.#variables.delete(variable.identifier);
      const same = this.#byId.get(variable.tracker.variableId)?.filter((other) => other !== variable);
      if (same !== undefined) this.#byId.set(variable.tracker.variableId, same);
    }
    return this.identifiers.length > 0;
  }

  handleStop(): void {
    if (!isOver(this.#state)) this.#become({ name: 'stopped' });
  }

  handleFailure(error: BridgeError): void {
    if (!isOver(this.#state)) this.#become({ name: 'failed', error });
  }

  stats(subscription: number, missedInRing: number, buffered: number): SubscriptionStats {
    let missedWaiting = missedInRing;
    for (const { missed } of this.#variables.values()) missedWaiting += missed;
    return {
      subscription,
      received: this.#received,
      filtered: this.#filtered,
      missedWaiting,
      duplicates: this.#duplicates,
      errors: this.#errors,
      reconnects: this.#reconnects,
      buffered,
    };
  }

  #takeGroup(): UpdateMessage[] {
    const group = this.#group;
    this.#group = [];
    return group;
  }

  /** All of it in one go: each but the last that is delivered says that more follows. */
  #handleGroup(group: readonly UpdateMessage[], nowMs: number): void {
    const ready: UpdateRecord[] = [];
    this.#ready = ready;
    for (const update of group) {
      try {
        this.#handleUpdate(update, nowMs);
      } catch (cause) {
        this.#handleUnreadable(cause);
      }
    }
    this.#ready = undefined;
    for (const [place, record] of ready.entries()) {
      if (place < ready.length - 1) record.flags |= MORE;
      if (!this.#sink.deliver(record)) {
        this.#sink.handleOverflow();
        return;
      }
    }
    this.#checkAnyLeft();
    this.#checkAllCurrent();
  }

  #handleUnreadable(cause: unknown): void {
    this.#errors += 1;
    this.#sink.handleTrouble(
      new ProtocolError(
        `an update could not be read (${cause instanceof Error ? cause.message : String(cause)}): it counts as missed`,
        { cause },
      ),
    );
  }

  #handleMark(update: UpdateMessage, nowMs: number): void {
    switch (update.updateType) {
      case 'heartbeat':
        this.#sink.handlePulse(nowMs);
        return;
      case 'synced':
        this.#handleSynced();
        return;
      default:
        // A type of a later contract: counted, and not ours to judge.
        this.#errors += 1;
    }
  }

  #handleUpdate(update: UpdateMessage, nowMs: number): void {
    for (const variable of this.#find(update)) {
      if (!variable.isGone && !isOver(this.#state)) this.#handleVersion(variable, update, nowMs);
    }
  }

  #find(update: UpdateMessage): readonly TrackedVariable[] {
    const known = this.#byId.get(update.variableId);
    if (known !== undefined) return known;
    const resumed = this.#resumedById.get(update.variableId);
    const found = [this.#variables.get(update.name), this.#variables.get(update.variableId), resumed].filter(
      (variable): variable is TrackedVariable => variable !== undefined && this.#variables.has(variable.identifier),
    );
    const distinct = [...new Set(found)];
    if (update.variableId !== '') this.#byId.set(update.variableId, distinct);
    return distinct;
  }

  #handleVersion(variable: TrackedVariable, update: UpdateMessage, nowMs: number): void {
    const { tracker } = variable;
    if (update.updateType === 'deleted') {
      this.#handleDeleted(variable, update, nowMs);
      return;
    }
    const isFirst = tracker.version === 0;
    const isSnapshot = update.updateType !== 'value_change';
    // Read before the tracker moves: an update that cannot be read counts as missed.
    const value = updateValue(update);
    const epochBefore = tracker.epoch;
    const idBefore = tracker.variableId;
    const missed = tracker.accept(update.version, this.#epochOf(update, tracker), update.variableId, isSnapshot);
    variable.isCurrent = true;
    if (missed !== DUPLICATE) {
      if (tracker.epoch !== epochBefore || tracker.variableId !== idBefore) {
        variable.lineage = { epoch: tracker.epoch, variableId: tracker.variableId };
      }
      const flags = isFirst ? this.#flagsOfFirst(update) : tracker.isResync ? RESYNC : 0;
      if (flags !== BASELINE) this.#received += 1;
      this.#offer(variable, update, value, flags, isFirst ? this.#missedBeforeFirst(update, flags) : missed, nowMs);
    } else {
      this.#duplicates += 1;
      if (this.#condition !== undefined && variable.last === undefined) variable.last = value;
    }
    if (isSnapshot) this.#checkAllCurrent();
  }

  #flagsOfFirst(update: UpdateMessage): number {
    if (update.updateType === 'value_change') return 0;
    if (update.updateType === 'initial_value' && this.#options.includeInitial) return INITIAL;
    // After a break a set made since the registration may have brought it: somebody has to be told.
    return update.updateType === 'resync' || this.#reconnects > 0 ? RESYNC : BASELINE;
  }

  /** Only the server knows them, unless the variable came into being since the watch was in step. */
  #missedBeforeFirst(update: UpdateMessage, flags: number): number {
    return flags === RESYNC && this.#wasSynced ? update.version - 1 : update.missed;
  }

  /** The condition decides, unless the update is more than a change. */
  #offer(
    variable: TrackedVariable,
    update: UpdateMessage,
    value: VariableValue,
    flags: number,
    missed: number,
    nowMs: number,
  ): void {
    const condition = this.#condition;
    if (condition === undefined) {
      this.#deliver(variable, update, value, flags, missed, 0, undefined, nowMs);
      return;
    }
    const old = variable.last;
    variable.last = value;
    if (flags === 0 && !meets(condition, old, value)) {
      variable.filtered += 1;
      variable.missed += missed;
      this.#filtered += 1;
      return;
    }
    const { filtered } = variable;
    const missedBefore = variable.missed;
    variable.filtered = 0;
    variable.missed = 0;
    const oldFlag = filtered > 0 ? HAS_OLD : 0;
    this.#deliver(variable, update, value, flags | oldFlag, missed + missedBefore, filtered, old, nowMs);
  }

  #handleDeleted(variable: TrackedVariable, update: UpdateMessage, nowMs: number): void {
    const { tracker } = variable;
    if (update.variableId !== '' && tracker.variableId !== '' && update.variableId !== tracker.variableId) {
      // The late word of an earlier life: the variable has come back under its name.
      this.#duplicates += 1;
      return;
    }
    const version = Math.max(update.version, tracker.version + 1);
    const missed = tracker.version === 0 ? update.missed : version - tracker.version - 1;
    // Nobody gets the value of what is gone: it is not worth a failure to read it.
    const value = variable.last as VariableValue;
    const reason: DeletedReason = isDeletedReason(update.reason) ? update.reason : 'deleted';
    tracker.version = version;
    variable.isGone = true;
    this.#received += 1;
    const { filtered } = variable;
    const flags = flagsOfReason(reason) | (filtered > 0 ? HAS_OLD : 0);
    this.#deliver(variable, update, value, flags, missed + variable.missed, filtered, variable.last, nowMs, version);
    this.#byId.delete(update.variableId);
    if (this.#ready === undefined) this.#checkAnyLeft();
    this.#checkAllCurrent();
  }

  #checkAnyLeft(): void {
    if (this.identifiers.length === 0 && !isOver(this.#state)) this.#sink.handleNothingLeft();
  }

  #deliver(
    variable: TrackedVariable,
    update: UpdateMessage,
    value: VariableValue,
    flags: number,
    missed: number,
    filtered: number,
    old: VariableValue | undefined,
    nowMs: number,
    version = update.version,
  ): void {
    const record = this.#ready === undefined ? this.#record : new UpdateRecord();
    record.handle = variable.handle;
    record.version = version;
    record.value = value;
    record.old = old;
    record.timestamp = update.timestamp;
    record.receivedAt = nowMs;
    record.revision = update.revision;
    record.missed = missed;
    record.filtered = filtered;
    record.flags = flags;
    record.source = update.source;
    record.custom = update.custom;
    record.lineage = variable.lineage;
    variable.lineage = undefined;
    if (this.#ready !== undefined) this.#ready.push(record);
    else if (!this.#sink.deliver(record)) this.#sink.handleOverflow();
  }

  /** Changes carry no epoch: they belong to the stream's, unless the variable has begun an era of its own within it. */
  #epochOf(update: UpdateMessage, tracker: VersionTracker): string {
    // The stream's own string rather than one more copy of it.
    if (update.epoch !== '') return update.epoch === this.#streamEpoch ? this.#streamEpoch : update.epoch;
    return isSameServer(tracker.epoch, this.#streamEpoch) ? '' : this.#streamEpoch;
  }

  /** Without a mark to wait for, a watch is in step when each variable's present value has come. */
  #checkAllCurrent(): void {
    // A group is told as a whole first.
    if (this.#isSynced || this.#ready !== undefined) return;
    for (const variable of this.#variables.values()) if (!variable.isCurrent && !variable.isGone) return;
    if (!this.#awaitsMark) this.#handleSynced();
  }

  #handleSynced(): void {
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#wasSynced = true;
    this.#sink.handleSynced();
  }

  #become(next: FeedState): void {
    checkMove(this.#state, next);
    this.#state = next;
    this.#sink.handleState(next);
  }
}

/** No update of a variable. */
function isMark({ updateType }: UpdateMessage): boolean {
  switch (updateType) {
    case 'value_change':
    case 'initial_value':
    case 'resync':
    case 'deleted':
      return false;
    default:
      return true;
  }
}

function isDeletedReason(reason: string): reason is DeletedReason {
  return reason === 'deleted' || reason === 'expired' || reason === 'session-ended';
}

/** Whether an epoch, or an era within it (`epoch.n`), is that of a server. */
function isSameServer(epoch: string, serverEpoch: string): boolean {
  return epoch === serverEpoch || epoch.startsWith(`${serverEpoch}.`);
}

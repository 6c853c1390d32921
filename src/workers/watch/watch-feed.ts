/**
 * One upstream interest: some variables of one watch, all of them unless its requests would not fit a message. Path: carrier -> [watch feed] -> port line.
 * Knows versions, groups and states; knows neither streams nor gRPC. Pure: the connection and the carrier tell it what happened, it tells its sink.
 * Slow: it never waits; the ring behind the sink does. Closed: after `handleStop` it delivers nothing.
 */
import type { Condition } from '../../shared/delivery/condition.js';
import { conditionText } from '../../shared/delivery/condition-text.js';
import type { Update } from '../../shared/delivery/update.js';
import { BASELINE, flagsOfReason, INITIAL, MORE, RESYNC, UpdateRecord } from '../../shared/delivery/update.js';
import type { VersionTracker } from '../../shared/delivery/version-tracker.js';
import { DUPLICATE } from '../../shared/delivery/version-tracker.js';
import type { BridgeError } from '../../shared/errors.js';
import { ProtocolError } from '../../shared/errors.js';
import type { ResumePoint, SubscriptionOptions } from '../../shared/port/commands.js';
import type { FoundHandles } from '../../shared/port/handles.js';
import type { CellWriter } from '../../shared/port/value-cells.js';
import { SmallMap } from '../../shared/small-map.js';
import type { DeletedReason } from '../../shared/state/variable.js';
import { inGenerationOf, isSameLife, parseEpoch } from '../../shared/wire/epoch-text.js';
import type { ExpectedNames, UpdateMessage } from '../../shared/wire/update-message.js';
import { decodeUpdate, updateValue } from '../../shared/wire/update-message.js';
import type { CarriedFeed } from '../transport/carrier.js';
import type { FeedRequest, Position } from './resume-request.js';
import { feedRequest } from './resume-request.js';
import { VariableFeed } from './variable-feed.js';
import type { FeedState } from './watch-state.js';
import { CONNECTING, checkMove, isOver, LIVE, STALE } from './watch-state.js';

/** Where a consumer's results go. Hot: `deliver` allocates nothing of its own. */
export interface FeedSink {
  /** False when the watch's ring is full and it asked for an error. The update is the consumer's own, and used again. */
  deliver(update: Update): boolean;
  handleState(feed: WatchFeed): void;
  handleSynced(feed: WatchFeed): void;
  handlePulse(nowMs: number): void;
  handleTrouble(error: BridgeError): void;
  /** The ring was full and the watch had asked for an error. */
  handleOverflow(): void;
  /** Every variable of it is gone. */
  handleNothingLeft(feed: WatchFeed): void;
}

/** What is watched by pattern instead of by name. */
export interface FeedPatterns {
  readonly patterns: readonly string[];
  readonly subscription: number;
  /** For variables that are found. */
  readonly handles: FoundHandles;
}

/** Of a feed that another worker had before. */
export interface FeedPast {
  /** Where each of its variables goes on; undefined for one that nothing has come for. */
  readonly points: readonly (ResumePoint | undefined)[];
  /** In which what had not come did not exist; '' where nobody knows. */
  readonly epoch: string;
  /** Was in step with some stream of the other worker. */
  readonly wasSynced: boolean;
}

/** What a feed counts; sums of several. */
export interface FeedStats {
  received: number;
  /** By the condition, and told by no update yet: what is told, the main thread counts. */
  filteredWaiting: number;
  missedWaiting: number;
  duplicates: number;
  errors: number;
  reconnects: number;
}

export class WatchFeed implements CarriedFeed {
  /** By identifier, as its watch calls them. */
  readonly #variables = new SmallMap<string, VariableFeed>();
  /** By the server's id, on the present stream; a variable asked for by name and by id is there twice. */
  readonly #byId = new SmallMap<string, OneOrSeveral>();
  readonly #sink: FeedSink;
  readonly #options: SubscriptionOptions;
  readonly #condition: Condition | undefined;
  /** For the server to ask. */
  readonly #conditionText: string | undefined;
  /** On the present stream the server asks it: what is not told was kept out. Asked here again, since what waited there may have been left out. */
  #isAskedThere = false;
  readonly #patterns: FeedPatterns | undefined;
  readonly #cells: CellWriter | undefined;
  #state: FeedState;
  #streamEpoch = '';
  /** Of the worker that had it before. */
  readonly #epochBefore: string;
  #hasBeenLive = false;
  #isSynced = false;
  #position: Position | undefined;
  #awaitsMark = false;
  /** Of an atomic group that is not whole: nothing has moved for it yet, so that a break forgets it and the server says it again. */
  #group: UpdateMessage[] = NO_GROUP;
  /** What a whole group delivers; undefined while no group is handled. */
  #ready: UpdateRecord[] | undefined;
  /** Variables that are not gone, and those of them whose present value has not come on the present stream. */
  #left: number;
  #notCurrent: number;
  /** Was in step on some stream: a variable that had not come by then did not exist. */
  #wasSynced = false;
  #waitsForMissing: boolean;
  #lastWordAtMs: number;
  #lastNames: ExpectedNames = NO_NAMES;
  #received = 0;
  #duplicates = 0;
  #errors = 0;
  #reconnects = 0;

  constructor(
    identifiers: readonly string[],
    handles: readonly number[],
    past: FeedPast | undefined,
    options: SubscriptionOptions,
    sink: FeedSink,
    nowMs: number,
    patterns?: FeedPatterns,
    cells?: CellWriter,
  ) {
    this.#sink = sink;
    this.#cells = cells;
    this.#options = options;
    this.#patterns = patterns;
    this.#condition = options.condition;
    this.#conditionText = options.condition && conditionText(options.condition);
    this.#waitsForMissing = options.waitForMissing;
    this.#state = CONNECTING;
    this.#lastWordAtMs = nowMs;
    this.#hasBeenLive = past !== undefined;
    this.#epochBefore = past?.epoch ?? '';
    this.#wasSynced = past?.wasSynced ?? false;
    this.#left = identifiers.length;
    this.#notCurrent = identifiers.length;
    identifiers.forEach((identifier, place) => {
      const handle = handles[place]!;
      this.#variables.set(identifier, new VariableFeed(identifier, handle, past?.points[place]));
      const last = past?.points[place]?.last;
      if (last !== undefined) cells?.keep(handle, last.value);
    });
    // Before the main thread can hear of what is found.
    if (patterns !== undefined) cells?.reserve(0);
    this.#bindKnown();
  }

  get state(): FeedState {
    return this.#state;
  }

  get hasBeenLive(): boolean {
    return this.#hasBeenLive;
  }

  get staleAfterMs(): number {
    return this.#options.staleAfterMs;
  }

  /** Three signs of life within the time that may pass without one. */
  get heartbeatMs(): number {
    return this.staleAfterMs === 0 ? 0 : Math.max(100, Math.floor(this.staleAfterMs / 3));
  }

  /** Identifiers that still have a variable. */
  get identifiers(): string[] {
    return [...this.#variables.values()].filter((variable) => !variable.isGone).map((variable) => variable.identifier);
  }

  /** For sentences. */
  get subject(): string {
    if (this.#patterns !== undefined) return `the watch of pattern ${this.#patterns.patterns.slice(0, 3).join(', ')}`;
    return `the watch of ${this.identifiers.slice(0, 3).join(', ')}`;
  }

  /** What to ask for now. `serverEpoch` is the one that the connection said, '' when it said none. */
  request(serverEpoch: string, takesRevisions: boolean): FeedRequest {
    // Once: where the server does not remember it, versions say where it was.
    const position = this.#position;
    this.#position = undefined;
    const request = feedRequest([...this.#variables.values()], {
      // What a condition has kept out is known by versions.
      position: takesRevisions && this.#condition === undefined ? position : undefined,
      patterns: this.#patterns?.patterns ?? [],
      epochBefore: this.#streamEpoch || this.#epochBefore,
      waitForMissing: this.#waitsForMissing,
      awaitsInitial: this.#options.includeInitial && !this.#wasSynced,
      keepsBatches: this.#options.atomic,
      serverEpoch,
    });
    this.#awaitsMark = request.wantsMark;
    return this.#conditionText === undefined ? request : { ...request, condition: this.#conditionText };
  }

  handlePosition(epoch: string, revision: number): void {
    if (this.#isSynced) this.#position = { epoch, revision };
  }

  /** After a NOT_FOUND of a watch that was live before: the variables are waited for. */
  waitForMissing(): void {
    this.#waitsForMissing = true;
  }

  handleOpening(): void {
    if (this.#state.name !== 'connecting') this.#become(CONNECTING);
    this.#notCurrent = 0;
    for (const variable of this.#variables.values()) {
      variable.isCurrent = variable.isGone;
      if (!variable.isGone) this.#notCurrent += 1;
    }
    this.#isSynced = false;
    this.#group = NO_GROUP;
    this.#bindKnown();
  }

  /** The server has registered the watch; `isAskedThere`: with its condition. */
  handleRegistered(epoch: string, nowMs: number, isAskedThere = false): void {
    this.#streamEpoch = epoch;
    this.#isAskedThere = isAskedThere;
    this.#lastWordAtMs = nowMs;
    if (this.#hasBeenLive) this.#reconnects += 1;
    this.#hasBeenLive = true;
    this.#become(LIVE);
  }

  /** The epoch is another from here on; in the same life, all that the stream has said is kept in it. */
  handleEpoch(epoch: string): void {
    this.#streamEpoch = epoch;
    if (this.#isSynced) this.#continueInEpoch();
  }

  #continueInEpoch(): void {
    for (const { tracker } of this.#variables.values()) tracker.continueIn(this.#streamEpoch);
  }

  /** Bytes of one VariableUpdate. What cannot be read is told and counted; the gap shows in the next one's `missed`. */
  handleMessage(bytes: Uint8Array, nowMs: number): void {
    if (isOver(this.#state)) return;
    this.handleWord(nowMs);
    try {
      const update = decodeUpdate(bytes, this.#lastNames);
      const { variableId, name } = update;
      if (variableId !== this.#lastNames.variableId || name !== this.#lastNames.name)
        this.#lastNames = { variableId, name };
      if (isNewsOf(this.#streamEpoch, update.epoch)) this.handleEpoch(inGenerationOf(this.#streamEpoch, update.epoch));
      if (isMark(update)) this.handleMark(update.updateType, nowMs);
      else this.#handleOneOrGroup(update, nowMs);
    } catch (cause) {
      this.#handleUnreadableInGroup(cause, nowMs);
    }
  }

  /** Read by its carrier, its value as far as that is read; one without `more` is the carrier's again when this returns. */
  handleUpdate(update: UpdateMessage, nowMs: number): void {
    if (isOver(this.#state)) return;
    this.handleWord(nowMs);
    try {
      this.#handleOneOrGroup(update, nowMs);
    } catch (cause) {
      this.#handleUnreadableInGroup(cause, nowMs);
    }
  }

  /** `synced`, `heartbeat`, or a word of a later contract. */
  handleMark(kind: string, nowMs: number): void {
    if (isOver(this.#state)) return;
    this.handleWord(nowMs);
    switch (kind) {
      case 'heartbeat':
        this.#sink.handlePulse(nowMs);
        return;
      case 'synced':
        this.#handleSynced();
        return;
      default:
        // Counted, and not ours to judge.
        this.#errors += 1;
    }
  }

  /** Changes of the variable up to this version that were not told were kept out by the condition. */
  handleKept(variableId: string, version: number): void {
    // Until it is in step, others may be on their way.
    if (isOver(this.#state) || !this.#isSynced || !this.#isAskedThere) return;
    for (const variable of allOf(this.#byId.get(variableId))) {
      const { tracker, isGone } = variable;
      const keptOut = version - tracker.version;
      if (isGone || tracker.version === 0 || keptOut <= 0) continue;
      tracker.version = version;
      this.#received += keptOut;
      variable.keepOut(keptOut);
    }
  }

  /** The server was heard on what carries it. */
  handleWord(nowMs: number): void {
    this.#lastWordAtMs = nowMs;
    if (this.#state.name === 'stale') this.#become(LIVE);
  }

  /**
   * Silent for too long? Told by the slot's timer; `heardAtMs`: on the link that carries it. Returns when to ask again, or undefined when the watch does not
   * care.
   */
  handleStaleCheck(nowMs: number, heardAtMs: number): number | undefined {
    const { staleAfterMs } = this;
    if (staleAfterMs === 0 || isOver(this.#state)) return undefined;
    const dueAtMs = Math.max(this.#lastWordAtMs, heardAtMs) + staleAfterMs;
    if (nowMs < dueAtMs) return dueAtMs;
    if (this.#state.name === 'live') this.#become(STALE);
    return nowMs + staleAfterMs;
  }

  handleWaiting(state: Extract<FeedState, { name: 'backoff' | 'open-circuit' | 'draining' }>): void {
    this.#group = NO_GROUP;
    if (!isOver(this.#state)) this.#become(state);
  }

  /** These are no longer wanted; what still comes for them is not delivered. Returns whether any is left. */
  handleDropped(handles: ReadonlySet<number>): boolean {
    for (const variable of this.#variables.values()) {
      if (!handles.has(variable.handle)) continue;
      this.#variables.delete(variable.identifier);
      const { variableId } = variable.tracker;
      const same = allOf(this.#byId.get(variableId)).filter((other) => other !== variable);
      if (this.#byId.has(variableId)) this.#byId.set(variableId, same);
      this.#handleCurrent(variable);
      this.#cells?.clear(variable.handle);
      if (!variable.isGone) this.#left -= 1;
    }
    return this.#left > 0;
  }

  handleStop(): void {
    if (!isOver(this.#state)) this.#become({ name: 'stopped' });
  }

  handleFailure(error: BridgeError): void {
    if (!isOver(this.#state)) this.#become({ name: 'failed', error });
  }

  addStats(sum: FeedStats): void {
    sum.received += this.#received;
    sum.duplicates += this.#duplicates;
    sum.errors += this.#errors;
    sum.reconnects += this.#reconnects;
    for (const variable of this.#variables.values()) {
      sum.filteredWaiting += variable.filteredWaiting;
      sum.missedWaiting += variable.missedWaiting;
    }
  }

  handleTrouble(error: BridgeError): void {
    if (!isOver(this.#state)) this.#sink.handleTrouble(error);
  }

  #takeGroup(): UpdateMessage[] {
    const group = this.#group;
    this.#group = NO_GROUP;
    return group;
  }

  /** All of it in one go: each but the last that is delivered says that more follows. */
  #handleGroup(group: readonly UpdateMessage[], nowMs: number): void {
    const ready: UpdateRecord[] = [];
    this.#ready = ready;
    for (const update of group) {
      try {
        this.#handleOne(update, nowMs);
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

  #addToGroup(update: UpdateMessage): void {
    if (this.#group === NO_GROUP) this.#group = [];
    this.#group.push(update);
  }

  #handleOneOrGroup(update: UpdateMessage, nowMs: number): void {
    if (update.more) this.#addToGroup(update);
    else if (this.#group.length > 0) this.#handleGroup([...this.#takeGroup(), update], nowMs);
    else this.#handleOne(update, nowMs);
  }

  #handleUnreadableInGroup(cause: unknown, nowMs: number): void {
    this.#handleUnreadable(cause);
    // Nobody can know whether it was the last of its group: what is there must not wait for a word that may never come.
    if (this.#group.length > 0) this.#handleGroup(this.#takeGroup(), nowMs);
  }

  #handleOne(update: UpdateMessage, nowMs: number): void {
    const found = this.#find(update);
    if (found instanceof VariableFeed) this.#handleOneOf(found, update, nowMs);
    else for (const variable of found) this.#handleOneOf(variable, update, nowMs);
  }

  #handleOneOf(variable: VariableFeed, update: UpdateMessage, nowMs: number): void {
    if (!variable.isGone && !isOver(this.#state)) this.#handleVersion(variable, update, nowMs);
  }

  /** Ids that are known from earlier streams: a deletion may come without a name. */
  #bindKnown(): void {
    this.#byId.clear();
    for (const variable of this.#variables.values()) {
      const { variableId } = variable.tracker;
      if (variableId === '' || variable.isGone) continue;
      const same = this.#byId.get(variableId);
      this.#byId.set(variableId, same === undefined ? variable : [...allOf(same), variable]);
    }
  }

  #find(update: UpdateMessage): OneOrSeveral {
    const known = this.#byId.get(update.variableId);
    if (known !== undefined) return known;
    const found = new Set<VariableFeed>();
    const byName = this.#variables.get(update.name);
    if (byName !== undefined) found.add(byName);
    // Our server says by which other identifiers it was asked for; of another, an identifier that is the id means the variable.
    const others = this.#streamEpoch === '' ? [update.variableId] : update.identifiers;
    for (const identifier of others) {
      const variable = this.#variables.get(identifier);
      if (variable !== undefined) found.add(variable);
    }
    if (this.#patterns !== undefined && found.size === 0) {
      // Nobody has heard of it.
      if (update.updateType === 'deleted') return NONE;
      found.add(this.#join(update.name, this.#patterns));
    }
    const all = [...found];
    const variables = all.length === 1 ? all[0]! : all;
    if (update.variableId !== '') this.#byId.set(update.variableId, variables);
    return variables;
  }

  /** It fits a pattern, and the watch hears of it for the first time. */
  #join(name: string, { subscription, handles }: FeedPatterns): VariableFeed {
    const variable = new VariableFeed(name, handles.allot(), undefined, { subscription, name });
    this.#cells?.reserve(variable.handle);
    variable.isCurrent = true;
    this.#variables.set(name, variable);
    this.#left += 1;
    return variable;
  }

  #handleVersion(variable: VariableFeed, update: UpdateMessage, nowMs: number): void {
    const { tracker } = variable;
    if (update.updateType === 'deleted') {
      this.#handleDeleted(variable, update, nowMs);
      return;
    }
    const isFirst = tracker.version === 0;
    const isSnapshot = update.updateType !== 'value_change';
    // Read before the tracker moves: an update that cannot be read counts as missed.
    const value = updateValue(update);
    const before = update.before === undefined ? undefined : updateValue(update.before);
    const epochBefore = tracker.epoch;
    const idBefore = tracker.variableId;
    const epoch = this.#epochOf(update, tracker);
    const missed = tracker.accept(update.version, epoch, update.variableId, isSnapshot, this.#missedInNewLife(update));
    if (missed === DUPLICATE) {
      this.#duplicates += 1;
      if (this.#condition !== undefined) variable.remember(value);
      if (update.version === tracker.version) this.#cells?.write(variable.handle, value);
    } else {
      // Before anybody is told, and whether or not anybody is.
      this.#cells?.write(variable.handle, value);
      if (tracker.epoch !== epochBefore || tracker.variableId !== idBefore) {
        variable.handleLineage(tracker.epoch, tracker.variableId, update.name);
      }
      const flags = isFirst ? this.#flagsOfFirst(update) : tracker.isResync ? RESYNC : 0;
      const skipped = isFirst ? this.#missedBeforeFirst(update, flags) : missed;
      const keptOut = isSnapshot ? 0 : this.#keptOut(update, skipped);
      if (flags !== BASELINE) this.#received += 1 + keptOut;
      const record = this.#recordOf(update, update.version, flags, skipped - keptOut, nowMs);
      variable.keepOut(keptOut);
      if (before !== undefined) variable.handleBefore(before);
      if (variable.offer(record, value, this.#condition)) this.#deliver(record);
    }
    this.#handleCurrent(variable);
    if (isSnapshot) this.#checkAllCurrent();
  }

  #flagsOfFirst(update: UpdateMessage): number {
    if (update.updateType === 'value_change') return 0;
    // A pattern that was in step, and away, has missed the beginning of what it finds then.
    const isNews = this.#patterns !== undefined && this.#reconnects > 0 && this.#wasSynced;
    if (update.updateType === 'initial_value' && this.#options.includeInitial && !isNews) return INITIAL;
    // After a break a set made since the registration may have brought it: somebody has to be told.
    return update.updateType === 'resync' || this.#reconnects > 0 ? RESYNC : BASELINE;
  }

  /** A server of ours knows them. Of another, a variable that came into being since the watch was in step has been missed from its first version on. */
  #missedBeforeFirst({ version, missed }: UpdateMessage, flags: number): number {
    return this.#streamEpoch === '' && flags === RESYNC && this.#wasSynced ? version - 1 : missed;
  }

  /** Versions of a new life before this one: a server of ours says how many there were, of another all are counted. */
  #missedInNewLife({ version, missed }: UpdateMessage): number {
    return this.#streamEpoch === '' ? version - 1 : missed;
  }

  /** Of the versions skipped right before a change: the server says which of them its outbox left out. */
  #keptOut({ missed }: UpdateMessage, skipped: number): number {
    return this.#isAskedThere ? Math.max(0, skipped - missed) : 0;
  }

  #handleDeleted(variable: VariableFeed, update: UpdateMessage, nowMs: number): void {
    const { tracker } = variable;
    if (update.variableId !== '' && tracker.variableId !== '' && update.variableId !== tracker.variableId) {
      // The late word of an earlier life: the variable has come back under its name.
      this.#duplicates += 1;
      return;
    }
    const version = Math.max(update.version, tracker.version + 1);
    const skipped = tracker.version === 0 ? update.missed : version - tracker.version - 1;
    const keptOut = this.#keptOut(update, skipped);
    const reason: DeletedReason = isDeletedReason(update.reason) ? update.reason : 'deleted';
    tracker.version = version;
    this.#received += 1 + keptOut;
    const record = this.#recordOf(update, version, flagsOfReason(reason), skipped - keptOut, nowMs);
    variable.keepOut(keptOut);
    if (update.before !== undefined) variable.handleBefore(updateValue(update.before));
    variable.end(record);
    this.#cells?.clear(variable.handle);
    this.#handleCurrent(variable);
    this.#left -= 1;
    this.#deliver(record);
    this.#byId.delete(update.variableId);
    // Registered again it is found again.
    if (this.#patterns !== undefined) {
      this.#variables.delete(variable.identifier);
      this.#patterns.handles.release(variable.handle);
    }
    if (this.#ready === undefined) this.#checkAnyLeft();
    this.#checkAllCurrent();
  }

  #checkAnyLeft(): void {
    if (this.#left === 0 && this.#patterns === undefined && !isOver(this.#state)) this.#sink.handleNothingLeft(this);
  }

  /** Addressed and given its value by its variable. */
  #recordOf(update: UpdateMessage, version: number, flags: number, missed: number, nowMs: number): UpdateRecord {
    const record = this.#ready === undefined ? RECORD : new UpdateRecord();
    record.version = version;
    record.old = undefined;
    record.timestamp = update.timestamp;
    record.receivedAt = nowMs;
    record.revision = update.revision;
    record.missed = missed;
    record.filtered = 0;
    record.flags = flags;
    record.source = update.source;
    record.custom = update.custom;
    return record;
  }

  #deliver(record: UpdateRecord): void {
    if (this.#ready !== undefined) this.#ready.push(record);
    else if (!this.#sink.deliver(record)) this.#sink.handleOverflow();
  }

  /** Changes carry no epoch: they belong to the stream's, unless the variable has begun an era of its own within it. */
  #epochOf(update: UpdateMessage, tracker: VersionTracker): string {
    // The stream's own string rather than one more copy of it.
    if (update.epoch !== '') return update.epoch === this.#streamEpoch ? this.#streamEpoch : update.epoch;
    if (tracker.epoch === this.#streamEpoch) return '';
    return isSameLife(tracker.epoch, this.#streamEpoch)
      ? inGenerationOf(tracker.epoch, this.#streamEpoch)
      : this.#streamEpoch;
  }

  #handleCurrent(variable: VariableFeed): void {
    if (variable.isCurrent) return;
    variable.isCurrent = true;
    this.#notCurrent -= 1;
  }

  /** Without a mark to wait for, a watch is in step when each variable's present value has come. */
  #checkAllCurrent(): void {
    // A group is told as a whole first.
    if (this.#isSynced || this.#ready !== undefined || this.#notCurrent > 0 || this.#awaitsMark) return;
    this.#handleSynced();
  }

  #handleSynced(): void {
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#wasSynced = true;
    // The server has said of each what was lost of it.
    if (this.#reconnects > 0) this.#continueInEpoch();
    this.#markCells();
    this.#sink.handleSynced(this);
  }

  #become(next: FeedState): void {
    checkMove(this.#state, next);
    const isLive = next.name === 'live';
    const changesCells = isLive !== (this.#state.name === 'live');
    this.#state = next;
    if (changesCells) this.#markCells();
    if (isOver(next)) this.#releaseFound();
    this.#sink.handleState(this);
  }

  /** A value is the present one while the feed is live, and has caught up with it. */
  #markCells(): void {
    const cells = this.#cells;
    if (cells === undefined) return;
    const isLive = this.#state.name === 'live';
    for (const { handle, isCurrent } of this.#variables.values()) {
      if (isLive && (this.#isSynced || isCurrent)) cells.show(handle);
      else cells.hide(handle);
    }
  }

  #releaseFound(): void {
    if (this.#patterns === undefined) return;
    for (const { handle } of this.#variables.values()) this.#patterns.handles.release(handle);
  }
}

/** What one update is said by, of any feed: who takes it copies it. */
const RECORD = new UpdateRecord();
/** Of an id: one most often, and then no array around it. */
type OneOrSeveral = VariableFeed | readonly VariableFeed[];

function allOf(some: OneOrSeveral | undefined): readonly VariableFeed[] {
  if (some === undefined) return NONE;
  return some instanceof VariableFeed ? [some] : some;
}

const NONE: readonly VariableFeed[] = [];
/** Never filled. */
const NO_GROUP: UpdateMessage[] = [];
const NO_NAMES: ExpectedNames = { variableId: '', name: '' };

/** Whether a stream has gone on in another generation. */
function isNewsOf(streamEpoch: string, epoch: string): boolean {
  if (epoch === '' || epoch === streamEpoch || streamEpoch === '') return false;
  const [before, said] = [parseEpoch(streamEpoch), parseEpoch(epoch)];
  return said.life === before.life && said.generation > before.generation;
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

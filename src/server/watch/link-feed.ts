/**
 * One watch of a link: says its updates as rows of the link's messages. Path: outbox -> [link feed] -> link writer -> link call.
 * Slow: the link says when it takes no more, for all its watches in turn. Closed: with its watch; its handles are given to others.
 */
import { type BridgeError, MessageTooLargeError } from '../../shared/errors.js';
import { metadataBytes } from '../../shared/state/held-bytes.js';
import type { Change, DeletedReason } from '../../shared/state/variable.js';
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import { EMPTY_METADATA } from '../../shared/values/metadata.js';
import type { VariableType, VariableValue } from '../../shared/values/variable-type.js';
import { ROW, type UpdateRow } from '../../shared/wire/link-row.js';
import type { Announcement, LinkUpdate, LinkWriter, ValueBytes } from '../../shared/wire/link-writer.js';
import { payloadBytes } from '../../shared/wire/link-writer.js';
import { statusOfCode } from '../../shared/wire/status.js';
import type {
  GoneVariable,
  KeptOut,
  Moment,
  SentVariable,
  SharedChange,
  UpdateEncoder,
} from '../../shared/wire/update-encoder.js';
import type { CarriedWatch, WatchCarrier } from './carried-watch.js';
import type { RoomSeeker } from './carrier-budget.js';
import type { KeptMarks } from './kept-marks.js';
import type { LinkHandles } from './link-handles.js';
import type { OutboxPace } from './outbox.js';

/** What a feed needs of its link. */
export interface FeedLink {
  /** Not to be kept: a message that is taken takes it along. */
  readonly writer: LinkWriter;
  readonly handles: LinkHandles;
  readonly marks: KeptMarks;
  /** Largest message that the client takes, bytes. */
  readonly maxBytes: number;
  /** Rows that are this large have a message of their own. */
  readonly largeBytes: number;
  takesRows(seeker: RoomSeeker): boolean;
  /** Rows were written: they go out with this turn, or at once where they are enough. */
  handleRows(): void;
  /** As `handleRows`, of rows that somebody waits for: the spacing of updates does not hold them back. */
  handleAwaitedRows(): void;
  flush(): void;
  handleFeedEnded(feed: LinkFeed): void;
  /** As the client is told it. */
  failureOf(error: unknown): BridgeError;
}

export class LinkFeed implements UpdateEncoder, OutboxPace, WatchCarrier, RoomSeeker {
  readonly number: number;
  readonly #link: FeedLink;
  /** Most feeds have one. */
  #handles: number | number[] | undefined;
  #watch!: CarriedWatch;

  constructor(link: FeedLink, number: number) {
    this.#link = link;
    this.number = number;
  }

  /** Of a link as a whole its pace knows. */
  get isUnderWay(): boolean {
    return false;
  }

  get marks(): KeptMarks {
    return this.#link.marks;
  }

  /** Once, at its beginning. */
  carry(watch: CarriedWatch): void {
    this.#watch = watch;
  }

  // --- as the encoder and the pace of its outbox

  change(sent: SentVariable, shared: SharedChange, more: boolean, kept: KeptOut | undefined): void {
    const { current, reason } = shared.change;
    const row = reason === undefined ? ROW.CHANGE : ROW.DELETED;
    if (kept?.before === undefined) {
      const missed = kept === undefined ? current.version - sent.version - 1 : kept.missed;
      this.#say(row, sent, current, missed, reason, more, shared, undefined);
      return;
    }
    // All that are told of this change and were not of the one before it say the same.
    const isShared = kept.before === shared.change.previous;
    const before = { value: kept.before.value, encoded: isShared ? shared.encodedBefore : undefined };
    this.#say(row, sent, current, kept.missed, reason, more, shared, before);
    if (isShared) shared.encodedBefore = before.encoded;
  }

  snapshot(
    sent: SentVariable,
    current: VersionedValue,
    kind: 'initial_value' | 'resync',
    missed: number,
    more: boolean,
  ): void {
    const row = kind === 'resync' ? ROW.RESYNC : ROW.INITIAL;
    this.#say(row, sent, current, missed, undefined, more, { encoded: undefined }, undefined);
  }

  gone(
    { id, change, identifiers }: GoneVariable,
    { missed, before: last }: KeptOut,
    { revision, timestamp }: Moment,
    more: boolean,
  ): void {
    const variable = change?.variable ?? { id, name: '', type: '' };
    const sent = { variable, version: 0, unsaidIdentifiers: identifiers, handle: -1 };
    const current = change?.current ?? { ...GONE, timestamp, revision };
    const before = last && { value: last.value, encoded: undefined };
    this.#say(ROW.DELETED, sent, current, missed, change?.reason ?? 'deleted', more, { encoded: undefined }, before);
  }

  mark(kind: 'heartbeat' | 'synced'): void {
    // A link has one heartbeat for all its feeds.
    if (kind === 'heartbeat') return;
    this.#link.writer.synced(this.number);
    this.#link.handleAwaitedRows();
  }

  takesWrites(): boolean {
    return this.#link.takesRows(this);
  }

  send(): void {
    this.#link.handleRows();
  }

  handleRoom(nowMs: number): void {
    this.#watch.handleRoom(nowMs);
  }

  // --- as the carrier of its watch

  handleRegistered(): void {
    this.#link.writer.registered(this.number);
    this.#link.handleAwaitedRows();
  }

  handleWaiting(): void {
    // The link as a whole is cut when it takes nothing.
  }

  handleEnded(error: unknown): void {
    if (error === undefined) {
      this.#link.writer.ended({ feed: this.number, status: 0, code: '', message: '' });
    } else {
      const { code, message } = this.#link.failureOf(error);
      this.#link.writer.ended({ feed: this.number, status: statusOfCode(code), code, message });
    }
    this.#link.handleAwaitedRows();
    this.#forget();
  }

  /** By its client, or with the link: nobody is told. */
  end(): void {
    this.#watch.end();
    this.#forget();
  }

  #forget(): void {
    const { handles } = this.#link;
    if (typeof this.#handles === 'number') handles.giveBack(this.#handles);
    else for (const handle of this.#handles ?? []) handles.giveBack(handle);
    this.#handles = undefined;
    this.#link.handleFeedEnded(this);
  }

  #say(
    row: UpdateRow,
    sent: SaidVariable,
    current: VersionedValue,
    missed: number,
    reason: DeletedReason | undefined,
    more: boolean,
    shared: ValueBytes,
    before: (ValueBytes & { readonly value: VariableValue }) | undefined,
  ): void {
    const { maxBytes, largeBytes } = this.#link;
    const type = sent.variable.type as VariableType;
    const value = row === ROW.DELETED ? undefined : current.value;
    let bytes = value === undefined ? 0 : payloadBytes(type, value, shared);
    if (before !== undefined) bytes += payloadBytes(type, before.value, before);
    if (current.custom !== EMPTY_METADATA) bytes += metadataBytes(current.custom);
    const isLarge = bytes > largeBytes;
    if (isLarge) this.#link.flush();
    const { writer } = this.#link;
    const update = UPDATE;
    update.announcement = sent.handle < 0 ? this.#announce(sent) : undefined;
    update.row = row;
    update.handle = sent.handle;
    update.version = current.version;
    update.versionBefore = sent.version;
    update.revision = current.revision;
    update.timestamp = current.timestamp;
    update.source = current.source;
    update.custom = current.custom;
    update.missed = missed;
    update.reason = reason ?? '';
    update.more = more;
    update.before = before?.value;
    writer.update(update, type, value, shared, before);
    if (row === ROW.DELETED) this.#giveBack(sent.handle);
    if (!isLarge) return;
    const { size } = writer;
    if (size <= maxBytes) {
      this.#link.flush();
      return;
    }
    // It would come again at each return.
    writer.clear();
    this.#watch.fail(MessageTooLargeError.of('Open', 'message', size, maxBytes));
  }

  #announce(sent: SaidVariable): Announcement {
    const { id, name, type } = sent.variable;
    const handle = this.#link.handles.take();
    sent.handle = handle;
    if (this.#handles === undefined) this.#handles = handle;
    else if (typeof this.#handles === 'number') this.#handles = [this.#handles, handle];
    else this.#handles.push(handle);
    return { feed: this.number, id, name, type, identifiers: sent.unsaidIdentifiers };
  }

  /** Its variable is gone. */
  #giveBack(handle: number): void {
    this.#link.handles.giveBack(handle);
    if (this.#handles === handle) this.#handles = undefined;
    else if (typeof this.#handles === 'object') this.#handles.splice(this.#handles.indexOf(handle), 1);
  }
}

/** As much of a variable as is said of it. */
interface SaidVariable {
  readonly variable: { readonly id: string; readonly name: string; readonly type: string };
  readonly version: number;
  readonly unsaidIdentifiers: readonly string[] | undefined;
  handle: number;
}

class FilledUpdate implements LinkUpdate {
  row: UpdateRow = ROW.CHANGE;
  handle = 0;
  announcement: Announcement | undefined = undefined;
  version = 0;
  versionBefore = 0;
  revision = 0;
  timestamp = 0;
  source = '';
  custom: Change['current']['custom'] = EMPTY_METADATA;
  missed = 0;
  reason = '';
  more = false;
  before: VariableValue | undefined = undefined;
}

/** Filled again for each row. */
const UPDATE = new FilledUpdate();

/** Of a variable that nobody remembers. */
const GONE = { version: 0, value: 0, source: '', custom: EMPTY_METADATA } as const;

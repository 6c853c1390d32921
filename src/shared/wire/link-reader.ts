/**
 * A LinkDown message, row by row. Path: HTTP/2 -> [link reader] -> link session. By hand, because generated code makes an array of every
 * column: here a row costs no object. Whatever the bytes are, it reads rows or throws ProtocolError; unknown fields are passed over.
 */
import { ProtocolError } from '../errors.js';
import { EMPTY_METADATA, type Metadata, putOwn } from '../values/metadata.js';
import { decodeUtf8 } from '../values/utf8.js';
import { VARIABLE_TYPES } from '../values/variable-type.js';
import { snakepit } from './gen/bridge.js';
import { DOWN, DOWN_FIELDS, FORM, FORM_BEFORE_SHIFT, FORM_SHIFT, HAS, ROW, ROW_MASK } from './link-row.js';
import type { Announcement, LinkEnd, Welcome } from './link-writer.js';

/** Where a value is, and what was read of it. */
export interface ReadValue {
  readonly form: number;
  readonly number: number;
  readonly payload: Uint8Array;
  readonly binary: Uint8Array | undefined;
}

/** Up to which version all changes that were not told were kept out. */
export interface ReadKept {
  readonly number: number;
  /** Where the number is given to a variable. */
  readonly id: string | undefined;
  readonly version: number;
}

export class LinkReader implements ReadValue {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Where each packed column goes on, and where it ends. */
  readonly #at = new Int32Array(DOWN_FIELDS);
  readonly #end = new Int32Array(DOWN_FIELDS);
  /** Where the elements of the columns with keys lie: start and end in turn. */
  readonly #elements: (number[] | undefined)[] = [];
  readonly #nextElement = new Int32Array(DOWN_FIELDS);
  readonly welcome: Welcome | undefined;

  /** Of the present row. */
  kind = 0;
  target = 0;
  versionStep = 0;
  revision = 0;
  timestamp = 0;
  source = '';
  missed = 0;
  custom: Metadata = EMPTY_METADATA;
  reason = '';
  announcement: Announcement | undefined;
  announcedVersion = 0;
  end: LinkEnd | undefined;
  /** The value before it, where it is said. */
  before: ReadValue | undefined;
  number = 0;
  payload: Uint8Array = NO_BYTES;
  binary: Uint8Array | undefined;

  /** @throws ProtocolError */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.welcome = this.#takeApart();
  }

  get row(): number {
    return this.kind & ROW_MASK;
  }

  get form(): number {
    return (this.kind >> FORM_SHIFT) & 7;
  }

  get isMore(): boolean {
    return (this.kind & HAS.MORE) !== 0;
  }

  /** False when there is no further row. @throws ProtocolError */
  next(): boolean {
    if (this.#isAtEnd(DOWN.KINDS)) return false;
    this.kind = this.#count(DOWN.KINDS);
    const row = this.row;
    if (row === ROW.HEARTBEAT) return true;
    this.target = this.#count(DOWN.TARGETS);
    if (row <= ROW.DELETED) this.#readUpdate();
    else if (row === ROW.ENDED) {
      this.end = {
        feed: this.target,
        status: this.#count(DOWN.END_STATUSES),
        code: this.#text(DOWN.END_CODES),
        message: this.#text(DOWN.END_MESSAGES),
      };
    }
    return true;
  }

  /** Before the rows: the epoch that all is of, where it is another from here on. @throws ProtocolError */
  epoch(): string | undefined {
    const elements = this.#elements[DOWN.EPOCHS];
    return elements === undefined ? undefined : textOf(this.#bytes, elements.at(-2)!, elements.at(-1)!);
  }

  /** Where the servers over this state are reached; none where nothing is said of it. @throws ProtocolError */
  servers(): string[] {
    const count = (this.#elements[DOWN.SERVERS]?.length ?? 0) / 2;
    return Array.from({ length: count }, () => this.#text(DOWN.SERVERS));
  }

  /** Behind the rows. @throws ProtocolError */
  nextKept(): ReadKept | undefined {
    if (this.#isAtEnd(DOWN.KEPT_TARGETS)) return undefined;
    const target = this.#count(DOWN.KEPT_TARGETS);
    const id = target % 2 === 0 ? undefined : this.#text(DOWN.KEPT_IDS);
    return { number: Math.floor(target / 2), id, version: this.#whole(DOWN.KEPT_VERSIONS) };
  }

  /** Behind what was kept out. @throws ProtocolError */
  nextKeptAnswer(): number | undefined {
    if (this.#isAtEnd(DOWN.KEPT_ANSWERS)) return undefined;
    return this.#count(DOWN.KEPT_ANSWERS);
  }

  /** Behind the rows: up to which revision of the session all has come. @throws ProtocolError */
  position(): number | undefined {
    if (this.#isAtEnd(DOWN.POSITIONS)) return undefined;
    return this.#whole(DOWN.POSITIONS);
  }

  /** Behind everything else: over how many ms clients shall spread their return, where the server goes. @throws ProtocolError */
  drainingMs(): number | undefined {
    if (this.#isAtEnd(DOWN.DRAINING_MS)) return undefined;
    return this.#count(DOWN.DRAINING_MS);
  }

  /** Of the next set: its version, 0 when it was refused, undefined when no outcome is left. @throws ProtocolError */
  nextOutcome(): number | undefined {
    if (this.#isAtEnd(DOWN.SET_VERSIONS)) return undefined;
    return this.#whole(DOWN.SET_VERSIONS);
  }

  /** Why the set was refused whose outcome was 0. @throws ProtocolError */
  refusal(): { readonly code: string; readonly message: string } {
    return { code: this.#text(DOWN.REFUSAL_CODES), message: this.#text(DOWN.REFUSAL_MESSAGES) };
  }

  #isAtEnd(column: number): boolean {
    return this.#at[column] === this.#end[column];
  }

  #readUpdate(): void {
    const { kind } = this;
    this.versionStep = this.#step(DOWN.VERSION_STEPS);
    if ((kind & HAS.MOMENT) === 0) this.revision += this.#step(DOWN.REVISION_STEPS);
    else {
      this.timestamp = this.#double(DOWN.TIMESTAMPS);
      this.revision = this.#whole(DOWN.REVISIONS);
    }
    if ((kind & HAS.SOURCE) !== 0) this.source = this.#text(DOWN.SOURCES);
    this.missed = (kind & HAS.MISSED) === 0 ? 0 : this.#whole(DOWN.MISSED);
    this.custom = (kind & HAS.METADATA) === 0 ? EMPTY_METADATA : this.#metadata();
    if (this.row === ROW.DELETED) this.reason = this.#text(DOWN.REASONS);
    this.announcement = (kind & HAS.ANNOUNCEMENT) === 0 ? undefined : this.#announcement();
    this.before = (kind & HAS.BEFORE) === 0 ? undefined : this.#before((kind >> FORM_BEFORE_SHIFT) & 7);
    this.#readValue(this.form);
  }

  #before(form: number): ReadValue {
    this.#readValue(form);
    const { number, payload, binary } = this;
    return { form, number, payload, binary };
  }

  #readValue(form: number): void {
    switch (form) {
      case FORM.DOUBLE:
        this.number = this.#double(DOWN.DOUBLES);
        break;
      case FORM.INTEGER:
        this.number = this.#step(DOWN.INTEGERS);
        break;
      case FORM.TEXT:
        this.payload = this.#element(DOWN.TEXTS);
        break;
      case FORM.PAYLOAD:
        this.payload = this.#element(DOWN.PAYLOADS);
        this.binary = undefined;
        break;
      case FORM.HEADER_AND_BYTES:
        this.payload = this.#element(DOWN.PAYLOADS);
        this.binary = this.#element(DOWN.PAYLOADS);
        break;
      default:
    }
  }

  #metadata(): Metadata {
    const custom: Record<string, string> = {};
    for (let left = this.#count(DOWN.METADATA_COUNTS); left > 0; left -= 1) {
      const key = this.#text(DOWN.METADATA_TEXTS);
      putOwn(custom, key, this.#text(DOWN.METADATA_TEXTS));
    }
    return custom;
  }

  #announcement(): Announcement {
    const identifiers: string[] = [];
    for (let left = this.#count(DOWN.ANNOUNCED_IDENTIFIER_COUNTS); left > 0; left -= 1) {
      identifiers.push(this.#text(DOWN.ANNOUNCED_IDENTIFIERS));
    }
    this.announcedVersion = this.#whole(DOWN.ANNOUNCED_VERSIONS);
    return {
      feed: this.#count(DOWN.ANNOUNCED_FEEDS),
      id: this.#text(DOWN.ANNOUNCED_IDS),
      name: this.#text(DOWN.ANNOUNCED_NAMES),
      type: sameType(this.#text(DOWN.ANNOUNCED_TYPES)),
      identifiers: identifiers.length === 0 ? undefined : identifiers,
    };
  }

  /** Notes where the columns lie; returns the welcome. */
  #takeApart(): Welcome | undefined {
    const { length } = this.#bytes;
    let welcome: Welcome | undefined;
    let at = 0;
    while (at < length) {
      this.#at[0] = at;
      this.#end[0] = length;
      const key = this.#count(0);
      const field = Math.floor(key / 8);
      const wireType = key & 7;
      const start = wireType === LENGTH_DELIMITED ? this.#lengthStart() : this.#at[0];
      const end = wireType === LENGTH_DELIMITED ? start + this.#length : this.#endOf(wireType, start);
      if (end > length) throw cut();
      at = end;
      if (field === DOWN.WELCOME && wireType === LENGTH_DELIMITED) {
        welcome = welcomeOf(this.#bytes.subarray(start, end));
      } else if (field < DOWN_FIELDS && isKeyed(field)) {
        if (wireType !== LENGTH_DELIMITED) throw new ProtocolError(`the link's field ${field} has no text`);
        const elements = this.#elements[field];
        if (elements === undefined) this.#elements[field] = [start, end];
        else elements.push(start, end);
      } else if (field > 0 && field < DOWN_FIELDS) {
        if (this.#end[field] !== 0)
          throw new ProtocolError(`the link's column ${field} comes in parts: send it packed`);
        if (wireType !== LENGTH_DELIMITED) throw new ProtocolError(`the link's column ${field} is not packed`);
        this.#at[field] = start;
        this.#end[field] = end;
      }
    }
    this.#nextElement.fill(0);
    return welcome;
  }

  #length = 0;

  #lengthStart(): number {
    this.#length = this.#count(0);
    return this.#at[0]!;
  }

  /** Of a field that is not ours. */
  #endOf(wireType: number, start: number): number {
    if (wireType === 1) return start + 8;
    if (wireType === 5) return start + 4;
    if (wireType !== 0) throw new ProtocolError(`the link sent wire type ${wireType}`);
    let at = start;
    while ((this.#bytes[at] ?? 0) > LAST_ASCII) at += 1;
    return at + 1;
  }

  #count(column: number): number {
    const bytes = this.#bytes;
    const end = this.#end[column]!;
    let at = this.#at[column]!;
    let value = 0;
    let weight = 1;
    for (let left = MAX_VARINT_BYTES; left > 0; left -= 1) {
      if (at >= end) throw cut();
      const byte = bytes[at]!;
      at += 1;
      value += (byte & 0x7f) * weight;
      if (byte <= LAST_ASCII) {
        this.#at[column] = at;
        return value % 2 ** 32;
      }
      weight *= 0x80;
    }
    throw new ProtocolError(`the link's column ${column} has a number of more than 32 bits`);
  }

  #step(column: number): number {
    const value = this.#count(column);
    return (value >>> 1) ^ -(value & 1);
  }

  #double(column: number): number {
    const at = this.#at[column]!;
    if (at + 8 > this.#end[column]!) throw cut();
    this.#at[column] = at + 8;
    return this.#view.getFloat64(at, true);
  }

  /** Versions, revisions, counts: from 0 on, and each of its own. */
  #whole(column: number): number {
    return wholeOf(this.#double(column));
  }

  #element(column: number): Uint8Array {
    const place = this.#nextElement[column]!;
    const elements = this.#elements[column];
    if (elements === undefined || place >= elements.length) throw cut();
    this.#nextElement[column] = place + 2;
    return this.#bytes.subarray(elements[place]!, elements[place + 1]!);
  }

  #text(column: number): string {
    const place = this.#nextElement[column]!;
    const elements = this.#elements[column];
    if (elements === undefined || place >= elements.length) throw cut();
    this.#nextElement[column] = place + 2;
    return textOf(this.#bytes, elements[place]!, elements[place + 1]!);
  }
}

function wholeOf(number: number | null | undefined): number {
  const whole = number ?? 0;
  if (Number.isSafeInteger(whole) && whole >= 0) return whole;
  throw new ProtocolError(`the link says ${whole}, which is no version and no count`);
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT_TEXT) return decoded(bytes.subarray(start, end));
  let text = '';
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at]!;
    if (byte > LAST_ASCII) return decoded(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

function decoded(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    throw new ProtocolError('the link sent a text that is not UTF-8', { cause });
  }
}

/** One text for all variables of a type. */
function sameType(type: string): string {
  return VARIABLE_TYPES.find((known) => known === type) ?? type;
}

function welcomeOf(bytes: Uint8Array): Welcome {
  try {
    const welcome = snakepit.bridge.LinkWelcome.decode(bytes);
    return {
      epoch: welcome.epoch ?? '',
      heartbeatMs: welcome.heartbeatMs ?? 0,
      maxBytes: welcome.maxBytes ?? 0,
      setsContinue: welcome.setsContinue ?? false,
      setsMade: wholeOf(welcome.setsMade),
      setsLost: wholeOf(welcome.setsLost),
      lost: welcome.lost ?? false,
      asksConditions: welcome.asksConditions ?? false,
    };
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause;
    throw new ProtocolError('the link’s welcome cannot be read', { cause });
  }
}

function cut(): ProtocolError {
  return new ProtocolError('the link sent a message whose columns do not fit each other');
}

function isKeyed(field: number): boolean {
  return KEYED_FIELDS[field] === 1;
}

const KEYED_FIELDS = new Uint8Array(DOWN_FIELDS);
for (const field of [
  DOWN.TEXTS,
  DOWN.PAYLOADS,
  DOWN.SOURCES,
  DOWN.METADATA_TEXTS,
  DOWN.REASONS,
  DOWN.ANNOUNCED_IDS,
  DOWN.ANNOUNCED_NAMES,
  DOWN.ANNOUNCED_TYPES,
  DOWN.ANNOUNCED_IDENTIFIERS,
  DOWN.END_CODES,
  DOWN.END_MESSAGES,
  DOWN.REFUSAL_CODES,
  DOWN.REFUSAL_MESSAGES,
  DOWN.KEPT_IDS,
  DOWN.EPOCHS,
  DOWN.SERVERS,
]) {
  KEYED_FIELDS[field] = 1;
}

const LENGTH_DELIMITED = 2;
const LAST_ASCII = 0x7f;
/** Text built character by character beats the decoder up to here. */
const SHORT_TEXT = 32;
const MAX_VARINT_BYTES = 5;
const NO_BYTES = new Uint8Array(0);

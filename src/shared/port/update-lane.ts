/**
 * Updates from one worker to the main thread: records of numbers in shared memory, and what is no number in messages.
 * Path: port writer -> [lane writer, lane reader] -> slot client.
 * Neither side wakes the other for an update while the reader polls: a wake-up costs each of them as much as 20 updates.
 * Full: `hasRoom` is false, and updates wait in their rings; a blocked main thread so costs at most `credits` of them.
 */
import { assert } from '../assert.js';
import type { Lineage, Update } from '../delivery/update.js';
import { HAS_OLD } from '../delivery/update.js';
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import type { VariableValue } from '../values/variable-type.js';
import { OpaqueBinary } from '../values/variable-type.js';
import { reviveOpaque } from './port-value.js';
import type { Parcels, Reply, TurnMessage } from './replies.js';

/** Shared by both ends. */
export interface LaneMemory {
  readonly control: Int32Array;
  readonly records: Float64Array;
  /** Records that may be written and not read. */
  readonly credits: number;
}

export function makeLane(credits: number): LaneMemory {
  const capacity = 2 ** Math.ceil(Math.log2(credits));
  return {
    control: new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * Int32Array.BYTES_PER_ELEMENT)),
    records: new Float64Array(new SharedArrayBuffer(capacity * COLUMNS * Float64Array.BYTES_PER_ELEMENT)),
    credits,
  };
}

/** The worker's end. What is appended is seen by the reader when it is published. */
export class LaneWriter {
  readonly #control: Int32Array;
  readonly #records: Float64Array;
  readonly #mask: number;
  readonly credits: number;
  /** Positions are counted modulo 2^32. */
  #written = 0;
  #published = 0;
  /** As read last: the reader may be further. */
  #tail = 0;
  #source = '';
  #parcels: Parcels | undefined;

  constructor({ control, records, credits }: LaneMemory) {
    this.#control = control;
    this.#records = records;
    this.#mask = records.length / COLUMNS - 1;
    this.credits = credits;
  }

  /** Position of the first record that is not published. */
  get published(): number {
    return this.#published;
  }

  get written(): number {
    return this.#written;
  }

  get unpublished(): number {
    return (this.#written - this.#published) | 0;
  }

  /** Something was appended that only a message can carry. */
  get hasParcels(): boolean {
    return this.#parcels !== undefined;
  }

  hasRoom(records: number): boolean {
    if (this.credits - ((this.#written - this.#tail) | 0) >= records) return true;
    this.#tail = Atomics.load(this.#control, TAIL);
    return this.credits - ((this.#written - this.#tail) | 0) >= records;
  }

  /** Asks the reader for word when it has made room. Ask `hasRoom` once more afterwards: it may have done so just before. */
  askForRoom(): void {
    Atomics.store(this.#control, STARVED, 1);
  }

  append(update: Update): void {
    assert(this.hasRoom(1), 'no update crosses the port without credit');
    const records = this.#records;
    const at = (this.#written & this.#mask) * COLUMNS;
    const { flags, source, custom, lineage } = update;
    let shape = this.#put(at + VALUE, update.value);
    if ((flags & HAS_OLD) !== 0) shape |= this.#put(at + OLD, update.old) << OLD_SHIFT;
    if (source !== this.#source) {
      shape |= NEW_SOURCE;
      this.#open().sources.push(source);
      this.#source = source;
    }
    if (custom !== EMPTY_METADATA) {
      shape |= HAS_CUSTOM;
      this.#open().customs.push(custom);
    }
    if (lineage !== undefined) {
      shape |= NEW_LINEAGE;
      this.#open().lineages.push(lineage);
    }
    records[at + HANDLE] = update.handle;
    records[at + VERSION] = update.version;
    records[at + TIMESTAMP] = update.timestamp;
    records[at + RECEIVED_AT] = update.receivedAt;
    records[at + REVISION] = update.revision;
    records[at + MISSED] = update.missed;
    records[at + FILTERED] = update.filtered;
    records[at + FLAGS] = flags;
    records[at + SHAPE] = shape;
    this.#written = (this.#written + 1) | 0;
  }

  /** The message that has to be posted before what was appended is published. */
  takeMessage(replies: readonly Reply[]): TurnMessage {
    const message: TurnMessage = {
      from: this.#published,
      upTo: this.#written,
      parcels: this.#parcels,
      replies,
    };
    this.#parcels = undefined;
    return message;
  }

  /** A message was posted: the reader, when it polls, takes it in before what is published from now on. */
  handlePosted(): void {
    Atomics.add(this.#control, POSTED, 1);
  }

  /** Returns whether there was anything to publish. */
  publish(): boolean {
    assert(this.#parcels === undefined, 'parcels go before the records that need them');
    if (this.#published === this.#written) return false;
    this.#published = this.#written;
    Atomics.store(this.#control, HEAD, this.#written);
    return true;
  }

  /** Behind `publish`, where no message goes with it: whether the reader is to be woken. It does not poll, and has looked since it was woken last. */
  wakes(): boolean {
    return Atomics.load(this.#control, POLLED) === 0 && Atomics.exchange(this.#control, WOKEN, 1) === 0;
  }

  /** In the middle of a long turn: what needs no message and no wake-up is shown already. */
  publishEarly(): void {
    if (this.#parcels === undefined && Atomics.load(this.#control, POLLED) === 1) this.publish();
  }

  #open(): Parcels {
    this.#parcels ??= { values: [], sources: [], customs: [], lineages: [] };
    return this.#parcels;
  }

  /** Returns its form. */
  #put(place: number, value: VariableValue | undefined): number {
    switch (typeof value) {
      case 'number':
        this.#records[place] = value;
        return NUMBER;
      case 'boolean':
        return value ? TRUE : FALSE;
      case 'undefined':
        return UNDEFINED;
      default:
        this.#open().values.push(value);
        return value instanceof OpaqueBinary ? OPAQUE : PARCEL;
    }
  }
}

export interface LaneSink {
  /** The fields of `update` are those of the next one as soon as this returns. */
  handleUpdate(update: LaneReader): void;
  handleReply(reply: Reply): void;
}

/** The main thread's end: updates and messages in the order in which they were made. It is also the update that it has just read. */
export class LaneReader implements Update {
  handle = 0;
  version = 0;
  /** Undefined for one that was deleted. */
  value: VariableValue | undefined = undefined;
  timestamp = 0;
  receivedAt = 0;
  revision = 0;
  missed = 0;
  filtered = 0;
  flags = 0;
  source = '';
  custom: Metadata = EMPTY_METADATA;
  old: VariableValue | undefined = undefined;
  lineage: Lineage | undefined = undefined;
  readonly #control: Int32Array;
  readonly #records: Float64Array;
  readonly #mask: number;
  #position = 0;
  #received = 0;
  #inbox: TurnMessage[] = [];
  #parcels: ParcelReader = new ParcelReader(undefined);

  constructor({ control, records }: LaneMemory) {
    this.#control = control;
    this.#records = records;
    this.#mask = records.length / COLUMNS - 1;
  }

  /** Updates are published that `drain` would take. */
  get hasNews(): boolean {
    return ((Atomics.load(this.#control, HEAD) - this.#position) | 0) > 0;
  }

  /** Whether the writer can do without waking this thread. */
  set isPolled(isPolled: boolean) {
    Atomics.store(this.#control, POLLED, isPolled ? 1 : 0);
  }

  /** The port brought a message; null is a bare wake-up. */
  handleMessage(message: TurnMessage | null): void {
    this.#received = (this.#received + 1) | 0;
    if (message !== null) this.#inbox.push(message);
  }

  /** Takes all that is there. `pull` takes a message out of the port, undefined when none is left. Returns the updates taken. */
  drain(sink: LaneSink, pull: () => TurnMessage | null | undefined): number {
    const from = this.#position;
    const head = this.#look(pull);
    const messages = this.#inbox;
    if (messages.length > 0) {
      this.#inbox = [];
      for (const message of messages) {
        this.#deliverUpTo(message.from, sink);
        if (message.parcels !== undefined) this.#parcels = new ParcelReader(message.parcels);
        this.#deliverUpTo(message.upTo, sink);
        for (const reply of message.replies) sink.handleReply(reply);
      }
    }
    // A message may have come before the head that covers it.
    if (((head - this.#position) | 0) > 0) this.#deliverUpTo(head, sink);
    return (this.#position - from) | 0;
  }

  /** Gives the room of what was drained back. Returns whether the writer waits for word of it. */
  release(): boolean {
    Atomics.store(this.#control, TAIL, this.#position);
    return Atomics.exchange(this.#control, STARVED, 0) === 1;
  }

  /** Returns the head, and has taken in the messages before it. */
  #look(pull: () => TurnMessage | null | undefined): number {
    for (;;) {
      Atomics.store(this.#control, WOKEN, 0);
      // The head first: what it covers was preceded by its messages.
      const head = Atomics.load(this.#control, HEAD);
      // A message may be there before it is counted.
      const isMissing = ((Atomics.load(this.#control, POSTED) - this.#received) | 0) > 0;
      const message = isMissing ? pull() : undefined;
      if (message === undefined) return head;
      // It may be the wake-up for what was published since: who takes it looks again.
      this.handleMessage(message);
    }
  }

  #deliverUpTo(end: number, sink: LaneSink): void {
    while (this.#position !== end) {
      this.#read();
      sink.handleUpdate(this);
    }
  }

  #read(): void {
    const records = this.#records;
    const at = (this.#position & this.#mask) * COLUMNS;
    const flags = records[at + FLAGS]!;
    const shape = records[at + SHAPE]!;
    this.handle = records[at + HANDLE]!;
    this.version = records[at + VERSION]!;
    this.timestamp = records[at + TIMESTAMP]!;
    this.receivedAt = records[at + RECEIVED_AT]!;
    this.revision = records[at + REVISION]!;
    this.missed = records[at + MISSED]!;
    this.filtered = records[at + FILTERED]!;
    this.flags = flags;
    this.value = this.#take(at + VALUE, shape & FORM);
    this.old = (flags & HAS_OLD) === 0 ? undefined : this.#take(at + OLD, (shape >> OLD_SHIFT) & FORM);
    if ((shape & NEW_SOURCE) !== 0) this.source = this.#parcels.source();
    this.custom = (shape & HAS_CUSTOM) === 0 ? EMPTY_METADATA : this.#parcels.custom();
    this.lineage = (shape & NEW_LINEAGE) === 0 ? undefined : this.#parcels.lineage();
    this.#position = (this.#position + 1) | 0;
  }

  #take(place: number, form: number): VariableValue | undefined {
    switch (form) {
      case NUMBER:
        return this.#records[place]!;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case UNDEFINED:
        return undefined;
      default:
        return form === OPAQUE ? reviveOpaque(this.#parcels.value()) : (this.#parcels.value() as VariableValue);
    }
  }
}

/** What a message carried for the records behind it, in their order. */
class ParcelReader {
  readonly #parcels: Parcels | undefined;
  #values = 0;
  #sources = 0;
  #customs = 0;
  #lineages = 0;

  constructor(parcels: Parcels | undefined) {
    this.#parcels = parcels;
  }

  value(): unknown {
    return this.#parcels!.values[this.#values++];
  }

  source(): string {
    return this.#parcels!.sources[this.#sources++]!;
  }

  custom(): Metadata {
    return this.#parcels!.customs[this.#customs++]!;
  }

  lineage(): Lineage {
    return this.#parcels!.lineages[this.#lineages++]!;
  }
}

/** Control words: positions that the writer and the reader have reached, messages posted, and what each wants to know of the other. */
const HEAD = 0;
const TAIL = 1;
const POSTED = 2;
const POLLED = 3;
const STARVED = 4;
/** A bare wake-up is on its way. */
const WOKEN = 5;
const CONTROL_WORDS = 6;

/** Columns of a record. */
const HANDLE = 0;
const VERSION = 1;
const TIMESTAMP = 2;
const RECEIVED_AT = 3;
const REVISION = 4;
const MISSED = 5;
const FILTERED = 6;
const FLAGS = 7;
const SHAPE = 8;
const VALUE = 9;
const OLD = 10;
const COLUMNS = 11;

/** Shape: where the value is, the same for the old value, and what else came as a parcel. */
const FORM = 7;
const OLD_SHIFT = 3;
const NUMBER = 0;
const FALSE = 1;
const TRUE = 2;
const UNDEFINED = 3;
const PARCEL = 4;
const OPAQUE = 5;
const NEW_SOURCE = 64;
const HAS_CUSTOM = 128;
const NEW_LINEAGE = 256;

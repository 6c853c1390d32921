/** The one shape of an update inside the program, and its flags. Path: watch feed -> ring -> port -> dispatcher; LocalState makes them itself. */
import type { DeletedReason } from '../state/variable.js';
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import type { VariableValue } from '../values/variable-type.js';

/** The value at registration, wanted by `includeInitial`. */
export const INITIAL = 1;
/** The present value after a break that could not be replayed, or the first of a new epoch. */
export const RESYNC = 2;
/** The value at registration that no watcher asked for: it only becomes the next update's old value. */
export const BASELINE = 4;
/** `old` is said with the update: a condition filtered one in between. */
export const HAS_OLD = 8;
/** The variable is gone; two bits say why. */
export const DELETED_MASK = 16 | 32;
/** A newer one in the same ring speaks for it; set and seen only by the ring. */
export const SUPERSEDED = 64;
/** More of the same atomic group follows: nobody is told before the last of it is there. */
export const MORE = 128;
/** A change that speaks for an initial value too, which nobody saw: left out in its turn it counts as missed. */
export const JOINED = 256;

/** Every flag there is, once: no two may share a bit. */
export const FLAGS: Readonly<Record<string, number>> = {
  INITIAL,
  RESYNC,
  BASELINE,
  HAS_OLD,
  DELETED_MASK,
  SUPERSEDED,
  MORE,
  JOINED,
};

const DELETED = 16;
const EXPIRED = 32;
const SESSION_ENDED = 48;

/** Which life of which variable versions belong to. */
export interface Lineage {
  readonly epoch: string;
  readonly variableId: string;
  /** Of a variable that is watched by its id; '' where the name is the identifier. */
  readonly name?: string | undefined;
  /** Of a variable that a pattern has found: whose it is, since nobody on the main thread has asked for it. */
  readonly newcomer?: Newcomer | undefined;
}

/** A variable that fits a subscription's pattern. */
export interface Newcomer {
  readonly subscription: number;
  readonly name: string;
}

/** Reused by whoever makes it: what has to wait copies it. */
export interface Update {
  /** Which variable of which watch: allotted by the slot's end on the main thread; below 0 by its worker, for what a pattern has found. */
  readonly handle: number;
  readonly version: number;
  /** Nobody looks at that of a deleted one. */
  readonly value: VariableValue | undefined;
  /** Said only with HAS_OLD. */
  readonly old: VariableValue | undefined;
  /** Ms, the server's clock. */
  readonly timestamp: number;
  /** Ms, this process's clock, when the first thread of ours saw it. */
  readonly receivedAt: number;
  readonly revision: number;
  /** Versions of this variable skipped right before this one. */
  readonly missed: number;
  /** Versions that a condition let pass silently right before this one. */
  readonly filtered: number;
  readonly flags: number;
  readonly source: string;
  readonly custom: Metadata;
  /** Where it is another than that of the variable's update before: it travels with the update, so nothing can overtake it. */
  readonly lineage: Lineage | undefined;
}

/** An update that its producer fills again and again, or one that waits. */
export class UpdateRecord implements Update {
  handle = 0;
  version = 0;
  value: VariableValue | undefined = undefined;
  old: VariableValue | undefined = undefined;
  timestamp = 0;
  receivedAt = 0;
  revision = 0;
  missed = 0;
  filtered = 0;
  flags = 0;
  source = '';
  custom: Metadata = EMPTY_METADATA;
  lineage: Lineage | undefined = undefined;

  assign(update: Update): this {
    this.handle = update.handle;
    this.version = update.version;
    this.value = update.value;
    this.old = update.old;
    this.timestamp = update.timestamp;
    this.receivedAt = update.receivedAt;
    this.revision = update.revision;
    this.missed = update.missed;
    this.filtered = update.filtered;
    this.flags = update.flags;
    this.source = update.source;
    this.custom = update.custom;
    this.lineage = update.lineage;
    return this;
  }
}

/** One that waits in a ring: entries of one handle replace each other. */
export class WaitingUpdate extends UpdateRecord {
  /** Which atomic group of its queue it belongs to. */
  group = 0;

  get key(): number {
    return this.handle;
  }
}

export function flagsOfReason(reason: DeletedReason | undefined): number {
  switch (reason) {
    case undefined:
      return 0;
    case 'deleted':
      return DELETED;
    case 'expired':
      return EXPIRED;
    case 'session-ended':
      return SESSION_ENDED;
    default:
      return reason satisfies never;
  }
}

export function reasonOfFlags(flags: number): DeletedReason | undefined {
  switch (flags & DELETED_MASK) {
    case DELETED:
      return 'deleted';
    case EXPIRED:
      return 'expired';
    case SESSION_ENDED:
      return 'session-ended';
    default:
      return undefined;
  }
}

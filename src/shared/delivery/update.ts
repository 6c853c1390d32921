/** The one shape of an update inside the program, and its flags. Path: stream consumer -> ring -> port -> dispatcher; LocalState makes them itself. */
import type { DeletedReason } from '../state/variable.js';
import type { Metadata } from '../values/metadata.js';
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
/** More of the same atomic batch follows: held until the last of them is there. */
export const MORE = 128;
/** A newer one in the same ring speaks for it; set and seen only by the ring. */
export const SUPERSEDED = 64;
/** A change that speaks for an initial value too, which nobody saw: left out in its turn it counts as missed. */
export const JOINED = 128;

const DELETED = 16;
const EXPIRED = 32;
const SESSION_ENDED = 48;

export interface Update {
  /** Which variable of which watch: allotted by the dispatcher. */
  readonly handle: number;
  readonly version: number;
  readonly value: VariableValue;
  /** Said only with HAS_OLD. */
  old: VariableValue | undefined;
  /** Ms, the server's clock. */
  readonly timestamp: number;
  /** Ms, this process's clock, when the first thread of ours saw it. */
  readonly receivedAt: number;
  readonly revision: number;
  /** Versions of this variable skipped right before this one. */
  missed: number;
  /** Versions that a condition let pass silently right before this one. */
  filtered: number;
  flags: number;
  readonly source: string;
  readonly custom: Metadata;
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

/**
 * The seam between what a watch has to say and how a carrier says it. Path: server/watch/outbox -> [update encoder] -> a carrier's bytes.
 * One for each watch on a carrier, used again and again: it keeps nothing but what its carrier has not taken.
 */

import type { Change, Variable } from '../state/variable.js';
import type { VersionedValue } from '../state/versioned-value.js';
import type { EncodedValue } from '../values/value-codec.js';

/** One variable as a watch knows it. */
export interface SentVariable {
  readonly variable: Variable;
  /** Last version sent, or the one right before what shall be sent first. */
  readonly version: number;
  /** What the request called it, where that is not its name alone; said with the first update. */
  readonly unsaidIdentifiers: readonly string[] | undefined;
  /** What a link addresses it by; -1 before it is announced. Written by the encoder. */
  handle: number;
}

/** A change with room for its bytes: written by the first watch that needs them, for all that know the version right before. */
export interface SharedChange {
  readonly change: Change;
  bytes: Uint8Array | undefined;
  bytesWithOldValue: Uint8Array | undefined;
  /** Its value as links say it, where that is more than a number or text. */
  encoded: EncodedValue | undefined;
  /** The same of the value before it. */
  encodedBefore: EncodedValue | undefined;
}

/** What a condition that is asked here has kept out of a watch, right before a change that it lets through. */
export interface KeptOut {
  /** Versions that it let through and that were left out all the same; the others since the last update it kept out. */
  readonly missed: number;
  /** What the watch would have seen last; undefined where that is what it was sent last. */
  readonly before: VersionedValue | undefined;
}

/** A variable that a resumed watch knew and that is no more. */
export interface GoneVariable {
  readonly id: string;
  /** How it went, where that is remembered. */
  readonly change: Change | undefined;
  /** As `unsaidIdentifiers`. */
  readonly identifiers: readonly string[] | undefined;
}

export interface Moment {
  /** The session's. */
  readonly revision: number;
  /** Ms since 1970. */
  readonly timestamp: number;
}

/** `more`: another update follows before the watch is of one revision again. */
export interface UpdateEncoder {
  /** `kept`: of a watch with a condition; any other has missed all versions in between. */
  change(sent: SentVariable, shared: SharedChange, more: boolean, kept: KeptOut | undefined): void;
  /** The present value. `missed`: versions skipped right before. */
  snapshot(
    sent: SentVariable,
    current: VersionedValue,
    kind: 'initial_value' | 'resync',
    missed: number,
    more: boolean,
  ): void;
  gone(variable: GoneVariable, kept: KeptOut, at: Moment, more: boolean): void;
  mark(kind: 'heartbeat' | 'synced', at: Moment): void;
}

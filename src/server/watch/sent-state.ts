/** One variable of one watch: what the watch was sent of it last, and what it is owed. Path: watch -> [sent state] -> outbox. */
import type { Variable } from '../../shared/state/variable.js';
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import type { SentVariable } from '../../shared/wire/update-encoder.js';
import type { PublishedChange } from '../observer-manager.js';

/** What the condition of its watch makes necessary. */
export interface KeptState {
  /** Changes that it let through, and that were left out of the outbox since the last one. */
  leftOut: number;
  /** The same of those that were to be replayed. */
  leftOutOfReplay: number;
  /** The value at registration, until the opening is made of it: a later change may never come. */
  captured: VersionedValue | undefined;
  /** The watch was away for changes that were kept out at last: nothing that it is sent tells it. */
  isBehind: boolean;
}

/** In an outbox. */
export interface WaitingChange {
  readonly sent: SentState;
  /** Undefined: superseded. */
  published: PublishedChange | undefined;
  /** Of a watch with a condition: the first of the changes right before one another that end with this one. What was kept out is before it. */
  first: PublishedChange | undefined;
  readonly bytes: number;
  /** Taken out, to be sent with others as one: never superseded. */
  isSealed: boolean;
}

export class SentState implements SentVariable {
  readonly variable: Variable;
  version: number;
  unsaidIdentifiers: readonly string[] | undefined;
  /** Registered after the watch: all of its versions are changes. */
  readonly isNewcomer: boolean;
  /** As what its next update is told: its opening waited until the history no longer held it. */
  owed: 'initial_value' | 'resync' | undefined = undefined;
  /** On a link: what its updates are addressed to; -1 before it is announced. Owner: link feed. */
  handle = -1;
  /** Of a watch whose condition is asked here. */
  readonly kept: KeptState | undefined;
  /** Its newest change in the outbox. Owner: outbox. */
  waiting: WaitingChange | undefined = undefined;

  // Versions only: values would be held for every slow watch when nobody else holds them any more. The history is asked.
  constructor(
    variable: Variable,
    version: number,
    unsaidIdentifiers: readonly string[] | undefined = undefined,
    isNewcomer = false,
    isAsked = false,
  ) {
    this.variable = variable;
    this.version = version;
    this.unsaidIdentifiers = unsaidIdentifiers;
    this.isNewcomer = isNewcomer;
    this.kept = isAsked ? { leftOut: 0, leftOutOfReplay: 0, captured: undefined, isBehind: false } : undefined;
  }
}

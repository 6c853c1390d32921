/** One variable of one watch: what the watch was sent of it last, and what it is owed. Path: watch -> [sent state] -> outbox. */
import type { Variable } from '../../shared/state/variable.js';
import type { SentVariable } from '../../shared/wire/update-encoder.js';
import type { WaitingChange } from './waiting-changes.js';

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
  /** Its newest change in the outbox. Owner: outbox. */
  waiting: WaitingChange | undefined = undefined;

  // Versions only: values would be held for every slow watch when nobody else holds them any more. The history is asked.
  constructor(
    variable: Variable,
    version: number,
    unsaidIdentifiers: readonly string[] | undefined = undefined,
    isNewcomer = false,
  ) {
    this.variable = variable;
    this.version = version;
    this.unsaidIdentifiers = unsaidIdentifiers;
    this.isNewcomer = isNewcomer;
  }
}

/** What a watcher is called with. */
import type { DeletedReason } from '../../shared/state/variable.js';
import type { Metadata } from '../../shared/values/metadata.js';
import type { VariableValue } from '../../shared/values/variable-type.js';

/** What is known of an update beside its values. */
export interface UpdateMetadata {
  /** Who set it, as the setter said; '' when it said nothing. */
  readonly source: string;
  /** Ms since 1970, the server's clock. */
  readonly timestamp: number;
  readonly version: number;
  /** The value at registration, asked for by `includeInitial`. */
  readonly initial: boolean;
  /** Versions of this variable skipped right before this one; exact. */
  readonly missed: number;
  /** The present value after a break that could not be replayed, or the first of a new epoch. */
  readonly resync: boolean;
  /** Why the variable is gone; the new value is then undefined. */
  readonly deleted: DeletedReason | undefined;
  /** The session's revision; rises over all its variables. */
  readonly revision: number;
  readonly sessionId: string;
  readonly variableId: string;
  /** Ms since 1970, this machine's clock, when this process first saw it. */
  readonly receivedAt: number;
  /** The setter's own map. */
  readonly custom: Metadata;
}

/** Called with the identifier that the watch was made with. A promise it returns is not waited for; its failure goes to `onError`. */
export type Watcher = (
  identifier: string,
  oldValue: VariableValue | undefined,
  newValue: VariableValue | undefined,
  metadata: UpdateMetadata,
) => unknown;

/** One call of a watcher, as data. */
export interface VariableChange {
  readonly identifier: string;
  readonly oldValue: VariableValue | undefined;
  readonly newValue: VariableValue | undefined;
  readonly metadata: UpdateMetadata;
}

/** Called once a turn with the changes that came together, in their order; the array is the watcher's own. Its promise is treated as a Watcher's. */
export type BatchWatcher = (changes: readonly VariableChange[]) => unknown;

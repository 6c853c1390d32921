/** One version of a variable. */
import type { Metadata } from '../values/metadata.js';
import type { VariableValue } from '../values/variable-type.js';

/** A value with what is known of the set that brought it. */
export interface VersionedValue {
  /** `firstVersion` when registered, then one more a change. */
  readonly version: number;
  readonly value: VariableValue;
  /** Ms since 1970, by the clock of the process that holds the variable. */
  readonly timestamp: number;
  /** Who set it, as the setter said; '' when it said nothing. */
  readonly source: string;
  /** The setter's own map. */
  readonly custom: Metadata;
  /** The session's revision that this change made. */
  readonly revision: number;
}

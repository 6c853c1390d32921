/** Worker -> main, beside the records of its update lane: answers, states, ends, and values that are no numbers. One message a turn at most. */
import type { Lineage } from '../delivery/update.js';
import type { ErrorWire } from '../errors.js';
import type { Metadata } from '../values/metadata.js';
import type { PortValue } from './port-value.js';
import type { StreamStateName } from './stream-states.js';
import type { CellChunk } from './value-cells.js';

export interface TurnMessage {
  /** Position in the lane of the first record that this message is about, and of the one after the last. */
  readonly from: number;
  readonly upTo: number;
  readonly parcels: Parcels | undefined;
  /** Taken in after them. */
  readonly replies: readonly Reply[];
}

/** What is no number in a message's records, each in the order of the records that have it. */
export interface Parcels {
  /** New and old ones. */
  readonly values: unknown[];
  /** Where another source than the record's before. */
  readonly sources: string[];
  readonly customs: Metadata[];
  /** Where a variable's versions begin another life than the record's before. */
  readonly lineages: Lineage[];
}

export type Reply =
  /** Memory for the present values of what patterns find. */
  | { readonly kind: 'cells'; readonly index: number; readonly chunk: CellChunk }
  /** The worker runs and takes commands. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly result: unknown }
  /** What was asked under these ids is done, and has no result. */
  | { readonly kind: 'done'; readonly ids: number[] }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: ErrorWire }
  | SetResults
  /** All that came to the same state by the same cause in one go: a lost connection is one word, whatever it carried. */
  | {
      readonly kind: 'state';
      readonly subscriptions: number[];
      readonly state: StreamStateName;
      readonly error: ErrorWire | undefined;
    }
  /** Everything up to the registration, or up to a resumption, has been sent. */
  | { readonly kind: 'synced'; readonly subscriptions: number[] }
  /** The server was heard on the link of this state, which carries all its watches here. */
  | { readonly kind: 'heard'; readonly bridge: number; readonly atMs: number }
  /** By streams: the server gave a sign of life on these that was no update. */
  | { readonly kind: 'pulse'; readonly subscriptions: number[]; readonly atMs: number }
  /** An error that is no end: an update that could not be read, say. */
  | { readonly kind: 'trouble'; readonly subscription: number; readonly error: ErrorWire }
  /** No more updates will come: by a failure, or, without an error, because no variable is left. */
  | { readonly kind: 'ended'; readonly subscription: number; readonly error: ErrorWire | undefined };

/** Some of the sets of one command. */
export interface SetResults {
  readonly kind: 'set-results';
  readonly id: number;
  readonly places: number[];
  /** By `places`; 0 where it was refused. */
  readonly versions: number[];
  /** In the order of the zeros. */
  readonly errors: ErrorWire[];
}

/** Answer to `attach`. */
export interface AttachResult {
  /** The server's, '' when it says none. */
  readonly epoch: string;
  readonly transport: 'link' | 'stream';
}

/** A variable as `get` and `list` answer it. */
export interface PortVariable {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly value: PortValue;
  readonly version: number;
  readonly constraints: string;
  readonly metadata: Metadata;
  readonly description: string;
  readonly ttlMs: number;
  readonly lastUpdatedAt: number;
}

export interface PortVersion {
  readonly version: number;
  readonly value: PortValue;
  readonly timestamp: number;
  readonly source: string;
  readonly custom: Metadata;
}

/** Answer to `update`. */
export interface PortBatchResult {
  readonly versions: readonly (readonly [identifier: string, version: number])[];
  readonly refused: readonly (readonly [identifier: string, error: ErrorWire])[];
}

/** Answer to `stats`: the counters of every subscription of the slot. */
export interface PortStats {
  readonly subscriptions: readonly SubscriptionStats[];
  readonly channels: number;
  readonly streams: number;
  /** CPU of this thread's loop: active share since the last answer, 0 to 1. */
  readonly utilization: number;
}

export interface SubscriptionStats {
  readonly subscription: number;
  readonly transport: 'link' | 'stream';
  /** Updates that came from the server and were new. */
  readonly received: number;
  /** By the condition, and told by no update yet. */
  readonly filteredWaiting: number;
  /** Missed, and not told yet: the next update that crosses the port does. */
  readonly missedWaiting: number;
  readonly duplicates: number;
  readonly errors: number;
  readonly reconnects: number;
  readonly buffered: number;
}

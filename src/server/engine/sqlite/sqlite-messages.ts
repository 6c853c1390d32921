/** What a sqlite journal asks its thread, and is told. */
import type { PackedRows } from './packed-rows.js';

export type SqliteRequest =
  /** Reads what `load` will ask for, as far as it comes before that is asked. */
  | { readonly kind: 'begin'; readonly folder: string; readonly durability: 'fsync' | 'os' }
  | { readonly kind: 'open'; readonly folder: string; readonly durability: 'fsync' | 'os'; readonly epoch: string }
  | { readonly kind: 'load' }
  | { readonly kind: 'loadBefore'; readonly place: number }
  | {
      readonly kind: 'append';
      readonly bytes: Uint8Array;
      readonly changes: number;
      readonly begun: readonly { readonly session: number; readonly revision: number; readonly bytes: Uint8Array }[];
      readonly ended: readonly number[];
    }
  | { readonly kind: 'lastPlace' }
  | { readonly kind: 'snapshot'; readonly rows: SnapshotRows }
  | {
      readonly kind: 'cut';
      readonly coveredTo: number;
      readonly keepMs: number;
      readonly lastNumber: number;
      readonly endedRevision: number;
    }
  | { readonly kind: 'backup'; readonly path: string }
  | { readonly kind: 'beginGeneration' }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'limit'; readonly isFull: boolean }
  | { readonly kind: 'close' }
  /** Ends the thread, whatever is open. */
  | { readonly kind: 'leave' };

export interface SnapshotRows {
  readonly variables: readonly { readonly session: number; readonly place: number; readonly bytes: Uint8Array }[];
  readonly removed: readonly { readonly session: number; readonly place: number }[];
  readonly gone: readonly {
    readonly session: number;
    readonly place: number;
    readonly revision: number;
    readonly bytes: Uint8Array;
  }[];
  readonly sessions: readonly {
    readonly session: number;
    readonly revision: number;
    readonly forgottenRevision: number;
    readonly windows: readonly Uint8Array[];
  }[];
}

/** Why something failed, as the journal says it. `no-room`: for a copy; what is kept goes on. */
export type SqliteFailure = 'full' | 'no-room' | 'in-use' | 'format' | 'unavailable' | 'unknown';

export type SqliteReply =
  | { readonly kind: 'rows'; readonly rows: PackedRows }
  | { readonly kind: 'health'; readonly state: 'ready' | 'full'; readonly sentence: string }
  | { readonly kind: 'done'; readonly result: SqliteResult }
  | { readonly kind: 'failed'; readonly failure: SqliteFailure; readonly sentence: string };

export interface SqliteResult {
  readonly epoch?: string;
  readonly generation?: number;
  /** Of `loadBefore`: where it goes on, undefined where there is no more. */
  readonly place?: number | undefined;
  /** The highest that a session has had, as far as the rows say it. */
  readonly lastNumber?: number;
  /** The highest of a session that was ended, as the last cut was told. */
  readonly endedRevision?: number;
  /** Of writing and syncing. */
  readonly ms?: number;
  readonly bytes?: number;
  readonly changes?: number;
}

/** What a program may do, as data: a seed makes the same steps, whatever the machine does with them. Numbers are places in the plan. */
import type { Priority } from '../../../src/shared/delivery/priority.js';
import type { WatchTraits } from '../history/history.js';

/** How a watch is asked for. `above` and rates are said here, the objects are made when it starts. */
export interface WatchPlan extends Omit<WatchTraits, 'isOneStream' | 'isRateLimited'> {
  readonly debounceMs: number;
  readonly maxWaitMs: number;
  readonly throttleMs: number;
  readonly conflates: boolean;
  readonly priority: Priority;
  /** It is told arrays. */
  readonly isBatch: boolean;
  readonly bufferLimit: number;
  /** What can end it, beside `stop()`. */
  readonly endedBy: 'nothing' | 'signal' | 'owner';
  readonly byId: boolean;
}

export type Step = { readonly pauseMs: number } & (
  | {
      readonly does: 'watch';
      readonly state: number;
      readonly variables: readonly number[];
      readonly plan: WatchPlan;
      /** Stopped before it is open. */
      readonly isHasty: boolean;
    }
  | {
      readonly does: 'add' | 'remove';
      readonly watch: number;
      readonly variables: readonly number[];
      readonly byId: boolean;
    }
  /** `end`: by `stop()`, `unwatchVariables`, the signal or the owner; one that has none is stopped. */
  | { readonly does: 'stop'; readonly watch: number; readonly by: 'stop' | 'unwatch' | 'end' }
  | {
      readonly does: 'set';
      readonly state: number;
      readonly variable: number;
      readonly kind: 'plain' | 'equal' | 'expected' | 'stale';
      readonly byId: boolean;
      readonly padding: number;
    }
  /** Many in a row, not waited for. `writer`: by the outside, also while the main thread is blocked. */
  | {
      readonly does: 'burst';
      readonly state: number;
      readonly variables: readonly number[];
      readonly sets: number;
      readonly by: 'state' | 'writer';
      readonly atOnce: number;
    }
  | {
      readonly does: 'batch';
      readonly state: number;
      readonly variables: readonly number[];
      readonly by: 'state' | 'writer';
    }
  /** All legs, atomically, so many times. */
  | { readonly does: 'atomic'; readonly state: number; readonly rounds: number; readonly by: 'state' | 'writer' }
  | { readonly does: 'delete' | 'register'; readonly session: number; readonly variable: number }
  /**
   * By a client outside, `without` force where others may watch it, and in the same breath made anew, or later, or not. It then has the
   * legs and these, of other types where `retypes`.
   */
  | {
      readonly does: 'end-session';
      readonly session: number;
      readonly server: number;
      readonly isForced: boolean;
      readonly anew: 'at-once' | 'after' | 'never';
      readonly variables: readonly number[];
      readonly retypes: boolean;
    }
  /** Nobody reaches the server for so long: sessions that nobody uses end. */
  | { readonly does: 'abandon'; readonly forMs: number }
  /** Deleted, and in the same breath registered with another type. */
  | { readonly does: 'retype'; readonly session: number; readonly variable: number }
  | { readonly does: 'rollback'; readonly state: number; readonly variable: number; readonly back: number }
  | { readonly does: 'import'; readonly state: number; readonly variables: readonly number[] }
  | { readonly does: 'wait'; readonly state: number; readonly variables: readonly number[]; readonly timeoutMs: number }
  /** A context with so many variables of its own comes to the session of a state, and closes. */
  | { readonly does: 'move'; readonly state: number; readonly size: number; readonly forMs: number }
  | {
      readonly does: 'read';
      readonly state: number;
      readonly variable: number;
      readonly what: 'get' | 'list' | 'history' | 'watchers';
    }
  | { readonly does: 'block'; readonly forMs: number }
  | { readonly does: 'restart-worker'; readonly pool: number; readonly worker: number }
  | {
      readonly does: 'cut' | 'stall' | 'silence' | 'pause-server' | 'cut-engine';
      readonly server: number;
      readonly forMs: number;
    }
  | { readonly does: 'delay'; readonly server: number; readonly forMs: number; readonly delayMs: number }
  /** Another begins in its place after `forMs`. */
  | { readonly does: 'kill-server'; readonly server: number; readonly forMs: number }
  /** It dies, or has no more room. */
  | { readonly does: 'kill-engine' | 'fill-engine'; readonly forMs: number }
  /** Its replica takes its place. */
  | { readonly does: 'fail-over' }
  /** Closes a state, sets under way, and opens it again. */
  | { readonly does: 'reopen'; readonly state: number; readonly sets: number }
);

export type StepKind = Step['does'];

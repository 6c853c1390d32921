/** What the demo's processes tell each other over their IPC channels, and what they show. */

/** Names of the demo's session and variables. */
export const DEMO_SESSION = 'demo';
export const demoVariable = (number: number): string => `sensor.${number}`;

export interface WriterSettings {
  /** Of the servers, tried in turn. */
  readonly ports: readonly number[];
  readonly variables: number;
  /** Sets a second, over all of them. */
  readonly rate: number;
}

export interface WatcherSettings {
  readonly ports: readonly number[];
  /** Variables, each with a watch of its own. */
  readonly watches: number;
  /** Undefined: as many as the library takes by itself. */
  readonly workers: number | undefined;
  readonly reportEveryMs: number;
}

export type ToWriter =
  | { readonly kind: 'settings'; readonly settings: WriterSettings }
  /** Sets are due from now on. */
  | { readonly kind: 'start' }
  /** No more are; those under way are waited for. */
  | { readonly kind: 'stop' };

export type FromWriter =
  | { readonly kind: 'registered' }
  | { readonly kind: 'progress'; readonly acknowledged: number; readonly failed: number }
  | { readonly kind: 'stopped'; readonly acknowledged: number; readonly failed: number; readonly failure: string };

export type ToWatcher =
  | { readonly kind: 'settings'; readonly settings: WatcherSettings }
  | { readonly kind: 'watch' }
  /** So many were set: report when all are delivered or missed, or time is up. */
  | { readonly kind: 'finish'; readonly expected: number };

export type FromWatcher =
  | { readonly kind: 'connected' }
  | { readonly kind: 'watching'; readonly openMs: number; readonly progress: WatcherProgress }
  | { readonly kind: 'progress'; readonly progress: WatcherProgress }
  | { readonly kind: 'finished'; readonly progress: WatcherProgress };

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface WorkerBusyness {
  readonly workerId: number;
  readonly watches: number;
  readonly streams: number;
  /** Active share of its event loop since the last report, 0 to 1. */
  readonly utilization: number;
}

export interface WatcherProgress {
  readonly delivered: number;
  readonly missed: number;
  /** Ms from the moment for which a set was scheduled to the watcher's call, since the last report; undefined when nothing came. */
  readonly latency: Latency | undefined;
  /** The same since the warm-up ended. */
  readonly latencyOfRun: Latency | undefined;
  /** Active share of the main thread's event loop since the last report, 0 to 1. */
  readonly mainUtilization: number;
  /** None where the main thread does their work. */
  readonly workers: readonly WorkerBusyness[];
}

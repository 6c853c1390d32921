/** What the demo knows of itself at one moment. Path: demo -> [demo view] -> demo screen. */
import type { Style } from '../output.js';
import type { Latency, WorkerBusyness } from './demo-message.js';

/** The demo at one moment. */
export interface DemoView {
  readonly elapsedMs: number;
  /** Undefined: until Ctrl-C. */
  readonly seconds: number | undefined;
  readonly port: number;
  /**
   * The server was killed, and another one started over what it had kept, which took `awayMs`; without it the watching process went on at the
   * other one.
   */
  readonly crash:
    | { readonly atMs: number; readonly awayMs: number | undefined; readonly isSameEpoch: boolean }
    | undefined;
  readonly serverPid: number;
  readonly writerPid: number;
  readonly watcherPid: number;
  readonly watches: number;
  readonly rateAsked: number;
  readonly rateReached: number;
  readonly sets: number;
  readonly failed: number;
  readonly delivered: number;
  readonly missed: number;
  /** Of the last report. */
  readonly latency: Latency | undefined;
  readonly latencyOfRun: Latency | undefined;
  /** The p99 of each report, oldest first. */
  readonly p99s: readonly number[];
  readonly mainUtilization: number;
  /** None where the main thread does their work. */
  readonly workers: readonly WorkerBusyness[];
}

export type Paint = (style: Style, text: string) => string;

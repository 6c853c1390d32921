/** What every handler is given: made once by the bridge server, which owns all of it. */
import type { Clock } from '../shared/clock.js';
import type { DeadlineSchedule } from '../shared/timer-wheel.js';
import type { Access } from './access.js';
import type { ConnectionLines } from './connection-lines.js';
import type { ObserverManager } from './observer-manager.js';
import type { PatternThread } from './pattern-thread.js';
import type { RequestBudget } from './request-budget.js';
import type { ServerOptions } from './server-options.js';
import type { SessionStore } from './session-store.js';
import type { LinkWriters } from './watch/link-writers.js';
import type { StreamCounters } from './watch/outbox.js';
import type { WatchStreams } from './watch/watch-streams.js';
import type { WorkTurns } from './work-turns.js';

export interface ServerCounters extends StreamCounters {
  /** Variables that were set, by any call; one that was set to an equal value counts too. */
  sets: number;
  slowStreamsCut: number;
  callsFailed: number;
  /** By a quota or budget. */
  callsRefused: number;
}

export interface ServerContext {
  readonly options: ServerOptions;
  readonly clock: Clock;
  readonly access: Access;
  readonly deadlines: DeadlineSchedule;
  readonly store: SessionStore;
  readonly observers: ObserverManager;
  readonly watchStreams: WatchStreams;
  readonly linkWriters: LinkWriters;
  readonly turns: WorkTurns;
  readonly lines: ConnectionLines;
  readonly patterns: PatternThread;
  readonly requests: RequestBudget;
  readonly counters: ServerCounters;
  /** What was asked may be kept later: its engine has to wait for a disk, or for others. */
  readonly keepsLater: boolean;
  /** `starting`: it does not listen yet, only its admin port does. `draining`: new calls are refused. */
  stage: 'starting' | 'open' | 'draining';
}

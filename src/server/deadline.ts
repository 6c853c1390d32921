/** Something that wants to be called at a time, and where it says so. */
import type { WheelEntry } from '../shared/timer-wheel.js';

export interface Deadline extends WheelEntry {
  handleDeadline(nowMs: number): void | Promise<void>;
}

/** The server's `Deadlines`; in tests a bare TimerWheel. */
export interface DeadlineSchedule {
  /** Schedules `entry`, or moves it. */
  schedule(entry: Deadline, dueAtMs: number): void;
  cancel(entry: Deadline): void;
}

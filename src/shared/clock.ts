/** Time and chance as arguments: pure modules get these, shells pass the real ones of system-clock.ts. */

export interface Clock {
  /** For deadlines, waits and durations, ms: rises at a steady pace, whatever the wall clock is set to. */
  nowMs(): number;
  /** What the wall clock says at that moment, ms since 1970: for timestamps. It may be set back and forth. */
  wallAtMs(nowMs: number): number;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

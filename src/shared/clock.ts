/** Time and chance as arguments: pure modules get these, shells pass the real ones of system-clock.ts. */

export interface Clock {
  /** Wall clock, ms since 1970, whole or fractional. */
  nowMs(): number;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

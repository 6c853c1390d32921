/** CLOCK_MONOTONIC in microseconds: one clock for all processes of a machine, and small enough for an integer variable. */
export function nowUs(): number {
  return Number(process.hrtime.bigint()) / 1_000;
}

/** Resolves at a moment of that clock, or up to 2 ms later. */
export function sleepUntil(atUs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, Math.ceil((atUs - nowUs()) / 1_000)));
  });
}

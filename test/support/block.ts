/** Stops this thread for so many ms without using CPU: what a synchronous call of the service's own does to its event loop. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** As `block`, once what this turn has asked for is on its way: sets of a turn are posted at its end. */
export async function blockBehindTurn(ms: number): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  block(ms);
}

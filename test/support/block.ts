/** Stops this thread for so many ms without using CPU: what a synchronous call of the service's own does to its event loop. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

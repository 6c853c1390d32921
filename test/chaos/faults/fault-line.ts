/** Faults of a life, each with its end: whatever was broken is whole again after `heal`. Owner: the performer. */
import { pause } from '../programs/clock.js';
import type { FaultyProxy } from './faulty-proxy.js';
import type { ServerLife } from './server-life.js';

export class FaultLine {
  readonly #proxy: FaultyProxy | undefined;
  readonly #server: ServerLife | undefined;
  readonly #running = new Set<Promise<void>>();

  constructor(proxy: FaultyProxy | undefined, server: ServerLife | undefined) {
    this.#proxy = proxy;
    this.#server = server;
  }

  wire(fault: 'cut' | 'stall' | 'silence' | 'delay', forMs: number, delayMs = 0): void {
    this.#proxy?.fault(fault, delayMs);
    this.#later(forMs, () => this.#proxy?.fault('mend'));
  }

  pauseServer(forMs: number): void {
    this.#server?.pause();
    this.#later(forMs, () => this.#server?.resume());
  }

  async heal(): Promise<void> {
    await Promise.all(this.#running);
    this.#proxy?.fault('mend');
    this.#server?.resume();
  }

  #later(forMs: number, mend: () => void): void {
    const running = pause(forMs).then(() => {
      mend();
      this.#running.delete(running);
    });
    this.#running.add(running);
  }
}

/**
 * Looks into the lanes of all slots at a steady pace while updates come, so that no worker has to wake this thread.
 * Path: lane -> [lane poller] -> slot client. Nothing has come for one period: it stops, and the next update wakes this thread again.
 */
import { clearTimeout, setTimeout } from '../../shared/platform-timers.js';
export interface PolledLane {
  readonly hasNews: boolean;
  isPolled: boolean;
  /** Returns how many updates it took. */
  drain(): number;
}

export class LanePoller {
  readonly #lanes: PolledLane[] = [];
  readonly #periodMs: number;
  #timer: NodeJS.Timeout | undefined;
  #isPolling = false;

  /** `periodMs`: 0 = never polls; timers have whole ms. */
  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  get isPolling(): boolean {
    return this.#isPolling;
  }

  add(lane: PolledLane): void {
    this.#lanes.push(lane);
  }

  /** Updates have come: more may follow. */
  start(): void {
    if (this.#isPolling || this.#periodMs === 0) return;
    this.#isPolling = true;
    for (const lane of this.#lanes) lane.isPolled = true;
    if (this.#timer === undefined) this.#timer = setTimeout(this.#poll, this.#periodMs).unref();
    else this.#timer.refresh();
  }

  close(): void {
    this.#stop();
    clearTimeout(this.#timer);
  }

  #stop(): void {
    this.#isPolling = false;
    for (const lane of this.#lanes) lane.isPolled = false;
  }

  readonly #poll = (): void => {
    if (this.#drain()) {
      this.#timer?.refresh();
      return;
    }
    this.#stop();
    // Published before its worker could see that nobody looks any more.
    if (this.#lanes.some((lane) => lane.hasNews) && this.#drain()) this.start();
  };

  #drain(): boolean {
    let updates = 0;
    for (const lane of this.#lanes) updates += lane.drain();
    return updates > 0;
  }
}

/** Faults of a life, each with its end: whatever was broken is whole again after `heal`. Owner: the performer. */
import type { FaultRecord, History } from '../history/history.js';
import { nowMs, pause } from '../programs/clock.js';
import type { FaultyProxy } from './faulty-proxy.js';
import type { ServerHouse } from './server-house.js';

export class FaultLine {
  readonly #proxies: readonly FaultyProxy[];
  readonly #house: ServerHouse | undefined;
  readonly #history: History;
  readonly #running = new Set<Promise<void>>();
  /** Servers that are dead, and whether what they share is dead, full or changing places: none of them twice at once. */
  readonly #dead = new Set<number | 'engine'>();

  /** `proxies`: before each server. */
  constructor(proxies: readonly FaultyProxy[], house: ServerHouse | undefined, history: History) {
    this.#proxies = proxies;
    this.#house = house;
    this.#history = history;
  }

  wire(server: number, fault: 'cut' | 'stall' | 'silence' | 'delay', forMs: number, delayMs = 0): void {
    this.#proxies[server]?.fault(fault, delayMs);
    void this.#begin(fault, server, forMs, () => this.#proxies[server]?.fault('mend'));
  }

  pauseServer(server: number, forMs: number): void {
    this.#house?.servers[server]?.pause();
    void this.#begin('pause-server', server, forMs, () => this.#house?.servers[server]?.resume());
  }

  /** Resolves when it listens again: over what its engine kept, or knowing nothing. */
  async killServer(server: number, forMs: number): Promise<void> {
    const life = this.#house?.servers[server];
    if (life === undefined || this.#dead.has(server)) return;
    this.#dead.add(server);
    const { epoch } = life;
    await life.kill();
    await this.#begin('kill-server', server, forMs, async () => {
      const startMs = nowMs();
      await life.restart();
      this.#dead.delete(server);
      this.#history.restarts.push({ server, epochBefore: epoch, epoch: life.epoch, tookMs: nowMs() - startMs });
    });
  }

  /** From one server to the engine that it shares. */
  cutEngine(server: number, forMs: number): void {
    this.#house?.engineWires[server]?.fault('cut');
    void this.#begin('cut-engine', server, forMs, () => this.#house?.engineWires[server]?.fault('mend'));
  }

  /** Resolves when it is back on its files. */
  async killEngine(forMs: number): Promise<void> {
    const redis = this.#house?.redis;
    if (redis === undefined || this.#dead.has('engine')) return;
    this.#dead.add('engine');
    const { primary } = redis;
    primary.kill();
    await this.#begin('kill-engine', 'engine', forMs, async () => {
      await primary.ended();
      await primary.run();
      this.#dead.delete('engine');
    });
  }

  /** Resolves when it has room again. */
  async fillEngine(forMs: number): Promise<void> {
    const house = this.#house;
    if (house === undefined || this.#dead.has('engine')) return;
    this.#dead.add('engine');
    await house.fillEngine(true);
    await this.#begin('fill-engine', 'engine', forMs, async () => {
      await house.fillEngine(false);
      this.#dead.delete('engine');
    });
  }

  /** Resolves when its replica has taken its place. */
  async failOver(): Promise<void> {
    const house = this.#house;
    if (house?.redis === undefined || this.#dead.has('engine')) return;
    this.#dead.add('engine');
    await this.#begin('fail-over', 'engine', 0, async () => {
      await house.failOver();
      this.#dead.delete('engine');
    });
  }

  async heal(): Promise<void> {
    await Promise.all(this.#running);
    for (const proxy of this.#proxies) proxy.fault('mend');
    for (const wire of this.#house?.engineWires ?? []) wire.fault('mend');
    for (const server of this.#house?.servers ?? []) server.resume();
  }

  #begin(kind: FaultRecord['kind'], at: number | 'engine', forMs: number, mend: () => unknown): Promise<void> {
    const record: FaultRecord = { kind, at, startMs: nowMs(), endMs: undefined };
    this.#history.faults.push(record);
    const running = pause(forMs)
      .then(mend)
      .then(() => {
        record.endMs = nowMs();
        this.#running.delete(running);
      });
    this.#running.add(running);
    return running;
  }
}

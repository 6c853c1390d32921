/**
 * Which servers over this Redis live, and where clients reach them: each says so again and again. Path: redis -> [live servers] -> redis engine.
 * A server that dies is off the list when its lease is over, by the clock of Redis; one that is closed, at once.
 */
import { clearInterval, setInterval } from '../../../../shared/platform-timers.js';
import { LEASE } from '../scripts/scripts.js';
import type { KeySpace } from './key-space.js';

export class LiveServers {
  readonly #endpoint: string;
  readonly #keys: KeySpace;
  #timer: NodeJS.Timeout | undefined;
  readonly #handleChange: () => void;
  #live: readonly string[];

  constructor(endpoint: string, keys: KeySpace, handleChange: () => void) {
    this.#handleChange = handleChange;
    this.#endpoint = endpoint;
    this.#keys = keys;
    this.#live = [endpoint];
  }

  /** Clients may come from here on. Rejects where Redis does not answer. */
  async begin(): Promise<void> {
    // While Redis is away nobody's lease is looked at.
    this.#timer = setInterval(() => void this.#renew().catch(ignore), RENEW_MS);
    this.#timer.unref();
    await this.#renew();
  }

  /** This one too. */
  get live(): readonly string[] {
    return this.#live;
  }

  async close(): Promise<void> {
    this.stop();
    await this.#renew(0).catch(ignore);
  }

  /** Without a word: there is nobody to say it to. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Says that this one lives, and hears of the others. */
  async #renew(leaseMs = LEASE_MS): Promise<void> {
    const { servers } = this.#keys.roots;
    const live = (await this.#keys.evaluate(LEASE, servers, [servers, this.#endpoint, leaseMs], [servers])) as Buffer[];
    const said = live.map(String).sort();
    if (said.join() === this.#live.join()) return;
    this.#live = said;
    this.#handleChange();
  }
}

function ignore(): void {
  // The next one says it again, or the lease ends by itself.
}

const LEASE_MS = 5_000;
const RENEW_MS = 1_500;

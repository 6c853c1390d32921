/**
 * Hears from sentinels when another process becomes the primary: one that is cut off from them answers on as the primary that it was. Path: sentinels ->
 * [sentinel watch] -> redis primary. A sentinel that is away is tried again; whoever is cut off by a failover does not need it. Closed: `close`.
 */
import type { RedisAddress } from './redis-address.js';
import type { RedisClient } from './redis-client.js';
import { makeSentinelClient } from './redis-client.js';

export class SentinelWatch {
  readonly #clients: RedisClient[] = [];
  readonly #name: string;
  readonly #handleSwitch: () => void;
  #named = '';
  #isClosed = false;

  constructor(name: string, handleSwitch: () => void) {
    this.#name = name;
    this.#handleSwitch = handleSwitch;
  }

  async open({ place, isTls }: RedisAddress): Promise<void> {
    if (place.kind !== 'sentinel') return;
    for (const node of place.nodes) {
      const client = await makeSentinelClient(node, place.sentinelLogin, isTls, RETRY_MS);
      if (this.#isClosed) return;
      this.#clients.push(client);
      client.on('error', ignore);
      client.on('ready', () => void this.#listen(client).catch(ignore));
      client.on('message', (_: string, message: string) => {
        // Its name, its old address, its new one.
        const [name, , , host, port] = message.split(' ');
        if (name === this.#name) this.#handleNamed(`${host} ${port}`);
      });
      client.connect().catch(ignore);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const client of this.#clients) client.disconnect();
  }

  /** What was announced before it listened, it asks for. */
  async #listen(client: RedisClient): Promise<void> {
    const named = (await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#name)) as [string, string] | null;
    if (named !== null) this.#handleNamed(named.join(' '));
    await client.subscribe('+switch-master');
  }

  #handleNamed(named: string): void {
    const isOther = this.#named !== '' && this.#named !== named;
    this.#named = named;
    if (isOther) this.#handleSwitch();
  }
}

function ignore(): void {
  // It connects again by itself.
}

const RETRY_MS = 1_000;

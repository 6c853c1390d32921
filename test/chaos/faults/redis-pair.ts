/** A Redis and its replica, which take each other's place with nothing lost: as when one of them is renewed. Owner: the house. */
import { type RedisOnPort, RedisServer } from '../../support/redis-server.js';

export class RedisPair {
  #primary: RedisOnPort;
  #replica: RedisOnPort;

  private constructor(primary: RedisOnPort, replica: RedisOnPort) {
    this.#primary = primary;
    this.#replica = replica;
  }

  /** Resolves when the replica has what the primary has. */
  static async start(): Promise<RedisPair> {
    const [primary, replica] = await Promise.all([0, 1].map(() => RedisServer.startOnPort(...DURABLE)));
    await replica!.replicate(primary!.port);
    return new RedisPair(primary!, replica!);
  }

  get primary(): RedisServer {
    return this.#primary;
  }

  /** Whether they have changed places: not where the replica has not caught up with a primary that has just begun. */
  async failOver(): Promise<boolean> {
    const [before, after] = [this.#primary, this.#replica];
    const answer = await before.command('FAILOVER', 'TO', '127.0.0.1', String(after.port), 'TIMEOUT', FAILOVER_MS);
    if (!answer.startsWith('+OK')) return false;
    await before.says(/master_failover_state:no-failover/, 'INFO', 'replication');
    if (!/role:master/.test(await after.command('INFO', 'replication'))) return false;
    [this.#primary, this.#replica] = [after, before];
    return true;
  }

  /** No more room: what would need some is refused. */
  async fill(isFull: boolean): Promise<void> {
    await this.#primary.command('CONFIG', 'SET', 'maxmemory', isFull ? '1' : '0');
  }

  async close(): Promise<void> {
    await Promise.all([this.#primary.close(), this.#replica.close()]);
  }
}

const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'];
const FAILOVER_MS = '2000';

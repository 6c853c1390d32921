/** A Redis and its replica, which take each other's place with nothing lost: as when one of them is renewed. Owner: the house. */
import { freePort } from '../../support/free-port.js';
import { RedisServer } from '../../support/redis-server.js';

type Member = RedisServer & { readonly port: number };

export class RedisPair {
  #primary: Member;
  #replica: Member;

  private constructor(primary: Member, replica: Member) {
    this.#primary = primary;
    this.#replica = replica;
  }

  /** Resolves when the replica has what the primary has. */
  static async start(): Promise<RedisPair> {
    const [primary, replica] = await Promise.all([startMember(), startMember()]);
    await replica.replicate(primary.port);
    return new RedisPair(primary, replica);
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

async function startMember(): Promise<Member> {
  const port = await freePort();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--repl-diskless-sync-delay', '0'];
  const server = await RedisServer.start(...options, '--appendonly', 'yes', '--appendfsync', 'always');
  return Object.assign(server, { port });
}

const FAILOVER_MS = '2000';

/** Sentinels of a test's own over a Redis on a port: each a process in a folder of its own. They promote a replica about two seconds after its primary is dead, or when they are told to. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { RedisServer } from './redis-server.js';

const started: Sentinels[] = [];

/** Until `closeSentinels`. */
export async function startSentinels(
  count: number,
  primaryPort: number,
  ...settings: readonly string[]
): Promise<Sentinels> {
  const sentinels = new Sentinels();
  started.push(sentinels);
  for (let place = 0; place < count; place += 1) await sentinels.add(primaryPort, Math.ceil(count / 2), settings);
  return sentinels;
}

export async function closeSentinels(): Promise<void> {
  for (const sentinels of started.splice(0)) for (const sentinel of sentinels.all) await sentinel.close();
}

export class Sentinels {
  readonly all: RedisSentinel[] = [];

  async add(primaryPort: number, quorum: number, settings: readonly string[]): Promise<void> {
    this.all.push(await RedisSentinel.startFor(primaryPort, quorum, settings));
  }

  /** For `--engine`, and for the engine, with a prefix behind a slash. */
  get url(): string {
    return `redis+sentinel://${this.all.map(({ port }) => `127.0.0.1:${port}`).join()}/${NAME}`;
  }

  /** Resolves when each knows of so many, and of all the other sentinels. */
  async knowReplicas(count: number): Promise<void> {
    const says = new RegExp(`slaves=${count},sentinels=${this.all.length}`);
    for (const sentinel of this.all) await sentinel.says(says, 'INFO', 'sentinel');
  }

  /** Without waiting until they find that the primary is dead. */
  async promote(): Promise<void> {
    await this.all[0]!.says(/OK/, 'SENTINEL', 'FAILOVER', NAME);
  }

  /** Of the one that they call the primary. */
  async primaryPort(): Promise<number> {
    const said = await this.all[0]!.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME);
    return Number(/\r\n(\d+)\r\n$/.exec(said)?.[1]);
  }
}

class RedisSentinel extends RedisServer {
  readonly port: number;

  static async startFor(primaryPort: number, quorum: number, settings: readonly string[]): Promise<RedisSentinel> {
    const port = await freePort();
    const sentinel = new RedisSentinel(port);
    const lines = [
      ...[`port ${port}`, 'bind 127.0.0.1', `unixsocket ${sentinel.path}`, `dir ${sentinel.folder}`],
      ...['loglevel warning', `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} ${quorum}`],
      ...[
        `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
        `sentinel failover-timeout ${NAME} 2000`,
        ...settings,
      ],
    ];
    writeFileSync(join(sentinel.folder, 'sentinel.conf'), `${lines.join('\n')}\n`);
    await sentinel.run();
    return sentinel;
  }

  private constructor(port: number) {
    super([]);
    this.port = port;
  }

  protected override get commandLine(): readonly string[] {
    return [join(this.folder, 'sentinel.conf'), '--sentinel'];
  }
}

const NAME = 'main';
/** Shorter than that a busy machine is down. */
const DOWN_AFTER_MS = 1_500;

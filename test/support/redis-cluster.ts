/** A cluster of a test's own: primaries that share the slots, and a replica of the first where it is asked for. Each is a process in a folder of its own. */
import { SLOTS } from '../../src/server/engine/redis/topology/slot-map.js';
import { freePort } from './free-port.js';
import type { RedisServer } from './redis-server.js';
import { startRedisOnPort } from './redis-server.js';

export type ClusterNode = RedisServer & { readonly port: number };

export class RedisCluster {
  /** Each has a third of the slots, in this order. */
  readonly primaries: readonly ClusterNode[];
  /** Of the first. */
  readonly replica: ClusterNode;

  /** Until `closeRedis`. Resolves when all of them know that all slots are served. */
  static async start(): Promise<RedisCluster> {
    const nodes = await Promise.all([0, 1, 2, 3].map(() => startNode()));
    const replica = nodes[3]!;
    const primaries = nodes.slice(0, 3);
    for (const [place, primary] of primaries.entries()) {
      const [first, last] = [Math.ceil((place * SLOTS) / 3), Math.ceil(((place + 1) * SLOTS) / 3) - 1];
      await primary.says(/OK/, 'CLUSTER', 'SET-CONFIG-EPOCH', String(place + 1));
      await primary.says(/OK/, 'CLUSTER', 'ADDSLOTSRANGE', String(first), String(last));
    }
    for (const { port, busPort } of nodes.slice(1))
      await nodes[0]!.says(/OK/, 'CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPort));
    const first = await idOf(nodes[0]!);
    await replica.says(new RegExp(first), 'CLUSTER', 'NODES');
    await replica.says(/OK/, 'CLUSTER', 'REPLICATE', first);
    for (const node of nodes) {
      await node.says(/cluster_state:ok[\s\S]*cluster_known_nodes:4/, 'CLUSTER', 'INFO');
      await node.says(/slave /, 'CLUSTER', 'NODES');
    }
    await replica.says(/master_link_status:up/, 'INFO', 'replication');
    return new RedisCluster(primaries, replica);
  }

  private constructor(primaries: readonly ClusterNode[], replica: ClusterNode) {
    this.primaries = primaries;
    this.replica = replica;
  }

  /** For `--engine`, and for the engine, with a prefix behind a slash: it names one node. */
  get url(): string {
    return `redis+cluster://127.0.0.1:${this.primaries[1]!.port}`;
  }

  /** With its keys, as `redis-cli --cluster reshard` does it. `betweenKeys` is called when about half of them are there. */
  async moveSlot(slot: number, from: ClusterNode, to: ClusterNode, betweenKeys: () => Promise<void>): Promise<void> {
    const [fromId, toId, number] = [await idOf(from), await idOf(to), String(slot)];
    await to.says(/OK/, 'CLUSTER', 'SETSLOT', number, 'IMPORTING', fromId);
    await from.says(/OK/, 'CLUSTER', 'SETSLOT', number, 'MIGRATING', toId);
    const said = await from.command('CLUSTER', 'GETKEYSINSLOT', number, '1000');
    const keys = said.split('\r\n').filter((line) => /^[^*$]/.test(line));
    for (const [place, key] of keys.entries()) {
      await from.says(/OK|NOKEY/, 'MIGRATE', '127.0.0.1', String(to.port), key, '0', '5000');
      if (place === keys.length >> 1) await betweenKeys();
    }
    for (const node of [to, from]) await node.says(/OK/, 'CLUSTER', 'SETSLOT', number, 'NODE', toId);
  }
}

async function startNode(): Promise<ClusterNode & { readonly busPort: number }> {
  const busPort = await freePort();
  const fixed = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1500', '--cluster-require-full-coverage', 'no'];
  return Object.assign(await startRedisOnPort(...fixed, '--cluster-port', String(busPort)), { busPort });
}

async function idOf(node: ClusterNode): Promise<string> {
  return /\w{40}/.exec(await node.command('CLUSTER', 'MYID'))![0];
}

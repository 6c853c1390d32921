/** Servers over a cluster of Redis: each session at the primary of its slot, wherever that moves; one that is away takes nothing from the others. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { bucketOf, bucketPrefix } from '../../src/server/engine/redis/format/keys.js';
import { slotOf } from '../../src/server/engine/redis/topology/slot-map.js';
import type { BridgeServer } from '../../src/server/index.js';
import { RedisEngine, startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../../src/testing/within.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { closeRedis, startRedisOnPort, withRedis } from '../support/redis-server.js';

withRedis('a cluster of Redis', () => {
  describe('a cluster of Redis', () => {
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await closeRedis();
    });

    test('sessions are spread over it; a slot moves while it is set, a primary dies and its replica follows: nothing is missed, each set is made once', async () => {
      const cluster = await RedisCluster.start();
      const engines = [0, 1].map(() => new RedisEngine(`${cluster.url}/house`, { ack: 'primary', behindMs: 15_000 }));
      const start = new AbortController();
      const options = { port: 0, adminPort: 0, waitForEngine: start.signal };
      const servers = await Promise.all(engines.map((engine) => startBridgeServer({ ...options, engine })));
      // What comes later does not wait for a start.
      start.abort();
      for (const server of servers) closers.push(() => server.close());
      const sessions = await Promise.all([0, 1, 2].map((third) => Session.open(servers, sessionIn(third))));
      const [first, second, third] = sessions as [Session, Session, Session];
      for (const session of sessions) session.begin();
      await Promise.all(sessions.map((session) => session.more()));

      // What is asked while half of its keys are there waits until all are.
      const [, from, to] = cluster.primaries;
      await cluster.moveSlot(slotOfSession(second.id), from!, to!, () => first.more().then(() => third.more()));
      await Promise.all(sessions.map((session) => session.more()));

      await first.rest();
      cluster.primaries[0]!.kill();
      const says = `127.0.0.1:${cluster.primaries[0]!.port} of the cluster`;
      await until(() => engines.every(({ health }) => String(health.cause).includes(says)), 'word that one is away');
      const metrics = await (await fetch(`http://127.0.0.1:${servers[0]!.adminPort}/metrics`)).text();
      const ready = [...metrics.matchAll(/^bridged_state_engine_primary_ready\{primary="\S+:(\d+)"\} ([01])$/gm)];
      assert.deepEqual(
        new Map(ready.map(([, port, is]) => [Number(port), is])),
        new Map(cluster.primaries.map(({ port }, place) => [port, place === 0 ? '0' : '1'])),
      );
      const before = first.told[0]!.length;
      first.begin();
      await Promise.all([second.more(), third.more()]);
      assert.equal(first.told[0]!.length, before, 'nobody has taken its place yet');
      await first.more();
      await until(() => engines.every(({ health }) => health.state === 'ready'), 'all of them');

      for (const session of sessions) await session.check();
      assert.ok(servers.every((server) => server.metrics().engineTakeovers! >= 2));
    });

    test('is taken for one by the address of one only', async () => {
      const plain = await startRedisOnPort();
      const node = await startRedisOnPort('--cluster-enabled', 'yes');
      const waitForEngine = new AbortController().signal;
      const refused: readonly (readonly [url: string, sentence: RegExp])[] = [
        [`redis+cluster://127.0.0.1:${plain.port}`, /is no node of a cluster .*give its address as redis:/],
        [`redis://127.0.0.1:${node.port}`, /is a node of a cluster: give its address as redis\+cluster:/],
      ];
      for (const [url, message] of refused) {
        const start = startBridgeServer({ port: 0, engine: new RedisEngine(url), waitForEngine });
        await assert.rejects(within(start, url), { code: 'ENGINE_UNAVAILABLE', message });
      }
    });
  });
});

const closers: (() => unknown)[] = [];

/** Set by a client of each server in turn, and watched by both. */
class Session {
  readonly id: string;
  readonly told: (readonly [value: unknown, version: number, missed: number, resync: boolean])[][] = [[], []];
  readonly #states: readonly BridgedState[];
  #last = 0;
  #isOver = true;
  #setting: Promise<void> = Promise.resolve();

  static async open(servers: readonly BridgeServer[], id: string): Promise<Session> {
    const states: BridgedState[] = [];
    for (const { port } of servers) {
      const state = await BridgedState.open({ endpoint: `127.0.0.1:${port}`, sessionId: id, workers: 0 });
      closers.push(() => state.close());
      states.push(state);
    }
    await states[0]!.registerVariable('count', 'integer', 0);
    const session = new Session(id, states);
    for (const [place, state] of states.entries()) {
      await state.watchVariables('count', (_, __, value, { version, missed, resync }) => {
        session.told[place]!.push([value, version, missed, resync]);
      });
    }
    return session;
  }

  private constructor(id: string, states: readonly BridgedState[]) {
    this.id = id;
    this.#states = states;
  }

  begin(): void {
    this.#isOver = false;
    this.#setting = this.#set();
    this.#setting.catch(() => undefined);
  }

  /** Resolves when more sets were acknowledged. */
  async more(): Promise<void> {
    const from = this.#last;
    const over = this.#setting.then(() => assert.ok(this.#isOver, 'a set failed'));
    await Promise.race([over, until(() => this.#last > from + 10, `sets of ${this.id}`, 20_000)]);
  }

  async rest(): Promise<void> {
    this.#isOver = true;
    await within(this.#setting, 'the last set', 20_000);
  }

  async check(): Promise<void> {
    await this.rest();
    await until(() => this.told.every((one) => one.length === this.#last), 'all of them at both');
    const all = Array.from({ length: this.#last }, (_, place) => [place + 1, place + 2, 0, false]);
    assert.deepEqual(this.told, [all, all]);
  }

  async #set(): Promise<void> {
    while (!this.#isOver) {
      const value = this.#last + 1;
      assert.equal(await this.#states[value % 2]!.setVariable('count', value), value + 1);
      this.#last = value;
    }
  }
}

function slotOfSession(id: string): number {
  return slotOf(bucketPrefix('house:', bucketOf(id)));
}

/** One that lives in this third of the slots. */
function sessionIn(third: number): string {
  for (let n = 0; ; n += 1) if (Math.floor(slotOfSession(`s${n}`) / 5461) === third) return `s${n}`;
}

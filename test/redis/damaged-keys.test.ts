/**
 * Keys of sessions that somebody deletes, replaces or spoils by hand while two servers serve them: what other keys say too is made good, what is lost is told
 * as `resync`, and what is of another program is refused by its name until it is gone; then sets go on.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { BridgedState } from '../../src/main/index.js';
import { bucketOf } from '../../src/server/engine/redis/format/keys.js';
import { until, within } from '../../src/testing/within.js';
import { type CommandProcess, startServe } from '../support/command-line.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { closeRedis, startRedis, withRedis } from '../support/redis-server.js';

withRedis('keys that are damaged by hand', () => {
  describe('keys that are damaged by hand', () => {
    let redis: Redis;
    let servers: readonly Server[];
    const open = (name: string): Promise<House> => House.open(redis, servers, name);
    before(async () => {
      redis = await startRedis();
      servers = await Promise.all([startServer(redis), startServer(redis)]);
    });
    after(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await closeRedis();
    });

    test('what other keys say too is made good, what is lost is told, and sets go on', async () => {
      const houses = await each(DAMAGES, async ([name, outcome, damage]) => {
        const house = await open(name);
        await damage(house);
        await house.goOn(outcome);
        return house;
      });
      // A server that begins has only what is there.
      const next = await startServer(redis);
      await each([...DAMAGES.entries()], async ([place, [, outcome]]) => {
        const house = houses[place]!;
        assert.deepEqual(await house.at(next), await house.at(servers[0]!));
        // Nor has anything been told since.
        assert.deepEqual(house.said, outcome);
        const isLost = outcome !== GOES_ON;
        assert.deepEqual(new Set(house.errors), new Set(isLost ? ['LostSetsError'] : []), house.sessionId);
      });
      // Whichever server finds it mends it, and both have to leave what is lost.
      const [mends, others] = await Promise.all(servers.map((server) => server.metric('mends')));
      assert.ok(mends! + others! > 0);
      for (const server of servers) assert.ok((await server.metric('forks')) > 0);
      assert.equal(await servers[1]!.readyz(), 'ready');
    });

    test('what cannot be seen by counting is told as soon as a server begins, or a set asks for it', async () => {
      const house = await open('spoilt');
      await house.redis('HSET', house.key('r'), house.id, 'spoilt');
      await startServer(redis);
      await house.goOn({ a: 'lost', b: 'resync' });
    });

    test('the outcomes of a link of another program are refused by name, and all of other links go on', async () => {
      const house = await open('window');
      const windows = await house.windows();
      for (const key of windows) await house.redis('SET', key, 'of somebody else');
      for (const state of house.states) await untilRefused(state, house.key('w').replace(house.sessionId, ''), 's');
      assert.ok((await (await clientOf(servers[0]!, house.sessionId)).setVariable('a', 6)) > 0);
      await house.redis('DEL', ...windows);
      await house.goOn(GOES_ON);
    });

    test('is found though nobody sets', async () => {
      const house = await open('quiet');
      const forks = await Promise.all(servers.map((server) => server.metric('forks')));
      await house.redis('DEL', house.key('s'));
      for (const [place, server] of servers.entries())
        await until(async () => (await server.metric('forks')) > forks[place]!, 'what is lost');
      await house.goOn(ALL_LOST);
    });

    test('a value that no server can read is told once, until its session is deleted', async () => {
      const house = await open('unreadable');
      await house.redis('EVAL', CUT_SHORT, '1', house.key('v'), house.id);
      // Makes them read it.
      await house.redis('HDEL', house.key('n'), 'b');
      await house.redis('HINCRBY', house.key('s'), 'revision', '-1');
      const sentence = new RegExp(`session "${house.sessionId}" cannot be read .* DEL ${house.key('s')},`);
      for (const server of servers)
        await until(async () => sentence.test(await server.readyz()), 'why it is not ready');
      const before = await reads(redis);
      await until(async () => {
        for (const server of servers) assert.match(await server.readyz(), sentence);
        return (await reads(redis)) > before + 5;
      }, 'reads of the logs');
      await house.redis('DEL', house.key('s'));
      for (const server of servers) await until(async () => (await server.readyz()) === 'ready', 'the end of it');
      await house.goOn(ALL_LOST);
      for (const { serve } of servers)
        assert.equal(serve.stderr.split('\n').filter((line) => sentence.test(JSON.parse(line || '{}').msg)).length, 1);
    });

    test('a time to live that is deleted begins again', async () => {
      const house = await open('living');
      const [state] = house.states as [BridgedState];
      await state.registerVariable('short', 'integer', 0, { ttlMs: 300 });
      await house.redis('DEL', house.key('x'));
      await until(async () => (await state.listVariables()).every(({ name }) => name !== 'short'), 'the end of it');
    });

    test('keys of another program are refused by name, and servers are not ready, until they are gone', () =>
      refuseForeign(FOREIGN, servers, open));

    test('a server that begins beside keys of another program says so, serves all else, and those sessions when they are gone', async () => {
      const untouched = await open('untouched');
      const unreadable = await open('cannot be read');
      const copy = `${unreadable.key('v')}-copy`;
      await unreadable.redis('COPY', unreadable.key('v'), copy);
      await unreadable.redis('EVAL', CUT_SHORT, '1', unreadable.key('v'), unreadable.id);
      const houses = await each(FOREIGN, async ([kind]) => {
        const house = await open(`begins beside ${kind}`);
        await house.redis('SET', house.key(kind), 'of somebody else');
        return house;
      });

      const next = await startServer(redis);

      assert.match(await next.readyz(), /lost: (key .* is of another program|session .* cannot be read)/);
      assert.match(next.serve.stderr, /engine lost: /);
      const state = await clientOf(next, untouched.sessionId);
      assert.ok((await state.setVariable('a', 9)) > 0);
      await each([...FOREIGN.entries()], async ([place, [kind]]) => {
        const house = houses[place]!;
        // What is not read at the start is served without it, until something has to be written there.
        if (!['head', 's', 'r', 'v'].includes(kind)) return;
        await assert.rejects(
          within(clientOf(next, house.sessionId), 'the refusal'),
          (error: Error & { code?: string }) =>
            error.code === 'ENGINE_FORMAT' && error.message.includes(house.key(kind)),
          kind,
        );
      });
      await assert.rejects(clientOf(next, unreadable.sessionId), { code: 'ENGINE_FORMAT', message: /cannot be read/ });

      await each([...FOREIGN.entries()], async ([place, [kind, outcome]]) => {
        const house = houses[place]!;
        await house.redis('DEL', house.key(kind));
        await house.goOn(outcome);
        // Of a session of which all is lost nothing is there until somebody makes it again, which these have.
        const there = async () => isDeepStrictEqual(await house.at(next), await house.at(servers[0]!));
        await until(there, `the session at the server that began beside its ${kind}`);
      });
      await unreadable.redis('RENAME', copy, unreadable.key('v'));
      await until(async () => (await next.readyz()) === 'ready', 'the end of it');
      for (const house of [unreadable, untouched])
        assert.deepEqual(await house.at(next), await house.at(servers[0]!), house.sessionId);
      assert.equal(next.serve.stderr.split('\n').filter((line) => /engine lost/.test(line)).length, 1);
    });

    test('what all servers read is written again, or named', async () => {
      const house = await open('roots');
      const epoch = await redis.command('HGET', 'bs:meta', 'epoch');
      await redis.command('DEL', 'bs:meta', 'bs:buckets');
      await until(async () => (await redis.command('HGET', 'bs:meta', 'epoch')) === epoch, 'its epoch');
      await until(
        async () => Number((await redis.command('XLEN', 'bs:buckets')).slice(1)) >= taken.size,
        'its buckets',
      );
      for (const key of ['bs:meta', 'bs:buckets']) {
        await redis.command('SET', key, 'of somebody else');
        for (const server of servers) await until(async () => (await server.readyz()).includes(`key ${key} `), key);
        await house.goOn(GOES_ON);
        await redis.command('DEL', key);
        for (const server of servers) await until(async () => (await server.readyz()) === 'ready', 'the end of it');
      }
      await until(async () => (await redis.command('HGET', 'bs:meta', 'epoch')) === epoch, 'its epoch');
      await redis.command('FLUSHDB');
      await house.goOn(ALL_LOST);
    });
  });
});

withRedis('keys in a cluster that are damaged by hand', () => {
  describe('keys in a cluster that are damaged by hand', () => {
    after(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await closeRedis();
    });

    test('are made good, told and refused like those of one Redis', async () => {
      const redis = clusterOf(await RedisCluster.start());
      const servers = await Promise.all([startServer(redis), startServer(redis)]);
      const open = (name: string): Promise<House> => House.open(redis, servers, name);
      const some = DAMAGES.filter(([name]) => /^(head is|s is|n lacks|r lacks|v lacks|log has)/.test(name));
      await each(some, async ([name, outcome, damage]) => {
        const house = await open(name);
        await damage(house);
        await house.goOn(outcome);
      });
      const foreign = FOREIGN.filter(([kind]) => /^(head|log|s|r)$/.test(kind));
      await refuseForeign(foreign, servers, open);
    });
  });
});

/** Whoever answers for a key. */
interface Redis {
  readonly url: string;
  command(...words: string[]): Promise<string>;
}

function clusterOf(cluster: RedisCluster): Redis {
  return {
    url: cluster.url,
    command: async (...words) => {
      const answers = await Promise.all(cluster.primaries.map((primary) => primary.command(...words)));
      return answers.find((answer) => !answer.startsWith('-MOVED'))!;
    },
  };
}

/** What becomes of a variable at the watches of both servers. */
type Fate = 'goes on' | 'resync' | 'lost';
type Outcome = Readonly<Record<'a' | 'b', Fate>>;
const GOES_ON: Outcome = { a: 'goes on', b: 'goes on' };
const ALL_LOST: Outcome = { a: 'lost', b: 'lost' };

const del = (kind: string) => (house: House) => house.redis('DEL', house.key(kind));
const delField = (kind: string, field: string) => (house: House) => house.redis('HDEL', house.key(kind), field);

const DAMAGES: readonly (readonly [string, Outcome, (house: House) => Promise<unknown>])[] = [
  ['head is deleted', GOES_ON, del('head')],
  ['head lacks its generation', GOES_ON, delField('head', 'generation')],
  ['head lacks its position', GOES_ON, delField('head', 'position')],
  ['head lacks its run', GOES_ON, delField('head', 'run')],
  ['log is deleted', GOES_ON, del('log')],
  ['sessions is deleted', GOES_ON, del('sessions')],
  ['s is deleted', ALL_LOST, del('s')],
  ['n is deleted', GOES_ON, del('n')],
  ['r is deleted', ALL_LOST, del('r')],
  ['v is deleted', ALL_LOST, del('v')],
  ['x is deleted', GOES_ON, del('x')],
  ['g is deleted', GOES_ON, del('g')],
  ['w is deleted', GOES_ON, async (house) => house.redis('DEL', ...(await house.windows()))],
  ['all of it is deleted', ALL_LOST, (house) => house.redis('DEL', ...['s', 'n', 'r', 'v', 'x', 'g'].map(house.key))],
  ['s lacks its revision', ALL_LOST, delField('s', 'revision')],
  ['s lacks its life', ALL_LOST, delField('s', 'life')],
  ['s lacks its metadata', ALL_LOST, delField('s', 'metadata')],
  ['s lacks its time of use', GOES_ON, delField('s', 'used')],
  ['s goes back', { a: 'resync', b: 'resync' }, (house) => house.redis('HSET', house.key('s'), 'revision', '2')],
  ['n lacks a name', GOES_ON, delField('n', 'a')],
  ['r lacks a registration', { a: 'lost', b: 'resync' }, (house) => delField('r', house.id)(house)],
  ['v lacks a present version', GOES_ON, (house) => delField('v', house.id)(house)],
  ['a present version is spoilt', GOES_ON, (house) => house.redis('HSET', house.key('v'), house.id, 'spoilt')],
  ['log has another entry', GOES_ON, (house) => house.redis('XADD', house.key('log'), '*', 'k', 'v')],
  [
    'log is another stream',
    GOES_ON,
    async (house) => {
      await del('log')(house);
      await house.redis('XADD', house.key('log'), '*', 'k', 'v');
    },
  ],
];

/** What becomes of it once it is deleted. */
const FOREIGN: readonly (readonly [string, Outcome])[] = [
  ...['head', 'log', 'sessions', 'n', 'x', 'g'].map((kind) => [kind, GOES_ON] as const),
  ...['s', 'r', 'v'].map((kind) => [kind, ALL_LOST] as const),
];

/** Replaces each, and deletes what it was replaced by. */
async function refuseForeign(
  foreign: typeof FOREIGN,
  servers: readonly Server[],
  open: (name: string) => Promise<House>,
): Promise<void> {
  const houses = await each(foreign, async ([kind]) => {
    const house = await open(`foreign ${kind}`);
    await house.redis('SET', house.key(kind), 'of somebody else');
    for (const state of house.states) await untilRefused(state, house.key(kind), kind);
    return house;
  });
  for (const server of servers) {
    assert.match(await server.readyz(), /lost: key .* is of another program.* DEL or RENAME it/);
    assert.match(server.serve.stderr, /engine lost: key .* is of another program/);
  }
  await each([...foreign.entries()], async ([place, [kind, outcome]]) => {
    const house = houses[place]!;
    assert.match(await house.redis('GET', house.key(kind)), /of somebody else/);
    await house.redis('DEL', house.key(kind));
    await house.goOn(outcome);
  });
  for (const server of servers) await until(async () => (await server.readyz()) === 'ready', 'the end of it');
}

interface Told {
  readonly name: 'a' | 'b';
  readonly value: unknown;
  readonly version: number;
  readonly resync: boolean;
}

interface Server {
  readonly serve: CommandProcess;
  readonly endpoint: string;
  /** `ready`, or why it is not. */
  readyz(): Promise<string>;
  metric(name: string): Promise<number>;
}

/** A session with a bucket of its own, a client at each server, and what their watches are told. */
class House {
  readonly sessionId: string;
  readonly states: readonly BridgedState[];
  /** Of the variable `a`. */
  id = '';
  /** Of all watches. */
  readonly errors: string[] = [];
  readonly #told: Told[][] = [];
  readonly #redis: Redis;
  /** Registered again. */
  readonly #again = new Set<string>();
  #before: number[] = [];
  #round = 0;

  static async open(redis: Redis, servers: readonly Server[], name: string): Promise<House> {
    let sessionId = name.replaceAll(' ', '-');
    while (taken.has(bucketOf(sessionId))) sessionId += '.';
    taken.add(bucketOf(sessionId));
    const house = new House(redis, sessionId, await Promise.all(servers.map((server) => clientOf(server, sessionId))));
    await house.#begin();
    return house;
  }

  private constructor(redis: Redis, sessionId: string, states: readonly BridgedState[]) {
    this.#redis = redis;
    this.sessionId = sessionId;
    this.states = states;
  }

  async #begin(): Promise<void> {
    const state = this.states[0]!;
    for (const name of ['a', 'b', 'gone']) await state.registerVariable(name, 'integer', 0);
    await state.registerVariable('late', 'integer', 0, { ttlMs: 3_600_000 });
    await state.deleteVariable('gone');
    for (const one of this.states) {
      const told: Told[] = [];
      this.#told.push(told);
      for (const name of ['a', 'b'] as const) {
        await one.watchVariables(
          name,
          (_, __, value, { version, resync }) => {
            told.push({ name, value, version, resync });
          },
          { onError: (error) => this.errors.push(error.name) },
        );
      }
    }
    for (const value of [1, 2, 3]) await state.updateVariables({ a: value, b: value });
    await until(() => this.#isTold(3, 3), 'what was set before');
    this.#before = this.#told.map(({ length }) => length);
    this.id = (await this.redis('HGET', this.key('n'), 'a')).split('\r\n')[1]!;
  }

  readonly key = (kind: string): string => {
    const ofBucket = ['head', 'log', 'sessions'].includes(kind);
    return `bs:{b${bucketOf(this.sessionId)}}:${kind}${ofBucket ? '' : `:${this.sessionId}`}`;
  };

  /** Of what its links set, and its servers. */
  async windows(): Promise<string[]> {
    const said = await this.redis('KEYS', this.key('w').replace(this.sessionId, '*'));
    return said.split('\r\n').filter((line) => line.startsWith('bs:'));
  }

  async redis(...words: string[]): Promise<string> {
    const said = await this.#redis.command(...words);
    assert.doesNotMatch(said, /^-/, words.join(' '));
    return said;
  }

  /** Clients set again and again, and register what is lost, until both have told what becomes of it. */
  async goOn(outcome: Outcome): Promise<void> {
    const round = async (): Promise<boolean> => {
      this.#round += 100;
      for (const [place, state] of this.states.entries()) {
        for (const name of ['a', 'b']) await this.#set(state, name, this.#round + place);
      }
      const isTold = (): boolean => this.#isTold(this.#round + 1, this.#round + 1);
      // What is lost meanwhile is not told: it is registered in the next round.
      const isLost = async (): Promise<boolean> => (await this.states[0]!.listVariables()).length < 3;
      await until(async () => isTold() || (await isLost()), 'what was set');
      return isTold() && isDeepStrictEqual(this.said, outcome);
    };
    await until(round, 'it').catch((error: Error) => {
      const said = [this.sessionId, outcome, this.said, this.#round, this.#told.map((told) => told.slice(-5))];
      throw new Error(`${error.message}: ${JSON.stringify(said)}`);
    });
  }

  /** By what both were told. */
  get said(): Readonly<Record<string, string>> {
    const fateOf = (name: string): string => {
      const fates = this.#told.map((told, place) => {
        const since = told.slice(this.#before[place]).filter((one) => one.name === name);
        const isResync = since.some(({ resync }) => resync);
        if (this.#again.has(name)) return isResync ? 'lost' : 'new, and not a word';
        return isResync ? 'resync' : 'goes on';
      });
      return [...new Set(fates)].join(' at one, at the other ');
    };
    return { a: fateOf('a'), b: fateOf('b') };
  }

  /** What a server has of it. */
  async at(server: Server): Promise<unknown> {
    const state = await clientOf(server, this.sessionId);
    const variables = await state.listVariables();
    return Promise.all(variables.map(async ({ name }) => [name, await state.getVariable(name)]));
  }

  async #set(state: BridgedState, name: string, value: number): Promise<void> {
    const errors = new Set<string>();
    const isSet = async (): Promise<boolean> => {
      const error = (await within(state.setVariable(name, value), 'a set').catch((reason: unknown) => reason)) as {
        readonly code?: string;
      };
      if (typeof error === 'number') return true;
      errors.add(String(error));
      if (error.code === 'VARIABLE_NOT_FOUND') {
        const known = await state.registerVariable(name, 'integer', value).catch((reason: { code?: string }) => reason);
        // Of one that is registered while its session is left, nobody says so.
        if (typeof known === 'string' || known.code === 'UNKNOWN_OUTCOME') this.#again.add(name);
      }
      return false;
    };
    await until(isSet, 'a set').catch((error: Error) => {
      throw new Error(`${error.message} of ${name}: ${[...errors]}`);
    });
  }

  #isTold(a: number, b: number): boolean {
    const last = (told: readonly Told[], name: string): unknown => told.findLast((one) => one.name === name)?.value;
    return this.#told.every((told) => last(told, 'a') === a && last(told, 'b') === b);
  }
}

/** All but the last bytes of a value. */
const CUT_SHORT = `local record = redis.call('HGET', KEYS[1], ARGV[1])
return redis.call('HSET', KEYS[1], ARGV[1], string.sub(record, 1, #record - 3))`;
const taken = new Set<number>();
const closers: (() => unknown)[] = [];

async function startServer(redis: Redis): Promise<Server> {
  const { serve, endpoint, line } = await startServe('--engine', redis.url, '--admin-port', '0', '--log-level', 'warn');
  closers.push(() => {
    if (process.env.SHOW) console.error(serve.stderr);
    return serve.kill();
  });
  const admin = `http://127.0.0.1:${line.adminPort}`;
  return {
    ...{ serve, endpoint },
    readyz: async () => {
      const answer = await fetch(`${admin}/readyz`);
      return answer.status === 200 ? 'ready' : answer.text();
    },
    metric: async (name) => {
      const text = await (await fetch(`${admin}/metrics`)).text();
      return Number(new RegExp(`^bridged_state_engine_${name}_total (\\d+)`, 'm').exec(text)?.[1]);
    },
  };
}

async function clientOf({ endpoint }: Server, sessionId: string): Promise<BridgedState> {
  const state = await BridgedState.open({ endpoint, sessionId, workers: 0 });
  closers.push(() => state.close());
  return state;
}

/** Of logs, by all servers. */
async function reads(redis: Redis): Promise<number> {
  return Number(/cmdstat_xread:calls=(\d+)/.exec(await redis.command('INFO', 'commandstats'))?.[1] ?? 0);
}

/** All of them at once: each failure by itself. */
async function each<T, U>(cases: readonly T[], run: (one: T) => Promise<U>): Promise<U[]> {
  const ends = await Promise.allSettled(cases.map(run));
  const failures = ends.filter((end) => end.status === 'rejected').map(({ reason }) => String(reason));
  assert.deepEqual(failures, []);
  return ends.map((end) => (end as PromiseFulfilledResult<U>).value);
}

/** By a sentence that names the key, whoever writes to it. */
async function untilRefused(state: BridgedState, key: string, kind: string): Promise<void> {
  const isOfSets = ['head', 'log', 's', 'v'].includes(kind);
  const write = () => (isOfSets ? state.setVariable('a', 5) : state.registerVariable('other', 'integer', 0));
  const said = new Set<string>();
  const refused = async (): Promise<boolean> => {
    const error = (await write().then(String, (reason: unknown) => reason)) as { code?: string };
    said.add(String(error));
    return error.code === 'ENGINE_FORMAT' && String(error).includes(`key ${key}`);
  };
  await until(refused, `a refusal that names ${key}`).catch((error: Error) => {
    throw new Error(`${error.message}, but ${[...said]}`);
  });
}

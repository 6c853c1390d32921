/** The link, as any client of the contract sees it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Metadata, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { snakepit } from '../../src/shared/wire/gen/bridge.js';
import { until } from '../support/deadline.js';
import { answeredDuring, any, PlainClient } from './plain-client.js';
import { PlainLink, watch } from './plain-link.js';

let server: BridgeServer;
let client: PlainClient;
const links: PlainLink[] = [];

before(async () => {
  server = await startBridgeServer({ port: 0, slowStreamMs: 1_000, outboxLimit: 8, maxStreamBytes: 65_536 });
  client = new PlainClient(server.port);
  await client.initSession();
  await client.register('fan', 0);
  await client.register('text', '', { type: 'string' });
});

after(async () => {
  client.close();
  await server.close();
});

afterEach(async () => {
  for (const link of links.splice(0)) link.close();
  await until(5_000, () => server.metrics().streams + server.metrics().observers === 0, 'nothing is left');
});

function open(): PlainLink {
  const link = new PlainLink(server.port);
  links.push(link);
  return link;
}

const INITIAL = 1;
const WAIT = 4;
const MARK = 8;

describe('a link', () => {
  test('carries many watches, each from its registration to its end', async () => {
    const link = open().read();
    link.hello(watch(7, ['fan'], INITIAL | MARK));
    await link.when('synced 7');
    assert.deepEqual(link.rows.slice(0, 3), ['registered 7', 'initial fan=1 to 7', 'synced 7']);
    assert.equal(link.messages[0]?.welcome?.epoch, server.epoch);
    link.send(watch(8, ['fan', 'soon'], WAIT));
    await link.when('registered 8');
    const version = await client.set('fan', Math.random());
    await client.register('soon', 1);
    await link.when(`change fan=${version} to 7`);
    await link.when(`change fan=${version} to 8`);
    await link.when('change soon=1 to 8');
    link.send({ unwatchFeeds: [7] });
    await until(5_000, () => server.metrics().streams === 1, 'one watch');
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: 'soon' });
    await link.when('deleted soon=2 to 8');
    const next = await client.set('fan', Math.random());
    await link.when(`change fan=${next} to 8`);
    assert.ok(!link.rows.includes(`change fan=${next} to 7`));
  });

  test('ends a watch that cannot be, and goes on', async () => {
    const link = open().read();
    link.hello(watch(1, ['nobody']));
    await link.when('ended 1 5 VARIABLE_NOT_FOUND');
    link.send(watch(2, []));
    await link.when('ended 2 3 INVALID_ARGUMENT');
    link.send(watch(3, ['fan']));
    await link.when('registered 3');
  });

  test('says what happens in one turn in one message', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `turn${index}`);
    for (const name of names) await client.register(name, 0);
    const link = open().read();
    link.hello(watch(1, names));
    await link.when('registered 1');
    const messages = link.messages.length;
    const updates = Object.fromEntries(names.map((name) => [name, any(1)]));
    await client.call('SetVariables', { sessionId: 's', updates });
    await link.when(`change ${names.at(-1)}=2 to 1`);
    assert.equal(link.messages.length, messages + 1);
  });

  test('gives a sign of life in silence, as often as its client asks', async () => {
    const link = open().read();
    link.hello({ heartbeatMs: 100 });
    await until(5_000, () => link.rows.filter((row) => row === 'heartbeat').length >= 3, 'three heartbeats');
  });

  test('is refused without a hello, with a second one, for a session that is not there, and for a feed given twice', async () => {
    const cases: [string, number, (link: PlainLink) => void][] = [
      ['INVALID_ARGUMENT', status.INVALID_ARGUMENT, (link) => link.send(watch(1, ['fan']))],
      ['SESSION_NOT_FOUND', status.NOT_FOUND, (link) => link.hello({}, { sessionId: 'other' })],
      [
        'INVALID_ARGUMENT',
        status.INVALID_ARGUMENT,
        (link) => {
          link.hello();
          link.hello();
        },
      ],
      [
        'INVALID_ARGUMENT',
        status.INVALID_ARGUMENT,
        (link) => {
          link.hello(watch(1, ['fan']));
          link.send(watch(1, ['fan']));
        },
      ],
      ['INVALID_ARGUMENT', status.INVALID_ARGUMENT, (link) => link.hello({ watchFeeds: [1] })],
    ];
    for (const [code, number, ask] of cases) {
      const link = open().read();
      ask(link);
      const end = await link.end();
      assert.deepEqual([end.code, end.metadata.get('bridge-error')], [number, [code]]);
    }
  });

  test('ends with its client: half closed it is answered with OK', async () => {
    const link = open().read();
    link.hello(watch(1, ['fan']));
    await link.when('registered 1');
    link.call.end();
    assert.equal((await link.end()).code, status.OK);
  });

  test('that nobody reads holds little, leaves out what it must, and is cut', async () => {
    // Long enough that something is left out before the cut, whatever else the machine does.
    await using patient = await startBridgeServer({
      port: 0,
      slowStreamMs: 3_000,
      outboxLimit: 8,
      maxStreamBytes: 65_536,
    });
    const writer = new PlainClient(patient.port);
    await writer.initSession();
    await writer.register('text', 0, { type: 'string', initialValue: any('', 'string') });
    const link = new PlainLink(patient.port);
    link.call.read(0);
    link.hello(watch(1, ['text'], INITIAL));
    await until(5_000, () => patient.metrics().streams === 1, 'the watch');
    const large = 'x'.repeat(200_000);
    for (let count = 0; count < 40; count += 1) {
      const value = any(`${large}${count}`, 'string');
      await writer.call('SetVariable', { sessionId: 's', variableIdentifier: 'text', value });
    }
    assert.ok(patient.metrics().updatesConflated > 0);
    await until(10_000, () => patient.metrics().slowStreamsCut > 0, 'the cut');
    link.close();
    writer.close();
  });

  test('that reads late is told exactly what it was not told', async () => {
    await client.register('late', 0, { type: 'integer' });
    const filler = open();
    filler.call.read(0);
    filler.hello({ ...watch(1, ['text', 'late'], INITIAL) });
    await until(5_000, () => server.metrics().streams === 1, 'the watch');
    const large = 'y'.repeat(400_000);
    for (let count = 0; count < 8; count += 1) {
      await client.call('SetVariable', { sessionId: 's', variableIdentifier: 'text', value: any(`${large}${count}`) });
      for (let step = 0; step < 5; step += 1) await client.set('late', count * 10 + step + 1);
    }
    filler.read();
    await filler.when('change late=41 to 1');
    const told = filler.rows.filter((row) => /late/.test(row)).map((row) => Number(/=(\d+)/.exec(row)![1]));
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    );
    const texts = filler.rows.filter((row) => /text/.test(row)).length;
    assert.equal(filler.versions, told.length + texts);
    const lastText = Number(/=(\d+)/.exec(filler.rows.findLast((row) => /text/.test(row))!)![1]);
    const firstText = Number(/=(\d+)/.exec(filler.rows.find((row) => /text/.test(row))!)![1]);
    assert.equal(filler.missed, 41 - told.length + (lastText - firstText + 1 - texts));
  });
});

test('a server that drains says on each link over how long its clients shall return, then ends it', async () => {
  await using draining = await startBridgeServer({ port: 0 });
  const plain = new PlainClient(draining.port);
  await plain.initSession();
  await plain.register('fan', 0);
  const links = [new PlainLink(draining.port).read(), new PlainLink(draining.port).read()];
  for (const link of links) {
    const watches = Array.from({ length: 200 }, (_, place) => place + 1);
    link.hello({
      watchFeeds: watches,
      watchFlags: watches.map(() => 0),
      watchIdentifierCounts: watches.map(() => 1),
      watchIdentifiers: watches.map(() => 'fan'),
      watchPatternCounts: watches.map(() => 0),
    });
    await link.when('registered 200');
  }
  await draining.drain();
  for (const link of links) {
    assert.equal((await link.end()).code, status.UNAVAILABLE);
    assert.deepEqual(link.messages.at(-1)!.drainingMs, [10]);
    link.close();
  }
  plain.close();
});

describe('sets on a link', () => {
  const sets = (names: readonly string[], values: readonly number[], more: object = {}) => ({
    setKinds: names.map(() => 9),
    setTargets: names.map((_, place) => place),
    setNames: [...names],
    setDoubles: [...values],
    ...more,
  });

  test('are made in order, and answered in that order', async () => {
    for (const name of ['s1', 's2']) await client.register(name, 0);
    const link = open().read();
    link.hello({ ...watch(1, ['s1']), ...sets(['s1', 's2', 'nobody', 's1'], [1, 2, 3, 4]) });
    await until(5_000, () => link.outcomes.length === 4, 'four outcomes');
    assert.deepEqual(link.outcomes, [2, 2, 'VARIABLE_NOT_FOUND', 3]);
    await link.when('change s1=3 to 1');
    link.send({ setKinds: [1, 17, 17], setTargets: [0, 0, 0], setDoubles: [4, 5, 6], setExpectedVersions: [3, 3] });
    await until(5_000, () => link.outcomes.length === 7, 'three more');
    assert.deepEqual(link.outcomes.slice(4), [3, 4, 'VERSION_CONFLICT']);
  });

  test('take every form of a value, and refuse what their variable does not take', async () => {
    const types = { f: 'float', i: 'integer', b: 'boolean', t: 'string', l: 'list', e: 'embedding' };
    const initial = { f: 0, i: 0, b: false, t: '', l: [], e: [1] };
    for (const [name, type] of Object.entries(types)) {
      await client.register(`form-${name}`, initial[name as keyof typeof initial], {
        type,
        initialValue: any(initial[name as keyof typeof initial]),
      });
    }
    const names = Object.keys(types).map((name) => `form-${name}`);
    const link = open().read();
    link.hello({
      setKinds: [9, 10, 11, 13, 14, 14],
      setTargets: [0, 1, 2, 3, 4, 5],
      setNames: names,
      setDoubles: [1.5],
      setIntegers: [-7],
      setTexts: ['text'],
      setPayloads: [Buffer.from('[1,{"a":2}]'), Buffer.from('[2,3]')],
    });
    await until(5_000, () => link.outcomes.length === 6, 'six outcomes');
    assert.deepEqual(link.outcomes, [2, 2, 2, 2, 2, 2]);
    link.send({ setKinds: [1, 5], setTargets: [1, 2], setDoubles: [1.5], setTexts: ['x'] });
    await until(5_000, () => link.outcomes.length === 8, 'two refusals');
    assert.deepEqual(link.outcomes.slice(6), ['INVALID_VALUE', 'INVALID_VALUE']);
  });

  test('of an atomic batch are made under one revision, or refused together, each with its own word', async () => {
    for (const name of ['g1', 'g2', 'g3']) await client.register(name, 0, { constraintsJson: '{"max":10}' });
    const link = open().read();
    link.hello({ ...watch(1, ['g1', 'g2', 'g3']) });
    await link.when('registered 1');
    const kinds = [9 | 128, 9 | 128, 9];
    link.send({ ...sets(['g1', 'g2', 'g3'], [1, 2, 3]), setKinds: kinds });
    await until(5_000, () => link.outcomes.length === 3, 'three outcomes');
    assert.deepEqual(link.outcomes, [2, 2, 2]);
    await link.when('change g3=2 to 1');
    const revisions = link.messages.flatMap(({ revisions: told }) => told ?? []);
    assert.equal(new Set(revisions).size, 1);
    const again = (values: number[], targets = [0, 1, 2]) =>
      link.send({ setKinds: [1 | 128, 1 | 128, 1], setTargets: targets, setDoubles: values });
    again([4, 11, 4]);
    await until(5_000, () => link.outcomes.length === 6, 'three refusals');
    assert.deepEqual(link.outcomes.slice(3), ['BATCH_REFUSED', 'CONSTRAINT_VIOLATION', 'BATCH_REFUSED']);
    again([5, 5, 5], [0, 1, 0]);
    await until(5_000, () => link.outcomes.length === 9, 'three more');
    assert.deepEqual(link.outcomes.slice(6), ['BATCH_REFUSED', 'BATCH_REFUSED', 'INVALID_ARGUMENT']);
    link.send({ setKinds: [17 | 128, 1], setTargets: [0, 1], setDoubles: [6, 6], setExpectedVersions: [1] });
    await until(5_000, () => link.outcomes.length === 11, 'two more');
    assert.deepEqual(link.outcomes.slice(9), ['VERSION_CONFLICT', 'BATCH_REFUSED']);
    again([7, 7, 7]);
    await until(5_000, () => link.outcomes.length === 14, 'the last three');
    assert.deepEqual(link.outcomes.slice(11), [3, 3, 3], 'nothing of what was refused was made');
  });

  test('of a batch that is not whole in its message end the link', async () => {
    const link = open().read();
    link.hello({ ...sets(['g1'], [1]), setKinds: [9 | 128] });
    assert.equal((await link.end()).code, status.INVALID_ARGUMENT);
  });

  test('whose columns do not fit end the link; of whose targets too many are named, too', async () => {
    for (const bad of [
      { setKinds: [1], setTargets: [7], setDoubles: [1] },
      { setKinds: [9], setTargets: [0], setNames: ['x'] },
    ]) {
      const link = open().read();
      link.hello(bad);
      assert.equal((await link.end()).code, status.INVALID_ARGUMENT);
    }
  });

  test('that are refused for what they bring end nothing, and those behind them are made', async () => {
    await client.register('described', 0);
    const link = open().read();
    const entries = Array.from({ length: 2 * 16_385 }, (_, place) => `k${place}`);
    const metadata = { setMetadataCounts: [16_385], setMetadataTexts: entries };
    link.hello({
      ...sets(['described', 'x'.repeat(2_000_000), 'described'], [1, 2, 3], metadata),
      setKinds: [73, 9, 9],
    });
    await until(5_000, () => link.outcomes.length === 3, 'three outcomes');
    assert.deepEqual(link.outcomes, ['INVALID_ARGUMENT', 'VARIABLE_NOT_FOUND', 2]);
    const sentences = link.messages.flatMap(({ refusalMessages }) => refusalMessages ?? []);
    assert.ok(sentences[1]!.length < 1_000, 'it does not say a name of 2 MB again');
    link.send({ setKinds: [65 | 128, 1], setTargets: [0, 0], setDoubles: [1, 2], ...metadata });
    await until(5_000, () => link.outcomes.length === 5, 'two more');
    assert.deepEqual(link.outcomes.slice(3), ['INVALID_ARGUMENT', 'BATCH_REFUSED']);
  });

  test('of a batch of more than maxAtomicVariables are refused, and are not looked at one by one', async () => {
    const link = open().read();
    const many = 45_000;
    const kinds = Array.from({ length: many }, (_, place) => (place === 0 ? 139 : place === many - 1 ? 3 : 131));
    link.hello({ setKinds: kinds, setTargets: kinds.map(() => 0), setNames: ['fan'] });
    await until(10_000, () => link.outcomes.length === many, 'the outcomes');
    assert.deepEqual(new Set(link.outcomes), new Set(['QUOTA_EXCEEDED']));
  });

  test('that are refused wait as well for a client that does not take their outcomes', async () => {
    const link = open();
    link.call.read(0);
    const many = 200_000;
    link.hello({
      setKinds: Array.from({ length: many }, (_, place) => (place === 0 ? 11 : 3)),
      setTargets: Array.from({ length: many }, () => 0),
      setNames: ['nobody'],
    });
    const before = server.metrics().slowStreamsCut;
    await until(20_000, () => server.metrics().slowStreamsCut > before, 'the cut');
    link.read();
    await link.end();
    assert.ok(link.outcomes.length < many / 2, 'not all of them were looked at');
  });

  test('of a link id are made once: what is sent again is answered, and what is out of its order is refused', async () => {
    await client.register('once', 0);
    const linkId = Buffer.alloc(16, 7);
    const first = open().read();
    first.hello({ ...sets(['once'], [1]), setSequence: 1 }, { linkId });
    await until(5_000, () => first.outcomes.length === 1, 'an outcome');
    first.send({ setKinds: [1, 1], setTargets: [0, 0], setDoubles: [2, 3], setSequence: 2, setsAnswered: 1 });
    await until(5_000, () => first.outcomes.length === 3, 'two more');

    const second = open().read();
    second.hello({}, { linkId, setsAnswered: 1 });
    await until(5_000, () => second.outcomes.length === 2, 'what was not known to be answered');
    assert.deepEqual(second.outcomes, [3, 4]);
    const { setsContinue, setsMade } = second.messages[0]!.welcome!;
    assert.deepEqual([setsContinue, setsMade], [true, 3]);
    const taken = await first.end();
    assert.deepEqual(taken.metadata.get('bridge-error'), ['ABORTED']);
    second.send({ ...sets(['once'], [3]), setSequence: 3 });
    assert.equal((await second.end()).code, status.INVALID_ARGUMENT);
    assert.equal(await client.set('once', 9), 5);
  });

  test('of a link id in another session are its own', async () => {
    await client.initSession('neighbour');
    const linkId = Buffer.alloc(16, 8);
    const mine = open().read();
    mine.hello({ ...sets(['fan'], [Math.random()]), setSequence: 1 }, { linkId });
    await until(5_000, () => mine.outcomes.length === 1, 'an outcome');
    const theirs = open().read();
    theirs.hello({}, { linkId, sessionId: 'neighbour' });
    await until(5_000, () => theirs.messages.length > 0, 'the welcome');
    assert.equal(theirs.messages[0]!.welcome!.setsContinue ?? false, false);
    mine.send({ setKinds: [1], setTargets: [0], setDoubles: [Math.random()], setSequence: 2 });
    await until(5_000, () => mine.outcomes.length === 2, 'another');
    const odd = open().read();
    odd.hello({}, { linkId: Buffer.alloc(3) });
    assert.equal((await odd.end()).code, status.INVALID_ARGUMENT);
  });

  test('of a client that does not take their outcomes wait', async () => {
    await client.register('unread', 0);
    const link = open();
    link.call.read(0);
    link.hello(sets(['unread'], [1]));
    const many = 20_000;
    const before = server.metrics().setsTotal;
    for (let message = 0; message < 100; message += 1) {
      link.send({
        setKinds: Array.from({ length: many }, () => 1),
        setTargets: Array.from({ length: many }, () => 0),
        setDoubles: Array.from({ length: many }, (_, place) => message * many + place + 2),
      });
    }
    await until(20_000, () => server.metrics().slowStreamsCut > 0 && server.metrics().links === 0, 'the cut');
    assert.ok(server.metrics().setsTotal - before < 100 * many, 'not all of them were made');
  });
});

test('a value that its client could not take ends the one watch', async () => {
  const link = open().read();
  link.hello(watch(1, ['text']), { maxBytes: 20_000 });
  link.send(watch(2, ['fan']));
  await link.when('registered 2');
  await client.call('SetVariable', { sessionId: 's', variableIdentifier: 'text', value: any('z'.repeat(30_000)) });
  await link.when('ended 1 8 MESSAGE_TOO_LARGE');
  const version = await client.set('fan', Math.random());
  await link.when(`change fan=${version} to 2`);
});

test('a client that could take no message is refused, and one that says the least or nothing is served', async () => {
  for (const maxBytes of [-1, 1, 1_023]) {
    const link = open().read();
    link.hello(watch(1, ['fan']), { maxBytes });
    const { code, details, metadata } = await link.end();
    assert.deepEqual([code, metadata.get('bridge-error')], [status.INVALID_ARGUMENT, ['INVALID_ARGUMENT']]);
    assert.match(details, new RegExp(`max_bytes ${maxBytes} `));
    assert.deepEqual(link.rows, []);
  }
  for (const maxBytes of [0, 1_024]) {
    const link = open().read();
    link.hello(watch(1, ['fan']), { maxBytes });
    await link.when('registered 1');
    const version = await client.set('fan', Math.random());
    await link.when(`change fan=${version} to 1`);
  }
});

test('a drained server ends its links with UNAVAILABLE, and takes no other', async () => {
  await using draining = await startBridgeServer({ port: 0 });
  const own = new PlainClient(draining.port);
  await own.initSession();
  await own.register('fan', 0);
  const link = new PlainLink(draining.port).read();
  link.hello(watch(1, ['fan']));
  await link.when('registered 1');
  await draining.drain();
  const { code, metadata } = await link.end();
  assert.deepEqual([code, metadata.get('bridge-error')], [status.UNAVAILABLE, ['UNAVAILABLE']]);
  const late = new PlainLink(draining.port).read();
  late.hello();
  assert.equal((await late.end()).code, status.UNAVAILABLE);
  assert.deepEqual([draining.metrics().streams, draining.metrics().observers], [0, 0]);
  for (const one of [link, late]) one.close();
  own.close();
});

test('a link needs the token of its session', async () => {
  await using closed = await startBridgeServer({ port: 0, tokens: [{ token: 'mine', sessions: ['s'] }] });
  const withToken = (token: string): Metadata => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    return metadata;
  };
  const ends = [];
  for (const [metadata, sessionId] of [
    [new Metadata(), 's'],
    [withToken('other'), 's'],
    [withToken('mine'), 'theirs'],
  ] as const) {
    const link = new PlainLink(closed.port, metadata).read();
    link.hello({}, { sessionId });
    ends.push((await link.end()).metadata.get('bridge-error')[0]);
    link.close();
  }
  assert.deepEqual(ends, ['UNAUTHENTICATED', 'UNAUTHENTICATED', 'PERMISSION_DENIED']);
});

describe('a message of many rows', () => {
  const many = 200_000;
  const column = <T>(of: (place: number) => T): T[] => Array.from({ length: many }, (_, place) => of(place));
  const rows = {
    watchFeeds: column((place) => place),
    watchFlags: column(() => 0),
    watchPatternCounts: column(() => 0),
  };
  const cases: Record<string, object> = {
    'watches that cannot be': { ...rows, watchIdentifierCounts: column(() => 0) },
    'one watch that waits for many names': {
      ...watch(
        1,
        column((place) => `n${place.toString(36)}`),
        WAIT,
      ),
    },
    sets: {
      setKinds: column((place) => (place === 0 ? 9 : 1)),
      setTargets: column(() => 0),
      setNames: ['fan'],
      setDoubles: column((place) => place),
    },
  };
  for (const [name, message] of Object.entries(cases)) {
    test(`${name}: others have their turn, and its client gets its answers`, async () => {
      const link = open().read();
      const done = until(
        30_000,
        () => link.outcomes.length === many || link.rows.length === many || link.rows.includes('registered 1'),
        'its answers',
      );
      link.hello(message);
      assert.ok((await answeredDuring(client, done)) > 10);
    });
  }
});

test('whatever bytes a client sends on a link, it ends or goes on, and the server serves others', async () => {
  const whole = snakepit.bridge.LinkUp.encode({ hello: { sessionId: 's' }, ...watch(1, ['fan'], INITIAL) }).finish();
  const changes = fc.array(fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(changes, fc.nat(whole.length), async (all, cut) => {
      const bytes = Uint8Array.from(whole);
      for (const { at, to } of all) bytes[at] = to;
      const link = new PlainLink(server.port).read();
      link.sendBytes(bytes.subarray(0, whole.length - cut));
      link.call.end();
      await link.end();
      link.close();
    }),
    { numRuns: 200 },
  );
  assert.ok((await client.set('fan', Math.random())) > 0);
});

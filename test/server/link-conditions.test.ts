/** Conditions that the server asks on a link, as any client of the contract sees them. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until } from '../support/deadline.js';
import { any, PlainClient } from './plain-client.js';
import type { Up } from './plain-link.js';
import { PlainLink, watch } from './plain-link.js';

let server: BridgeServer;
let client: PlainClient;
const links: PlainLink[] = [];
let names = 0;

before(async () => {
  server = await startBridgeServer({ port: 0, outboxLimit: 8 });
  client = new PlainClient(server.port);
  await client.initSession();
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
  const link = new PlainLink(server.port).read();
  links.push(link);
  return link;
}

async function fresh(value = 0): Promise<string> {
  names += 1;
  await client.register(`c${names}`, value);
  return `c${names}`;
}

async function idOf(variableIdentifier: string): Promise<string> {
  return (await client.call('GetVariable', { sessionId: 's', variableIdentifier })).variable!.id!;
}

async function setJson(variableIdentifier: string, text: string): Promise<void> {
  await client.call('SetVariable', {
    sessionId: 's',
    variableIdentifier,
    value: { ...any(0), value: Buffer.from(text) },
  });
}

const INITIAL = 1;
const WAIT = 4;
const MARK = 8;
const RESUMES = 16;
const CONDITION = 32;

const asking = (feed: number, identifiers: readonly string[], condition: unknown, flags = INITIAL): Up => ({
  ...watch(feed, identifiers, flags | CONDITION),
  watchConditions: [typeof condition === 'string' ? condition : JSON.stringify(condition)],
});

const updatesOf = (link: PlainLink): string[] => link.rows.filter((row) => / to \d+/.test(row));

describe('a watch with a condition', () => {
  test('is sent what the condition lets through, with the value before it where that was kept out', async () => {
    const name = await fresh(20);
    const link = open();
    link.hello(asking(1, [name], { crosses: 30 }));
    await link.when('registered 1');
    assert.equal(link.messages[0]?.welcome?.asksConditions, true);
    for (const value of [25, 29, 31, 40, 28, 35]) await client.set(name, value);
    await link.when(`change ${name}=7 to 1`);
    assert.deepEqual(updatesOf(link), [
      `initial ${name}=1 to 1`,
      `change ${name}=4 to 1 before 29`,
      `change ${name}=6 to 1 before 40`,
      `change ${name}=7 to 1`,
    ]);
    assert.equal(link.missed, 0);
  });

  test('shares its variable with watches that ask something else, or nothing', async () => {
    const name = await fresh();
    const link = open();
    link.hello(asking(1, [name], { gt: 5 }));
    link.send(asking(2, [name], { eq: 3 }));
    link.send(watch(3, [name]));
    await link.when('registered 3');
    for (const value of [3, 6]) await client.set(name, value);
    await link.when(`change ${name}=3 to 3`);
    assert.deepEqual(updatesOf(link).sort(), [
      `change ${name}=2 to 2`,
      `change ${name}=2 to 3`,
      `change ${name}=3 to 1 before 3`,
      `change ${name}=3 to 3`,
      `initial ${name}=1 to 1`,
      `initial ${name}=1 to 2`,
    ]);
  });

  test('is told of the registration and the deletion, whatever it asks', async () => {
    names += 1;
    const name = `c${names}`;
    const link = open();
    link.hello(asking(1, [name], { gt: 100 }, WAIT));
    await link.when('registered 1');
    await client.register(name, 1);
    await client.set(name, 2);
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: name });
    await link.when('ended 1 0');
    assert.deepEqual(updatesOf(link), [`change ${name}=1 to 1`, `deleted ${name}=3 to 1 before 2`]);
  });

  test('that is none, or too large, ends its watch alone and says what is wrong', async () => {
    const name = await fresh();
    const link = open();
    const parts = Array.from({ length: 600 }, () => ({ gt: 1 }));
    const bad = ['', '{', '{"regex":"^(a+)+$"}', '{"crosses":"1"}', { or: parts }, { eq: 'x'.repeat(20_000) }];
    link.hello();
    for (const [feed, condition] of bad.entries()) link.send(asking(feed + 1, [name], condition));
    link.send(asking(50, [name], { gt: 0 }));
    await link.when('registered 50');
    for (const feed of bad.keys())
      assert.ok(link.rows.includes(`ended ${feed + 1} 3 INVALID_ARGUMENT`), link.rows.join());
  });

  test('whose flag has no text is a message that does not fit', async () => {
    const link = open();
    link.hello({ ...watch(1, ['x'], CONDITION) });
    assert.equal((await link.end()).code, status.INVALID_ARGUMENT);
  });

  test('asks of integers with all their digits', async () => {
    names += 1;
    const name = `c${names}`;
    await client.register(name, 0, { type: 'integer' });
    const link = open();
    link.hello(asking(1, [name], '{"gt":9007199254740993}', 0));
    await link.when('registered 1');
    for (const text of ['9007199254740993', '9007199254740994']) await setJson(name, text);
    await link.when(`change ${name}=3 to 1 before payload`);
    assert.equal(updatesOf(link).length, 1);
  });
});

describe('what a condition kept out', () => {
  test('is said when the client asks, once a variable, whatever the number of its watches', async () => {
    const [a, b] = [await fresh(), await fresh()];
    const link = open();
    link.hello(asking(1, [a, b], { gt: 100 }));
    for (let feed = 2; feed <= 20; feed += 1) link.send(asking(feed, [a], { gt: 100 + feed }));
    await link.when('registered 20');
    for (let value = 1; value <= 9; value += 1) await client.set(a, value);
    await client.set(b, 1);
    link.send({ keptQuestion: 1 });
    await link.when('answer 1');
    const said = link.rows.filter((row) => row.startsWith('kept')).sort();
    assert.deepEqual(said, [`kept ${await idOf(a)} to 10`, `kept ${await idOf(b)} to 2`].sort());
    link.send({ keptQuestion: 2 });
    await link.when('answer 2');
    assert.equal(link.rows.filter((row) => row.startsWith('kept')).length, 2, 'nothing new');
  });

  test('is asked again of what a watch that returns is replayed, and what was kept out at last is said', async () => {
    const name = await fresh();
    const id = await idOf(name);
    for (const value of [1, 50, 2, 60, 3, 4]) await client.set(name, value);
    const link = open();
    link.hello({
      ...asking(1, [name], { gte: 50 }, MARK | RESUMES),
      resumeEpochs: [server.epoch],
      resumeCounts: [1],
      resumeIds: [id],
      resumeVersions: [2],
    });
    await link.when('synced 1');
    assert.deepEqual(updatesOf(link), [`change ${name}=3 to 1 before 1`, `change ${name}=5 to 1 before 2`]);
    link.send({ keptQuestion: 1 });
    await link.when('answer 1');
    assert.ok(link.rows.includes(`kept ${id} to 7`), link.rows.join());
    await client.set(name, 70);
    await link.when(`change ${name}=8 to 1 before 4`);
  });

  test('is not missed: versions of the outbox that were left out are, and the two are told apart', async () => {
    const [name, ballast] = [await fresh(), 'ballast'];
    await client.register(ballast, '', { type: 'string' });
    const link = new PlainLink(server.port);
    links.push(link);
    link.call.read(0);
    link.hello(watch(1, [ballast]));
    link.send(asking(2, [name], { gte: 100 }));
    await until(5_000, () => server.metrics().observers === 2, 'both are registered');
    const text = 'x'.repeat(400_000);
    // More than a client that does not read takes in.
    for (let n = 0; n < 30; n += 1) await setJson(ballast, JSON.stringify(`${text}${n}`));
    // Every third is let through: 134 of 400.
    for (let n = 0; n < 400; n += 1) await client.set(name, n % 3 === 0 ? 100 + n : n / 1_000 + 1);
    link.read();
    await until(5_000, () => updatesOf(link).some((row) => row.startsWith(`change ${name}=401 to 2`)), 'the last');
    const told = updatesOf(link).filter((row) => row.startsWith(`change ${name}`)).length;
    assert.equal(link.missedOf(2) + told, 134);
    assert.ok(link.missedOf(2) > 0, 'some were left out');
  });
});

test('10,000 watches of one variable with lines of their own: a change is sent to those whose line it crosses', async () => {
  const name = await fresh();
  const link = open();
  const up: Up = {
    watchFeeds: [],
    watchFlags: [],
    watchIdentifierCounts: [],
    watchIdentifiers: [],
    watchPatternCounts: [],
    watchConditions: [],
  };
  for (let feed = 1; feed <= 10_000; feed += 1) {
    up.watchFeeds!.push(feed);
    up.watchFlags!.push(CONDITION);
    up.watchIdentifierCounts!.push(1);
    up.watchIdentifiers!.push(name);
    up.watchPatternCounts!.push(0);
    up.watchConditions!.push(`{"crosses":${feed - 0.5}}`);
  }
  link.hello(up);
  await until(30_000, () => link.rows.includes('registered 10000'), 'all are registered');
  const { updatesSent } = server.metrics();
  await client.set(name, 3);
  // The first that a watch without an initial value is told says the value before it too.
  for (const feed of [1, 2, 3]) await link.when(`change ${name}=2 to ${feed} before 0`);
  await client.set(name, 3.25);
  await client.set(name, 2);
  await link.when(`change ${name}=4 to 3 before 3.25`);
  assert.equal(server.metrics().updatesSent - updatesSent, 4);
});

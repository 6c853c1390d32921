/** A client of a link that asks for fewer messages gets them, with every update, and waits for no answer. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until } from '../support/deadline.js';
import { PlainClient } from './plain-client.js';
import { PlainLink, watch } from './plain-link.js';

const INITIAL = 1;
const MARK = 8;
const INTEGER = 2;
const NAMED = 8;
const SPACING_MS = 100;

let server: BridgeServer;
let client: PlainClient;
const links: PlainLink[] = [];

before(async () => {
  server = await startBridgeServer({ port: 0 });
  client = new PlainClient(server.port);
  await client.initSession();
  for (const name of ['fan', 'first', 'second', 'third', 'own']) await client.register(name, 0, { type: 'integer' });
});

after(async () => {
  client.close();
  await server.close();
});

afterEach(async () => {
  for (const link of links.splice(0)) link.close();
  await until(5_000, () => server.metrics().streams + server.metrics().observers === 0, 'nothing is left');
});

async function watching(spacingMs: number, ...names: string[]): Promise<PlainLink> {
  const link = new PlainLink(server.port);
  links.push(link);
  link.read().hello({ ...watch(1, names, INITIAL | MARK), spacingMs });
  await link.when('synced 1');
  return link;
}

/** Those with an update. */
function messagesWithChanges(link: PlainLink): number {
  return link.messages.filter(({ revisions }) => (revisions?.length ?? 0) > 0).length;
}

test('updates that come one after another share messages, and none is left out', async () => {
  const spaced = await watching(SPACING_MS, 'fan');
  const prompt = await watching(0, 'fan');
  const before = [messagesWithChanges(spaced), messagesWithChanges(prompt)];
  let version = 0;
  for (let value = 1; value <= 50; value += 1) version = await client.set('fan', value);
  for (const link of [spaced, prompt]) {
    await link.when(`change fan=${version} to 1`);
    assert.equal(link.rows.filter((row) => row.startsWith('change fan=')).length, 50);
    assert.equal(link.missedOf(1), 0);
  }
  const [ofSpaced, ofPrompt] = [messagesWithChanges(spaced) - before[0]!, messagesWithChanges(prompt) - before[1]!];
  assert.ok(ofSpaced * 2 < ofPrompt, `${ofSpaced} messages with a spacing, ${ofPrompt} without`);
});

test('the first after a pause goes at once, and those behind it together', async () => {
  const link = await watching(SPACING_MS, 'first', 'second', 'third');
  // A pause: heartbeats and marks say nothing for longer than the spacing.
  await new Promise((resolve) => setTimeout(resolve, 2 * SPACING_MS));
  await client.set('first', 1);
  await link.when('change first=2 to 1');
  const atMs = performance.now();
  const messages = messagesWithChanges(link);
  await Promise.all([client.set('second', 1), client.set('third', 1)]);
  await link.when('change second=2 to 1');
  assert.ok(performance.now() - atMs > SPACING_MS / 2, 'the second was not held back');
  await link.when('change third=2 to 1');
  assert.equal(messagesWithChanges(link) - messages, 1);
});

test('an outcome of a set waits for no spacing, and takes along what does', async () => {
  const link = await watching(SPACING_MS, 'own');
  const count = 20;
  let quickestMs = Number.POSITIVE_INFINITY;
  for (let value = 1; value <= count; value += 1) {
    const atMs = performance.now();
    const kinds = value === 1 ? { setKinds: [INTEGER | NAMED], setNames: ['own'] } : { setKinds: [INTEGER] };
    link.send({ ...kinds, setTargets: [0], setIntegers: [value] });
    await until(5_000, () => link.outcomes.length === value, 'the outcome');
    quickestMs = Math.min(quickestMs, performance.now() - atMs);
    assert.equal(link.outcomes.at(-1), value + 1);
  }
  // Held back, each takes the spacing; a machine that is busy holds back some.
  assert.ok(quickestMs < SPACING_MS / 2, `the quickest outcome came after ${quickestMs} ms`);
  await link.when(`change own=${count + 1} to 1`);
});

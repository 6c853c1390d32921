/** Calls about names that are sent one behind the other without waiting for an answer: they are made in that order, whatever keeps them. */
import assert from 'node:assert/strict';
import type { PlainClient } from '../server/plain-client.js';

const ROUNDS = 20;

/** Leaves ROUNDS variables behind, `y1` and so on. */
export async function assertNamesInOrder(client: PlainClient): Promise<void> {
  const sets: Promise<number>[] = [];
  const others: Promise<unknown>[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    others.push(client.register('x', 0));
    sets.push(client.set('x', round));
    others.push(removed(client, 'x'));
  }
  // What names a variable that nobody has waits for all that is on its way: apart.
  assert.ok((await Promise.all(others)).every(Boolean));
  for (let round = 1; round <= ROUNDS; round += 1) {
    others.push(client.register(`y${round}`, 0));
    sets.push(client.set(`y${round}`, round));
  }
  assert.deepEqual(new Set(await Promise.all(sets)), new Set([2]));
  await Promise.all(others);
}

/** Whether it was there. */
export async function removed(client: PlainClient, variableIdentifier: string): Promise<boolean> {
  return (await client.call('DeleteVariable', { sessionId: 's', variableIdentifier })).success === true;
}

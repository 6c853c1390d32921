import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OpenCommand, SubscriptionOptions } from '../../../src/shared/port/commands.js';
import { addOpen, isPlainOpen, openAt, opensOf } from '../../../src/shared/port/opens.js';

test('watches of one name come out of their columns as they went in', () => {
  const commands = [open({ id: 1 }), open({ id: 2, subscription: 8, identifiers: ['pump'], handles: [2 ** 40] })];
  const opens = opensOf(commands[0]!);
  assert.equal(addOpen(opens, commands[1]!), true);
  assert.deepEqual(
    opens.ids.map((_, place) => openAt(opens, place)),
    commands,
  );
});

test('a watch of another state, or with other options, does not stand in the same columns', () => {
  const opens = opensOf(open({ id: 1 }));
  assert.equal(addOpen(opens, open({ id: 2, bridge: 2 })), false);
  assert.equal(addOpen(opens, open({ id: 3, options: { ...OPTIONS } })), false);
  assert.deepEqual(opens.ids, [1]);
});

test('what watches several names, a pattern, or goes on from somewhere stands in no columns', () => {
  assert.equal(isPlainOpen(open({ id: 1 })), true);
  const others: Partial<OpenCommand>[] = [
    { identifiers: ['fan', 'pump'], handles: [1, 2] },
    { identifiers: [], handles: [], patterns: ['room/*'] },
    { epoch: 'e' },
    { wasSynced: true },
    { resume: [undefined] },
  ];
  for (const other of others) assert.equal(isPlainOpen(open({ id: 1, ...other })), false, JSON.stringify(other));
});

const OPTIONS = { bufferLimit: 8 } as SubscriptionOptions;

function open(some: Partial<OpenCommand>): OpenCommand {
  return {
    kind: 'open',
    id: 0,
    bridge: 1,
    subscription: 7,
    identifiers: ['fan'],
    handles: [1],
    patterns: [],
    epoch: '',
    wasSynced: false,
    options: OPTIONS,
    resume: undefined,
    ...some,
  };
}

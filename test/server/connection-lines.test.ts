import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionLines } from '../../src/server/connection-lines.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('calls behind one that holds the line go on in their order, and those of other connections at once', async () => {
  const lines = new ConnectionLines();
  const done: string[] = [];
  const call = async (connection: string, name: string): Promise<void> => {
    for (let held = lines.heldBy(connection); held !== undefined; held = lines.heldBy(connection)) await held;
    done.push(name);
  };
  const release = lines.hold('a');
  assert.notEqual(lines.heldBy('a'), undefined);
  const calls = [call('a', 'first'), call('a', 'second'), call('b', 'other')];
  await turn();
  assert.deepEqual(done, ['other']);
  release();
  await Promise.all(calls);
  assert.deepEqual(done, ['other', 'first', 'second']);
  assert.equal(lines.isEmpty, true);
});

test('one that holds the line in its turn is waited for by those behind it', async () => {
  const lines = new ConnectionLines();
  const done: string[] = [];
  const release = lines.hold('a');
  const large = (async () => {
    for (let held = lines.heldBy('a'); held !== undefined; held = lines.heldBy('a')) await held;
    const releaseOwn = lines.hold('a');
    await turn();
    await turn();
    done.push('large');
    releaseOwn();
  })();
  const behind = (async () => {
    for (let held = lines.heldBy('a'); held !== undefined; held = lines.heldBy('a')) await held;
    done.push('behind');
  })();
  release();
  await Promise.all([large, behind]);
  assert.deepEqual(done, ['large', 'behind']);
});

test('a line held twice is free when both have let go', async () => {
  const lines = new ConnectionLines();
  const [first, second] = [lines.hold('a'), lines.hold('a')];
  second();
  await turn();
  assert.notEqual(lines.heldBy('a'), undefined);
  first();
  await turn();
  assert.equal(lines.isEmpty, true);
});

test('reads wait together, and neither a change goes past them nor a read past a change that waits', async () => {
  const lines = new ConnectionLines();
  const done: string[] = [];
  const call = async (name: string, isRead: boolean, when: Promise<void>): Promise<void> => {
    await lines.whenFree('a', isRead, async () => {
      const release = lines.hold('a', isRead);
      await when;
      done.push(name);
      release();
    });
  };
  const gates = Array.from({ length: 2 }, () => {
    let open: () => void = () => undefined;
    const whenOpen = new Promise<void>((resolve) => {
      open = resolve;
    });
    return { open, whenOpen };
  });
  const [first, second] = gates as [(typeof gates)[0], (typeof gates)[0]];
  const calls = [
    call('read 1', true, first.whenOpen),
    call('read 2', true, Promise.resolve()),
    call('change', false, second.whenOpen),
    call('read 3', true, Promise.resolve()),
  ];
  await turn();
  assert.deepEqual(done, ['read 2']);
  first.open();
  await turn();
  assert.deepEqual(done, ['read 2', 'read 1']);
  second.open();
  await Promise.all(calls);
  assert.deepEqual(done, ['read 2', 'read 1', 'change', 'read 3']);
  assert.equal(lines.isEmpty, true);
});

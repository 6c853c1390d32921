import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import { LinkSetWriter } from '../../../src/shared/wire/link-set-writer.js';
import type { QueuedSet } from '../../../src/workers/calls/set-queue.js';
import { SetQueue } from '../../../src/workers/calls/set-queue.js';

let queue: SetQueue;
let told: string[];

beforeEach(() => {
  queue = new SetQueue(new Uint8Array(16));
  told = [];
});

function push(identifier: string, deadlineMs = 1_000, batchLeft = 1): void {
  const set: QueuedSet = {
    ...{ identifier, value: 1, source: '', metadata: EMPTY_METADATA, expectedVersion: 0, deadlineMs, isOver: false },
    ...{ batchLeft, isFollowed: batchLeft > 1 },
    settle: (version) => told.push(`${identifier}=${version}`),
    fail: ({ code }) => told.push(`${identifier} ${code}`),
    reroute: () => told.push(`${identifier} rerouted`),
    expire: ({ code }) => told.push(`${identifier} ${code}, still to come`),
    end: () => told.push(`${identifier} ended`),
  };
  queue.push(set);
}

const send = (bytes = 1_000): number => queue.write(new LinkSetWriter(), bytes);

describe('the queue of sets', () => {
  test('settles them in the order in which they were sent', () => {
    for (const name of ['a', 'b', 'c', 'd']) push(name);
    send();
    assert.equal(queue.hasWaiting, false);
    assert.ok(queue.handleDone(5));
    assert.ok(queue.handleRefused('CONSTRAINT_VIOLATION', 'no'));
    assert.ok(queue.handleDone(7));
    assert.ok(queue.handleDone(8));
    assert.deepEqual(told, ['a=5', 'b CONSTRAINT_VIOLATION', 'c=7', 'd=8']);
    assert.equal(queue.handleDone(8), false);
    assert.equal(queue.handleRefused('INTERNAL', ''), false);
  });

  test('of a link that broke sends again what the server has not, under its number, and waits for the outcomes of the rest', () => {
    for (const name of ['a', 'b', 'c', 'd']) push(name);
    assert.equal(send(), 1);
    queue.handleDone(5);
    queue.handleBreak();
    push('e');
    assert.equal(queue.before().setsAnswered, 1);
    assert.equal(send(), 5, 'nothing goes before the welcome');
    assert.ok(queue.hasWaiting);
    queue.handleWelcome({ setsContinue: true, setsMade: 2, setsLost: 0 });
    assert.equal(send(), 3);
    for (const version of [6, 7, 8, 9]) assert.ok(queue.handleDone(version));
    assert.deepEqual(told, ['a=5', 'b=6', 'c=7', 'd=8', 'e=9']);
  });

  test('keeps what met the end of its session for the next link, before all that came behind it', () => {
    for (const name of ['a', 'b', 'c', 'd']) push(name);
    assert.equal(send(), 1);
    queue.handleDone(5);
    queue.handleRefused('SESSION_NOT_FOUND', 'no');
    push('e');
    assert.equal(queue.hasWaiting, false, 'nothing goes by this link any more');
    assert.equal(queue.size, 4);
    queue.handleBreak(true);
    assert.deepEqual([queue.hasUnanswered, queue.before().setsAnswered], [false, 4], 'no number is given twice');
    queue.handleWelcome({ setsContinue: false, setsMade: 0, setsLost: 0 });
    assert.equal(send(), 5);
    for (const version of [6, 7, 8, 9]) assert.ok(queue.handleDone(version));
    assert.deepEqual(told, ['a=5', 'b=6', 'c=7', 'd=8', 'e=9']);
  });

  test('tells what met the end of its session that its time is up when no link comes', () => {
    for (const name of ['a', 'b']) push(name, 100);
    send();
    queue.handleRefused('SESSION_NOT_FOUND', 'no');
    assert.equal(queue.nextDeadlineMs, 100);
    queue.handleDeadline(100);
    assert.deepEqual(told, ['b UNKNOWN_OUTCOME, still to come', 'a UNAVAILABLE']);
    queue.handleBreak(true);
    assert.deepEqual([told.at(-1), queue.size], ['b ended', 0]);
  });

  test('leaves unknown what the server has forgotten, and all that was sent where it knows nothing of the link before', () => {
    for (const name of ['a', 'b', 'c']) push(name);
    send();
    queue.handleBreak();
    queue.handleWelcome({ setsContinue: true, setsMade: 2, setsLost: 1 });
    assert.deepEqual(told, ['a UNKNOWN_OUTCOME']);
    assert.equal(send(), 3);
    queue.handleBreak();
    push('d');
    queue.handleWelcome({ setsContinue: false, setsMade: 0, setsLost: 0 });
    assert.deepEqual(told, ['a UNKNOWN_OUTCOME', 'b UNKNOWN_OUTCOME', 'c UNKNOWN_OUTCOME']);
    assert.equal(send(), 4);
    assert.ok(queue.handleDone(1));
    assert.equal(told.at(-1), 'd=1');
  });

  test('asks for nothing that nobody waits for any more when the next link begins, and gives its number to no other', () => {
    push('a', 100);
    push('b', 900);
    send();
    queue.handleBreak();
    queue.handleDeadline(100);
    assert.equal(queue.before().setsAnswered, 1);
    assert.deepEqual(told, ['a UNKNOWN_OUTCOME, still to come']);
    queue.handleWelcome({ setsContinue: true, setsMade: 0, setsLost: 0 });
    assert.equal(told.at(-1), 'a ended');
    assert.equal(send(), 2);
    assert.ok(queue.handleDone(4));
    assert.equal(told.at(-1), 'b=4');
    assert.equal(queue.size, 0);
  });

  test('sends again what was over too late to say so, and what a hello said that no server heard is said again', () => {
    for (const [name, deadlineMs] of Object.entries({ a: 100, b: 200, c: 900 })) push(name, deadlineMs);
    send();
    queue.handleBreak();
    queue.handleDeadline(100);
    assert.equal(queue.before().setsAnswered, 1);
    queue.handleBreak();
    assert.equal(queue.before().setsAnswered, 1);
    queue.handleDeadline(200);
    queue.handleWelcome({ setsContinue: true, setsMade: 0, setsLost: 0 });
    assert.equal(send(), 2);
    assert.ok(queue.handleDone(4));
    assert.ok(queue.handleDone(5));
    assert.deepEqual(told.slice(2), ['a ended', 'b ended', 'c=5']);
  });

  test('is answered by no link what was not sent on it', () => {
    push('a');
    send();
    queue.handleBreak();
    queue.handleWelcome({ setsContinue: true, setsMade: 0, setsLost: 0 });
    assert.ok(queue.hasWaiting);
    assert.equal(queue.handleDone(1), false);
    assert.equal(send(), 1);
    assert.ok(queue.handleDone(1));
  });

  test('tells those that were sent when no link will', () => {
    push('a');
    send();
    push('b');
    queue.failSent();
    assert.deepEqual(told, ['a UNKNOWN_OUTCOME']);
    assert.ok(queue.hasWaiting);
  });

  test('fails at their deadline: what was sent as unknown, what was not as unavailable; the outcome that comes later ends it', () => {
    push('a', 100);
    push('b', 300);
    send();
    push('c', 100);
    assert.equal(queue.nextDeadlineMs, 100);
    queue.handleDeadline(100);
    assert.deepEqual(told, ['a UNKNOWN_OUTCOME, still to come', 'c UNAVAILABLE']);
    assert.equal(queue.nextDeadlineMs, 300);
    assert.equal(queue.overSinceMs, 100);
    assert.ok(queue.handleDone(1));
    assert.equal(queue.overSinceMs, undefined);
    assert.ok(queue.handleDone(2));
    assert.deepEqual(told.slice(2), ['a ended', 'b=2']);
    assert.equal(queue.nextDeadlineMs, undefined);
  });

  test('gives out an atomic batch as a whole, also when it does not fit the message or is sent again', () => {
    push('before');
    for (let left = 500; left > 0; left -= 1) push(`b${left}`, 1_000, left);
    push('behind');
    const writer = new LinkSetWriter();
    assert.equal(queue.write(writer, 10), 1);
    assert.equal(queue.takeWaiting().length, 501, 'one fills the message');
    for (let left = 500; left > 0; left -= 1) push(`b${left}`, 1_000, left);
    push('behind');
    queue.write(new LinkSetWriter(), 10);
    queue.handleBreak();
    queue.handleWelcome({ setsContinue: true, setsMade: 1, setsLost: 0 });
    assert.ok(queue.handleDone(1));
    assert.equal(queue.write(new LinkSetWriter(), 10), 2);
    for (let made = 0; made < 500; made += 1) assert.ok(queue.handleDone(1));
    assert.equal(queue.handleDone(1), false);
    assert.equal(told.length, 501);
    for (let left = 8_000; left > 0; left -= 1) push('', 1_000, left);
    for (let left = 200; left > 0; left -= 1) push('', 1_000, left);
    queue.write(new LinkSetWriter(), 1e9);
    assert.equal(queue.takeWaiting().length, 200, 'as many as may be unanswered');
  });

  test('refuses at once what the next server takes in no message, and a set that it refuses has the number', () => {
    push('a');
    for (let left = 100; left > 0; left -= 1) push(`b${left}`, 1_000, left);
    push('c');
    assert.equal(queue.write(new LinkSetWriter(), 1e6, 1e6), 1);
    for (let left = 100; left > 0; left -= 1) push(`d${left}`, 1_000, left);
    push('e');
    queue.handleBreak();
    queue.handleWelcome({ setsContinue: true, setsMade: 0, setsLost: 0 });
    assert.equal(queue.write(new LinkSetWriter(), 500, 1_000), 1);
    const refused = Array.from({ length: 100 }, (_, n) => `b${n + 1} MESSAGE_TOO_LARGE, still to come`);
    assert.deepEqual([...told].sort(), [...refused].sort());
    // Behind another break, at a server that takes all of it, it is not made either.
    queue.handleBreak();
    queue.handleWelcome({ setsContinue: true, setsMade: 1, setsLost: 0 });
    told = [];
    assert.ok(queue.handleDone(1));
    const writer = new LinkSetWriter();
    assert.equal(queue.write(writer, 1e6, 1e6), 2);
    for (let left = 100; left > 0; left -= 1) assert.ok(queue.handleRefused('INVALID_VALUE', ''));
    assert.ok(queue.handleDone(2));
    assert.deepEqual(told.slice(-1), ['c=2']);
    assert.equal(told.filter((word) => word.endsWith(' ended')).length, 100);
    assert.equal(told.length, 102);
  });

  test('refuses what waits and is too large by now without a number', () => {
    push('a');
    queue.write(new LinkSetWriter(), 1e6, 1e6);
    for (let left = 100; left > 0; left -= 1) push(`b${left}`, 1_000, left);
    push('c');
    assert.equal(queue.write(new LinkSetWriter(), 500, 1_000), 2);
    assert.equal(told.filter((word) => word.endsWith(' MESSAGE_TOO_LARGE')).length, 100);
    assert.ok(queue.handleDone(1));
    assert.ok(queue.handleDone(2));
    assert.deepEqual(told.slice(-2), ['a=1', 'c=2']);
  });

  test('gives out no more than a message takes, and no more than may be unanswered', () => {
    for (let count = 0; count < 20_000; count += 1) push(`v${count}`);
    const writer = new LinkSetWriter();
    queue.write(writer, 500);
    assert.ok(writer.size < 600);
    queue.write(new LinkSetWriter(), 1e9);
    assert.equal(queue.takeWaiting().length, 20_000 - 8_192);
    assert.equal(queue.size, 8_192);
  });
});

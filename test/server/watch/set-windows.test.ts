import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeftWindows } from '../../../src/server/watch/left-windows.js';
import type { WindowOwner } from '../../../src/server/watch/set-windows.js';
import { KEPT_MS, SetWindows } from '../../../src/server/watch/set-windows.js';
import type { Deadline, DeadlineSchedule } from '../../../src/shared/timer-wheel.js';

class Schedule implements DeadlineSchedule {
  readonly #due = new Map<Deadline, number>();
  schedule(deadline: Deadline, atMs: number): void {
    this.#due.set(deadline, atMs);
  }
  cancel(deadline: Deadline): void {
    this.#due.delete(deadline);
  }
  advance(nowMs: number): void {
    for (const [deadline, atMs] of [...this.#due]) {
      if (atMs > nowMs) continue;
      this.#due.delete(deadline);
      void deadline.handleDeadline(nowMs);
    }
  }
}

class Link implements WindowOwner {
  isTakenOver = false;
  handleTakenOver(): void {
    this.isTakenOver = true;
  }
}

test('a client that comes back in time goes on with its window, and a link of it that still stands is ended', () => {
  const wheel = new Schedule();
  const windows = new SetWindows(wheel, new LeftWindows());
  const [first, second, third] = [new Link(), new Link(), new Link()];
  const { window, continues } = windows.take('a', first);
  assert.equal(continues, false);
  assert.deepEqual(windows.take('a', second), { window, continues: true });
  assert.deepEqual([first.isTakenOver, second.isTakenOver], [true, false]);
  windows.leave('a', first, 0);
  windows.leave('a', second, 100);
  wheel.advance(100 + KEPT_MS - 60);
  assert.equal(windows.take('a', third).continues, true);
  windows.leave('a', third, 70_000);
  wheel.advance(70_000 + KEPT_MS + 100);
  assert.equal(windows.take('a', first).continues, false);
  windows.close();
  assert.equal(windows.size, 0);
});

test('many clients that came and went make room for others', () => {
  const windows = new SetWindows(new Schedule(), new LeftWindows());
  for (let count = 0; count < 3_000; count += 1) {
    const link = new Link();
    windows.take(String(count), link);
    windows.leave(String(count), link, 0);
  }
  assert.ok(windows.size <= 1_024);
  assert.equal(windows.take('2999', new Link()).continues, true);
  assert.equal(windows.take('0', new Link()).continues, false);
});

test('windows that were left hold what their clients may ask for, and those of all sessions together so much at most', () => {
  const left = new LeftWindows(150_000);
  const [one, other] = [new SetWindows(new Schedule(), left), new SetWindows(new Schedule(), left)];
  const leave = (windows: SetWindows, id: string, answered: number): void => {
    const link = new Link();
    const { window } = windows.take(id, link);
    for (let count = 0; count < 8_000; count += 1) window.handleDone(1);
    window.handleAnswered(answered);
    windows.leave(id, link, 0);
  };
  for (let count = 0; count < 100; count += 1) leave(one, `read ${count}`, 8_000);
  assert.equal(one.size, 100, 'what was answered is not held');
  leave(one, 'first', 0);
  leave(other, 'second', 0);
  const back = new Link();
  assert.equal(one.take('first', back).continues, true);
  leave(other, 'third', 0);
  leave(other, 'fourth', 0);
  assert.equal(other.take('second', new Link()).continues, false, 'it was left before the others');
  assert.equal(other.take('fourth', new Link()).continues, true);
  assert.equal(one.take('first', new Link()).continues, true, 'a link that stands keeps its own');
});

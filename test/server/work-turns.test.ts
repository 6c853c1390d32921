import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventLoop } from '../../src/server/work-turns.js';
import { WorkTurns } from '../../src/server/work-turns.js';

class VirtualLoop implements EventLoop {
  timeMs = 0;
  turns = 0;
  #later: (() => void)[] = [];

  nowMs(): number {
    return this.timeMs;
  }

  later(run: () => void): void {
    this.#later.push(run);
  }

  /** Turns until nothing is scheduled. */
  async run(): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const due = this.#later;
      if (due.length === 0) return;
      this.#later = [];
      this.turns += 1;
      this.worst = Math.max(this.worst, this.timeMs - this.#turnBegan);
      this.#turnBegan = this.timeMs;
      for (const run of due) run();
    }
  }

  worst = 0;
  #turnBegan = 0;
}

/** A millisecond for every thousand steps, as a microsecond each says. */
async function work(loop: VirtualLoop, turns: WorkTurns, steps: number, done: string[] = [], name = ''): Promise<void> {
  const budget = turns.begin();
  for (let step = 0; step < steps; step += 1) {
    loop.timeMs += 0.001;
    const rest = budget.spend(1);
    if (rest !== undefined) await rest;
  }
  done.push(name);
}

test('a short piece of work is done at once', async () => {
  const loop = new VirtualLoop();
  let isDone = false;
  void work(loop, new WorkTurns(loop), 1_000).then(() => {
    isDone = true;
  });
  await Promise.resolve();
  assert.equal(isDone, true);
});

test('many large requests together hold a turn of the loop no longer than one', async () => {
  const loop = new VirtualLoop();
  const turns = new WorkTurns(loop);
  const done: string[] = [];
  for (let index = 0; index < 20; index += 1) void work(loop, turns, 100_000, done);
  await loop.run();
  assert.equal(done.length, 20);
  // 5 ms, and what each does before it looks at the clock for the first time.
  assert.ok(loop.worst < 5 + 20 * 0.2, `${loop.worst} ms`);
  assert.ok(loop.turns >= 390, `${loop.turns} turns`);
});

test('a request that begins goes before those that have had turns', async () => {
  const loop = new VirtualLoop();
  const turns = new WorkTurns(loop);
  const done: string[] = [];
  for (let index = 0; index < 5; index += 1) void work(loop, turns, 50_000, done, 'large');
  void work(loop, turns, 1_000, done, 'small');
  await loop.run();
  assert.equal(done[0], 'small');
  assert.equal(done.length, 6);
});

test('what was waiting goes on when the one before it ends without asking again', async () => {
  const loop = new VirtualLoop();
  const turns = new WorkTurns(loop);
  const done: string[] = [];
  for (const steps of [5_100, 5_050, 5_200]) void work(loop, turns, steps, done, String(steps));
  await loop.run();
  assert.equal(done.length, 3);
});

test('what cannot be divided has a turn that nobody else works in', async () => {
  const loop = new VirtualLoop();
  const turns = new WorkTurns(loop);
  const done: string[] = [];
  const whole = async (): Promise<void> => {
    await work(loop, turns, 3_000, done, 'its beginning');
    await turns.begin().ownTurn(40_000);
    loop.timeMs += 40;
    done.push('whole');
  };
  void whole();
  void whole();
  void work(loop, turns, 20_000, done, 'large');
  await loop.run();
  assert.equal(done.length, 5);
  assert.ok(loop.worst < 40.5, `${loop.worst} ms`);
});

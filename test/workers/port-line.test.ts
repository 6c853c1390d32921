import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Update } from '../../src/shared/delivery/update.js';
import { MORE, UpdateRecord } from '../../src/shared/delivery/update.js';
import type { Reply } from '../../src/shared/port/replies.js';
import type { LaneRoom, PortQueueOptions } from '../../src/workers/port-line.js';
import { PortLine, PortQueue } from '../../src/workers/port-line.js';

/** A lane whose reader takes what the test lets it take. */
class Lane implements LaneRoom {
  readonly credits: number;
  readonly written: UpdateRecord[] = [];
  read = 0;

  constructor(credits: number) {
    this.credits = credits;
  }

  hasRoom(records: number): boolean {
    return this.credits - (this.written.length - this.read) >= records;
  }

  append(update: Update): void {
    assert.ok(this.hasRoom(1), 'no update crosses without credit');
    this.written.push(new UpdateRecord().assign(update));
  }
}

const OPTIONS: PortQueueOptions = { bufferLimit: 1_024, overflow: 'conflate', atomic: false, priority: 'normal' };

function lineOf(credits: number): { lane: Lane; line: PortLine; replies: Reply[] } {
  const lane = new Lane(credits);
  const replies: Reply[] = [];
  return { lane, line: new PortLine(lane, (reply) => replies.push(reply)), replies };
}

const updateOf = (handle: number, version: number, fields: Partial<UpdateRecord> = {}): UpdateRecord =>
  Object.assign(new UpdateRecord(), { handle, version, revision: version, ...fields });
const reply = (id: number): Reply => ({ kind: 'answer', id, result: undefined });
const written = ({ written }: Lane) => written.map(({ handle, version, missed }) => [handle, version, missed]);

describe('a queue', () => {
  test('that is idle is passed by, one that holds something is not, although there is room again', () => {
    const { lane, line } = lineOf(1);
    const queue = new PortQueue(OPTIONS);
    line.offer(queue, updateOf(1, 1));
    line.offer(queue, updateOf(1, 2));
    lane.read = 1;
    line.offer(queue, updateOf(1, 3));
    assert.deepEqual(written(lane).slice(0, 2), [
      [1, 1, 0],
      [1, 2, 0],
    ]);
  });

  test('that dropped its oldest tells it with the next update, also when its ring is empty by then', () => {
    const { lane, line } = lineOf(1);
    const queue = new PortQueue({ ...OPTIONS, overflow: 'drop-oldest', bufferLimit: 1 });
    line.offer(queue, updateOf(9, 1));
    line.offer(queue, updateOf(1, 2));
    line.offer(queue, updateOf(2, 1));
    lane.read = 1;
    line.drain();
    lane.read = 2;
    line.offer(queue, updateOf(1, 3));
    assert.deepEqual(written(lane), [
      [9, 1, 0],
      [2, 1, 0],
      [1, 3, 1],
    ]);
  });

  test('that was dropped gives and tells nothing more', () => {
    const { lane, line, replies } = lineOf(1);
    const queue = new PortQueue(OPTIONS);
    line.offer(queue, updateOf(1, 1));
    line.offer(queue, updateOf(1, 2));
    line.replyAfter(queue, reply(1));
    line.drop(queue);
    lane.read = 1;
    line.drain();
    assert.deepEqual([lane.written.length, replies.length, line.awaitsRoom], [1, 0, false]);
  });

  test('from which handles were taken out gives the others only', () => {
    const { lane, line } = lineOf(1);
    const queue = new PortQueue(OPTIONS);
    for (const [handle, version] of [
      [1, 1],
      [1, 2],
      [2, 1],
      [1, 3],
    ] as const)
      line.offer(queue, updateOf(handle, version));
    line.remove(queue, new Set([1]));
    lane.read = 1;
    line.drain();
    assert.deepEqual(written(lane), [
      [1, 1, 0],
      [2, 1, 0],
    ]);
  });
});

describe('queues of different priority', () => {
  const queueOf = (priority: PortQueueOptions['priority']) => new PortQueue({ ...OPTIONS, priority });

  test('are given room by it: urgent, normal, background, whoever waited first', () => {
    const { lane, line } = lineOf(1);
    const [background, normal, urgent] = [queueOf('background'), queueOf('normal'), queueOf('urgent')];
    for (const version of [1, 2])
      for (const [handle, queue] of [background, normal, urgent].entries())
        line.offer(queue, updateOf(handle, version));
    while (line.awaitsRoom) {
      lane.read = lane.written.length;
      line.drain();
    }
    assert.deepEqual(
      written(lane).map(([handle]) => handle),
      [0, 2, 2, 1, 1, 0],
    );
  });

  test('do not pass by one that outranks them and waits, though they are idle and there is room', () => {
    const { lane, line } = lineOf(1);
    const [urgent, normal] = [queueOf('urgent'), queueOf('normal')];
    line.offer(urgent, updateOf(1, 1));
    line.offer(urgent, updateOf(1, 2));
    lane.read = 1;
    line.offer(normal, updateOf(2, 1));
    assert.equal(lane.written.length, 1);
    line.drain();
    lane.read = 2;
    line.drain();
    assert.deepEqual(written(lane), [
      [1, 1, 0],
      [1, 2, 0],
      [2, 1, 0],
    ]);
  });

  test('and of low priority go at least once in 18 drains for each of their rank that waits, although urgent ones take all there is', () => {
    const { lane, line } = lineOf(2);
    const urgent = queueOf('urgent');
    const lower = [queueOf('background'), queueOf('background'), queueOf('normal'), queueOf('normal')];
    let version = 0;
    const urge = () => {
      for (let n = 0; n < 4; n += 1) {
        version += 1;
        line.offer(urgent, updateOf(0, version));
      }
    };
    urge();
    for (const [place, queue] of lower.entries())
      for (let n = 1; n <= 50; n += 1) line.offer(queue, updateOf(place + 1, n));
    for (let drains = 0; drains < 18 * 2; drains += 1) {
      lane.read = lane.written.length;
      line.drain();
      urge();
    }
    const told = new Set(lane.written.map(({ handle }) => handle));
    assert.deepEqual([...told].sort(), [0, 1, 2, 3, 4]);
    assert.ok(lane.written.filter(({ handle }) => handle === 0).length > 36, 'most of the room is the urgent one’s');
  });

  test('each keep their order and their books, whatever comes and goes', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constant('offer' as const), place: fc.nat(3) }),
      fc.record({ what: fc.constant('read' as const), place: fc.nat(4) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 120 }), (credits, steps) => {
        const { lane, line } = lineOf(credits);
        const queues = (['urgent', 'normal', 'normal', 'background'] as const).map((priority) => {
          return new PortQueue({ ...OPTIONS, bufferLimit: 2, priority });
        });
        const versions = [0, 0, 0, 0];
        for (const { what, place } of steps) {
          if (what === 'offer') {
            versions[place]! += 1;
            line.offer(queues[place]!, updateOf(place, versions[place]!));
            continue;
          }
          lane.read = Math.min(lane.written.length, lane.read + place);
          line.drain();
        }
        for (let n = 0; n < 200 && line.awaitsRoom; n += 1) {
          lane.read = lane.written.length;
          line.drain();
        }
        const told = [0, 0, 0, 0];
        for (const { handle, version, missed } of lane.written) {
          assert.equal(version, told[handle]! + 1 + missed);
          told[handle] = version;
        }
        assert.deepEqual(told, versions);
      }),
    );
  });
});

describe('a reply that may not overtake updates', () => {
  test('comes when they are across, and at once when none waits', () => {
    const { lane, line, replies } = lineOf(1);
    const queue = new PortQueue(OPTIONS);
    line.replyAfter(queue, reply(1));
    line.offer(queue, updateOf(1, 1));
    line.offer(queue, updateOf(1, 2));
    line.replyAfter(queue, reply(2));
    assert.deepEqual(replies, [reply(1)]);
    lane.read = 1;
    line.drain();
    assert.deepEqual(replies, [reply(1), reply(2)]);
  });

  test('does not wait for a group that nobody will complete, and nothing of that group is told', () => {
    const { lane, line, replies } = lineOf(8);
    const queue = new PortQueue({ ...OPTIONS, atomic: true });
    line.offer(queue, updateOf(1, 5, { flags: MORE }));
    line.offer(queue, updateOf(2, 5, { flags: MORE }));
    line.replyAfter(queue, reply(1));
    line.drain();
    assert.deepEqual([lane.written.length, replies], [0, [reply(1)]]);
  });
});

describe('an atomic queue with overflow error', () => {
  test('takes in a group that it has begun, however large, and refuses the next when it is full', () => {
    const { lane, line } = lineOf(4);
    const queue = new PortQueue({ ...OPTIONS, atomic: true, overflow: 'error', bufferLimit: 2 });
    const offer = (version: number) =>
      [1, 2, 3].map((handle) => line.offer(queue, updateOf(handle, version, { flags: handle < 3 ? MORE : 0 })));
    assert.deepEqual(offer(1), [true, true, true]);
    assert.equal(lane.written.length, 3);
    assert.deepEqual(offer(2), [true, true, true]);
    assert.equal(lane.written.length, 3);
    assert.equal(offer(3)[0], false);
  });
});

describe('an atomic queue', () => {
  /** What a main thread that holds groups knows after each of its turns. */
  const statesOf = (lane: Lane): Map<number, number>[] => {
    const known = new Map<number, number>();
    const states: Map<number, number>[] = [];
    let group: UpdateRecord[] = [];
    for (const update of lane.written) {
      group.push(update);
      if ((update.flags & MORE) !== 0) continue;
      for (const { handle, revision } of group) known.set(handle, revision);
      group = [];
      states.push(new Map(known));
    }
    return states;
  };

  test('never shows a part of a batch, however small lane and buffer are and whatever overflows', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom<'conflate' | 'drop-oldest'>('conflate', 'drop-oldest'),
        fc.array(fc.integer({ min: -8, max: 5 }), { maxLength: 60 }),
        (credits, bufferLimit, overflow, steps) => {
          const { lane, line } = lineOf(credits);
          const queue = new PortQueue({ ...OPTIONS, bufferLimit, overflow, atomic: true });
          let revision = 0;
          const turnEnds: number[] = [];
          const drainedAll = () => {
            // The reader takes what is there, in one turn.
            lane.read = lane.written.length;
            turnEnds.push(lane.read);
            line.drain();
          };
          for (const step of steps) {
            if (step < 0) {
              drainedAll();
              continue;
            }
            revision += 1;
            // Batches of all five variables, so that every state that is shown has to be one of them.
            for (let handle = 1; handle <= 5; handle += 1) {
              line.offer(queue, updateOf(handle, revision, { revision, flags: handle < 5 ? MORE : 0 }));
            }
          }
          for (let turns = 0; turns < 5 * steps.length + 5; turns += 1) drainedAll();
          assert.equal(queue.size, 0);
          const shown = statesOf(lane).filter((_, place, all) => isTurnEnd(lane, turnEnds, place, all.length));
          for (const state of shown) assert.ok(new Set(state.values()).size <= 1, `torn: ${[...state]}`);
          if (revision > 0) assert.ok([...shown.at(-1)!.values()].every((last) => last === revision));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

/** Whether the reader's turn ends behind the n-th update that closes a group. */
function isTurnEnd(lane: Lane, turnEnds: readonly number[], place: number, _total: number): boolean {
  let closed = -1;
  for (const [at, { flags }] of lane.written.entries()) {
    if ((flags & MORE) !== 0) continue;
    closed += 1;
    if (closed === place) {
      // The next update that a turn ends behind: nothing more comes in this turn when it is this one, or only parts of an open group.
      const end = turnEnds.find((turnEnd) => turnEnd > at);
      if (end === undefined) return true;
      return lane.written.slice(at + 1, end).every((later) => (later.flags & MORE) !== 0);
    }
  }
  return false;
}

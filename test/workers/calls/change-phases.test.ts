import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PhasedChange, Way } from '../../../src/workers/calls/change-phases.js';
import { ChangePhases } from '../../../src/workers/calls/change-phases.js';

function change(way: Way, start: () => void, deadlineMs = 0, handleTooLate: () => unknown = assert.fail): PhasedChange {
  return { way, deadlineMs, start, handleTooLate: () => void handleTooLate() };
}

describe('the phases of changes', () => {
  test('start those of one way together, and never beside one of the other; those whose time is up do not start', () => {
    const way = fc.constantFrom<Way>('call', 'link');
    const step = fc.tuple(way, fc.boolean(), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const phases = new ChangePhases();
        const running = new Map<number, Way>();
        const started: number[] = [];
        const late: number[] = [];
        const endFirst = (): void => {
          const [first] = running.keys();
          if (first === undefined) return;
          running.delete(first);
          phases.handleEnd();
        };
        for (const [place, [one, endsOthers, isTimeUp]] of steps.entries()) {
          const start = (): void => {
            started.push(place);
            running.set(place, one);
            assert.equal(new Set(running.values()).size, 1);
          };
          phases.push(change(one, start, place, () => void late.push(place)));
          if (isTimeUp) phases.handleDeadline(place - 3);
          if (endsOthers) endFirst();
        }
        while (running.size > 0) endFirst();
        assert.deepEqual(
          started,
          [...started].sort((a, b) => a - b),
          'in order',
        );
        const all = [...started, ...late].sort((a, b) => a - b);
        assert.deepEqual(all, [...steps.keys()], 'each once');
        assert.equal(phases.waiting, 0);
      }),
    );
  });

  test('go on when a change ends as it starts', () => {
    const phases = new ChangePhases();
    const started: string[] = [];
    phases.push(change('link', () => started.push('link')));
    for (const name of ['a', 'b']) {
      const start = (): void => {
        started.push(name);
        phases.handleEnd();
      };
      phases.push(change('call', start));
    }
    phases.push(change('link', () => started.push('last')));
    assert.equal(phases.waiting, 3);
    phases.handleEnd();
    assert.deepEqual(started, ['link', 'a', 'b', 'last']);
  });

  test('tell those that wait when their time is up', () => {
    const phases = new ChangePhases();
    const late: number[] = [];
    phases.push(change('link', () => undefined));
    for (const deadlineMs of [10, 10, 30]) {
      phases.push(
        change(
          'call',
          () => undefined,
          deadlineMs,
          () => late.push(deadlineMs),
        ),
      );
    }
    assert.equal(phases.nextDeadlineMs, 10);
    phases.handleDeadline(20);
    assert.deepEqual([late, phases.nextDeadlineMs], [[10, 10], 30]);
    phases.handleEnd();
    assert.equal(phases.nextDeadlineMs, undefined);
  });
});

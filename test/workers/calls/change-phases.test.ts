import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Way } from '../../../src/workers/calls/change-phases.js';
import { ChangePhases } from '../../../src/workers/calls/change-phases.js';

describe('the phases of changes', () => {
  test('start those of one way together, and never beside one of the other', async () => {
    const way = fc.constantFrom<Way>('call', 'link');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(way, fc.boolean()), { maxLength: 30 }), async (steps) => {
        const phases = new ChangePhases();
        const running = new Map<number, Way>();
        const started: number[] = [];
        for (const [place, [one, endsOthers]] of steps.entries()) {
          phases.push(one, () => {
            started.push(place);
            running.set(place, one);
            assert.equal(new Set(running.values()).size, 1);
          });
          if (!endsOthers) continue;
          const [first] = running.keys();
          if (first === undefined) continue;
          running.delete(first);
          phases.handleEnd();
        }
        while (running.size > 0) {
          const [first] = running.keys();
          running.delete(first!);
          phases.handleEnd();
        }
        await phases.whenIdle();
        assert.deepEqual(started, [...steps.keys()], 'each once, in order');
        assert.equal(phases.waiting, 0);
      }),
    );
  });

  test('go on when a change ends as it starts', async () => {
    const phases = new ChangePhases();
    const started: string[] = [];
    phases.push('link', () => started.push('link'));
    for (const name of ['a', 'b']) {
      phases.push('call', () => {
        started.push(name);
        phases.handleEnd();
      });
    }
    phases.push('link', () => started.push('last'));
    assert.equal(phases.waiting, 3);
    phases.handleEnd();
    assert.deepEqual(started, ['link', 'a', 'b', 'last']);
    phases.handleEnd();
    await phases.whenIdle();
  });
});

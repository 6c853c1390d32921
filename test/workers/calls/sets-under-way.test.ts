import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Round } from '../../../src/workers/calls/sets-under-way.js';
import { SetsUnderWay } from '../../../src/workers/calls/sets-under-way.js';

describe('sets under way', () => {
  test('let a call start when the last that was begun before it has ended, whatever their order, and no later', () => {
    const step = fc.oneof(fc.constant('set' as const), fc.constant('call' as const), fc.nat(9));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const sets = new SetsUnderWay();
        const open = new Map<number, Round>();
        const waiting = new Map<number, number[]>();
        const check = (): void => {
          for (const [call, before] of waiting) {
            assert.ok(
              before.some((set) => open.has(set)),
              `call ${call} has nothing to wait for`,
            );
          }
        };
        const end = (place: number): void => {
          const set = [...open.keys()][place % open.size];
          if (set === undefined) return;
          const round = open.get(set)!;
          open.delete(set);
          sets.handleEnd(round);
        };
        for (const [place, one] of steps.entries()) {
          if (one === 'set') open.set(place, sets.handleStart());
          else if (one === 'call') {
            const before = [...open.keys()];
            waiting.set(place, before);
            sets.startBehind(() => {
              assert.ok(
                before.every((set) => !open.has(set)),
                `call ${place} overtook a set`,
              );
              waiting.delete(place);
            });
          } else end(one);
          check();
        }
        while (open.size > 0) {
          end(0);
          check();
        }
        assert.equal(waiting.size, 0);
      }),
    );
  });

  test('go on when what starts begins and ends others', () => {
    const sets = new SetsUnderWay();
    const first = sets.handleStart();
    const started: string[] = [];
    sets.startBehind(() => {
      const own = sets.handleStart();
      sets.startBehind(() => started.push('behind its own'));
      sets.handleEnd(own);
      started.push('call');
    });
    sets.startBehind(() => started.push('next'));
    sets.handleEnd(first);
    assert.deepEqual(started, ['behind its own', 'call', 'next']);
    sets.startBehind(() => started.push('last'));
    assert.equal(started.at(-1), 'last');
  });
});

/** `priority`: who is told first within a turn. */
import assert from 'node:assert/strict';
import { queueMicrotask } from '../../shared/platform-timers.js';
import { until } from '../within.js';
import type { Promised } from './contract-test.js';

const PRIORITIES = ['background', 'normal', 'urgent'] as const;

export function describePriorities(promise: Promised): void {
  for (const batch of [false, true])
    promise(
      `within a turn urgent watches are told before normal ones, and those before the background${batch ? ', arrays too' : ''}`,
      async (contract) => {
        const { provider } = contract;
        await contract.floats({ x: 0, y: 0 });
        /** The ranks of each turn's calls: nothing comes between the calls of one. */
        const turns: number[][] = [];
        let isInTurn = false;
        const told = (priority: (typeof PRIORITIES)[number]): boolean => {
          if (!isInTurn) {
            isInTurn = true;
            turns.push([]);
            queueMicrotask(() => {
              isInTurn = false;
            });
          }
          turns.at(-1)!.push(PRIORITIES.length - PRIORITIES.indexOf(priority));
          return true;
        };
        const recordings = await Promise.all(
          PRIORITIES.map((priority) => {
            const options = { priority, filter: () => told(priority) };
            return batch ? contract.recordBatches(['x', 'y'], options) : contract.record(['x', 'y'], options);
          }),
        );
        for (let round = 1; round <= 5; round += 1)
          await Promise.all(
            [1, 2, 3].flatMap((n) => [provider.setVariable('x', 10 * round + n), provider.setVariable('y', n)]),
          );
        await until(
          () => recordings.every(({ calls }) => calls.some(({ newValue }) => newValue === 53)),
          'the last value',
        );
        for (const turn of turns) assert.deepEqual(turn, [...turn].sort(), 'no lower rank goes before a higher one');
        for (const recording of recordings)
          recording.checkChained({ x: { value: 0, version: 1 }, y: { value: 0, version: 1 } });
      },
    );

  promise('a watch of any priority keeps its order and its revisions, and is told everything', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0 });
    const recordings = await Promise.all(
      PRIORITIES.map((priority) => contract.record(['x', 'y'], { priority, atomic: true })),
    );
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => provider.updateVariables({ x: n + 1, y: -n - 1 }, { atomic: true })),
    );
    for (const recording of recordings) {
      const calls = await recording.take(100);
      recording.checkChained({ x: { value: 0, version: 1 }, y: { value: 0, version: 1 } });
      const revisions = calls.map(({ metadata }) => metadata.revision);
      assert.deepEqual(
        revisions,
        [...revisions].sort((a, b) => a - b),
      );
    }
  });

  promise('a deletion ends a background watch behind its last call', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    let toldBeforeEnd: number | undefined;
    await contract.record('x', { priority: 'urgent' });
    const recording = await contract.record('x', {
      priority: 'background',
      onState: (state) => {
        if (state === 'stopped') toldBeforeEnd = recording.calls.length;
      },
    });
    void provider.setVariable('x', 1);
    await provider.deleteVariable('x');
    await until(() => toldBeforeEnd !== undefined, 'the end of the watch');
    assert.deepEqual(
      recording.calls.map(({ metadata }) => metadata.deleted),
      [undefined, 'deleted'],
    );
    assert.equal(toldBeforeEnd, 2);
  });
}

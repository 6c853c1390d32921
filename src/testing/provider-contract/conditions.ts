/** Conditions as data give what the same filters as functions give, wherever they are asked. */
import assert from 'node:assert/strict';
import type { Condition } from '../../shared/delivery/condition.js';
import type { VariableInput, VariableType, VariableValue } from '../../shared/values/variable-type.js';
import { until } from '../within.js';
import type { ContractTest, Promised } from './contract-test.js';
import { infoOf, pairsOf } from './recording.js';

type FilterFunction = (old: VariableValue | undefined, now: VariableValue) => boolean;

const TEMPERATURES = [
  20.5,
  22,
  21.5,
  30,
  30.5,
  29.5,
  31,
  10,
  10.999,
  12,
  -40,
  30,
  Number.NaN,
  30,
  Number.POSITIVE_INFINITY,
  29,
];

const NUMBER_CASES: readonly (readonly [Condition, (old: number, now: number) => boolean])[] = [
  [{ changedBy: 1 }, (old, now) => changed(old, now) >= 1],
  [{ changedBy: 0 }, () => true],
  [{ crosses: 30 }, (old, now) => old < 30 !== now < 30],
  [{ gt: 30 }, (_, now) => now > 30],
  [{ gte: 30 }, (_, now) => now >= 30],
  [{ lt: 12 }, (_, now) => now < 12],
  [{ lte: 12 }, (_, now) => now <= 12],
  [{ eq: 30 }, (_, now) => now === 30],
  [{ in: [22, 31, 'a'] }, (_, now) => now === 22 || now === 31],
  [{ and: [{ gt: 11 }, { lt: 30 }] }, (_, now) => now > 11 && now < 30],
  [{ or: [{ gt: 30 }, { lt: 0 }] }, (_, now) => now > 30 || now < 0],
  [{ not: { changedBy: 1 } }, (old, now) => changed(old, now) < 1],
  [
    { and: [{ not: { lt: 0 } }, { or: [{ crosses: 30 }, { changedBy: 10 }] }] },
    (old, now) => !(now < 0) && (old < 30 !== now < 30 || changed(old, now) >= 10),
  ],
  [{ gt: 'a' }, () => false],
];

const OTHER_CASES: readonly (readonly [VariableType, readonly VariableInput[], Condition, FilterFunction])[] = [
  ['string', ['a', 'b', 'c', 'a', 'd'], { gte: 'b' }, (_, now) => now >= 'b'],
  ['string', ['a', 'b', 'c', 'a', 'd'], { in: ['a', 'd'] }, (_, now) => now === 'a' || now === 'd'],
  ['boolean', [true, false, true, false], { eq: true }, (_, now) => now === true],
  [
    'integer',
    [1, 2n ** 60n, 2n ** 60n + 1n, 2, 5],
    { changedBy: 2 },
    (old, now) => absolute(BigInt(now as number) - BigInt(old as number)) >= 2n,
  ],
  ['integer', [1, 2n ** 60n, 2n ** 60n + 1n, 2], { gt: 2n ** 60n }, (_, now) => (now as number) > 2n ** 60n],
  ['list', [[1], [2], [1], [3]], { eq: [1] }, (_, now) => (now as number[])[0] === 1],
  ['map', [{ a: 1 }, { a: 2 }, { a: 1, b: 1 }], { not: { eq: { a: 2 } } }, (_, now) => (now as { a: number }).a !== 2],
];

export function describeConditions(promise: Promised): void {
  promise(
    '{ changedBy: 1 } lets 20 to 20.5 pass silently, and 20.5 to 22.0 through with old 20.5',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ temperature: 20 });
      const recording = await contract.record('temperature', { filter: { changedBy: 1 } });
      await provider.setVariable('temperature', 20.5);
      await provider.setVariable('temperature', 22);
      const call = await recording.next();
      assert.deepEqual(pairsOf([call]), [[20.5, 22]]);
      assert.deepEqual([call.metadata.version, call.metadata.missed], [3, 0], 'filtered is not missed');
    },
  );

  for (const [condition, filter] of NUMBER_CASES) {
    promise(`${JSON.stringify(condition)} tells the same as a function, with the same old and new`, (contract) =>
      compare(contract, 'float', 20, TEMPERATURES, condition, (old, now) => filter(old as number, now as number)),
    );
  }

  for (const [type, values, condition, filter] of OTHER_CASES) {
    const text = JSON.stringify(condition, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
    const first = { string: 'zz', boolean: false, integer: 0, list: [], map: {} }[type as string] as VariableInput;
    promise(`${text} on a ${type} tells the same as a function`, (contract) =>
      compare(contract, type, first, values, condition, filter),
    );
  }

  promise('with includeInitial the first change is compared with the initial value', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 20 });
    const recording = await contract.record('x', { filter: { changedBy: 5 }, includeInitial: true });
    await provider.setVariable('x', 22);
    await provider.setVariable('x', 26);
    await provider.setVariable('x', 31);
    assert.deepEqual(pairsOf(await recording.take(2)), [
      [undefined, 20],
      [26, 31],
    ]);
  });

  promise('updates that a condition lets pass silently are counted as filtered', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x', { filter: { in: [10, 20] } });
    for (let n = 1; n <= 20; n += 1) await provider.setVariable('x', n);
    await recording.take(2);
    await until(
      async () => (await infoOf(provider, recording.watch)).stats.updatesReceived === 20,
      'all 20 are received',
    );
    const { stats } = await infoOf(provider, recording.watch);
    assert.deepEqual([stats.updatesDelivered, stats.updatesFiltered, stats.updatesMissed], [2, 18, 0]);
  });

  promise('an object given as condition may be changed afterwards without effect', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const condition = { gt: 5 };
    const recording = await contract.record('x', { filter: condition });
    condition.gt = 100;
    await provider.setVariable('x', 6);
    assert.equal((await recording.next()).newValue, 6);
  });
}

/** A deletion passes every filter: it is the last call of both. */
async function compare(
  contract: ContractTest,
  type: VariableType,
  first: VariableInput,
  values: readonly VariableInput[],
  condition: Condition,
  filter: FilterFunction,
): Promise<void> {
  const { provider } = contract;
  await provider.registerVariable('x', type, first);
  const asData = await contract.record('x', { filter: condition });
  const asFunction = await contract.record('x', { filter });
  for (const value of values) await provider.setVariable('x', value);
  await provider.deleteVariable('x');
  const [data, expected] = [asData, asFunction].map((recording) =>
    recording.takeUntil(({ metadata }) => metadata.deleted !== undefined, 'the deletion'),
  );
  const seen = (await data!).map(({ oldValue, newValue, metadata }) => [
    oldValue,
    newValue,
    metadata.version,
    metadata.missed,
  ]);
  const wanted = (await expected!).map(({ oldValue, newValue, metadata }) => [
    oldValue,
    newValue,
    metadata.version,
    metadata.missed,
  ]);
  assert.deepEqual(seen, wanted);
}

function changed(old: number, now: number): number {
  const by = Math.abs(now - old);
  return Number.isNaN(by) ? Number.POSITIVE_INFINITY : by;
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}

import { ConditionIndex } from '../../src/server/watch/condition-index.js';
import type { Condition } from '../../src/shared/delivery/condition.js';
import { meets } from '../../src/shared/delivery/condition.js';
import { conditionText, parseCondition } from '../../src/shared/delivery/condition-text.js';
import type { Kernel } from './kernel.js';
import { repeat } from './kernel.js';

export function conditionKernels(): Kernel[] {
  const changedBy: Condition = { changedBy: 1 };
  const joined: Condition = { and: [{ gte: 10 }, { lt: 500 }, { not: { eq: 42 } }] };
  const all = lines(10_000);
  const index = new ConditionIndex<Condition>();
  for (const line of all) index.add(parseCondition(conditionText(line)!), line);
  let told = 0;
  const tell = (): void => {
    told += 1;
  };
  return [
    repeat('condition: changedBy', (value) => meets(changedBy, value, value * 1.5)),
    repeat('condition: and of three', (value) => meets(joined, value, value * 1.5)),
    repeat('condition: one of 10,000 lines is crossed, by index', (value) => {
      index.forEachConcerned(value, value + 1, tell);
      return told;
    }),
    repeat('condition: none of 10,000 lines is crossed, by index', (value) => {
      index.forEachConcerned(value + 0.6, value + 0.7, tell);
      return told;
    }),
  ];
}

function lines(count: number): Condition[] {
  return Array.from({ length: count }, (_, place) => ({ crosses: place + 0.5 }));
}

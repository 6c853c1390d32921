import type { Condition } from '../../src/shared/delivery/condition.js';
import { meets } from '../../src/shared/delivery/condition.js';
import type { Kernel } from './kernel.js';
import { repeat } from './kernel.js';

export function conditionKernels(): Kernel[] {
  const changedBy: Condition = { changedBy: 1 };
  const joined: Condition = { and: [{ gte: 10 }, { lt: 500 }, { not: { eq: 42 } }] };
  return [
    repeat('condition: changedBy', (index) => meets(changedBy, index, index * 1.5)),
    repeat('condition: and of three', (index) => meets(joined, index, index * 1.5)),
  ];
}

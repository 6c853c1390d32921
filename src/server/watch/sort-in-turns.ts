/** Sorts many, in turns that are left to others: runs are sorted at once, then merged. As stable as the sort of an array. */
import type { Work } from '../work-turns.js';

export async function sortInTurns<T>(items: T[], compare: (a: T, b: T) => number, work: Work): Promise<T[]> {
  if (items.length <= RUN_ITEMS) return items.sort(compare);
  let from: T[] = [];
  for (let start = 0; start < items.length; start += RUN_ITEMS) {
    for (const item of items.slice(start, start + RUN_ITEMS).sort(compare)) from.push(item);
    const rest = work.spend(RUN_STEPS);
    if (rest !== undefined) await rest;
  }
  for (let width = RUN_ITEMS; width < from.length; width *= 2) {
    const to: T[] = [];
    for (let start = 0; start < from.length; start += 2 * width) {
      let left = start;
      let right = Math.min(start + width, from.length);
      const leftEnd = right;
      const rightEnd = Math.min(start + 2 * width, from.length);
      while (left < leftEnd || right < rightEnd) {
        const takesLeft = right >= rightEnd || (left < leftEnd && compare(from[left]!, from[right]!) <= 0);
        to.push(takesLeft ? from[left]! : from[right]!);
        if (takesLeft) left += 1;
        else right += 1;
        if (to.length % ITEMS_A_STEP !== 0) continue;
        const rest = work.spend(1);
        if (rest !== undefined) await rest;
      }
    }
    from = to;
  }
  return from;
}

const RUN_ITEMS = 1_024;
const RUN_STEPS = 200;
/** Merging one takes about 50 ns. */
const ITEMS_A_STEP = 16;

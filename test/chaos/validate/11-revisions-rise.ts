/** Promise 11: over the changes of one stream, within one life of the server, revisions never go back. */
import type { WatchRecord } from '../history/history.js';
import type { Truth } from './truth.js';
import type { Violation } from './violation.js';

export function revisionsRise(watch: WatchRecord, truth: Truth): Violation[] {
  const { isOneStream, isRateLimited } = watch.traits;
  const isChanged = watch.entries.some(({ kind }) => kind === 'adding');
  if (!isOneStream || isRateLimited || isChanged) return [];
  const violations: Violation[] = [];
  const last = new Map<number, number>();
  for (const entry of watch.entries) {
    if (entry.kind !== 'call' || entry.initial || entry.deleted !== undefined) continue;
    const epoch = truth.epochOf(entry.variableId);
    if (epoch === undefined) continue;
    const before = last.get(epoch);
    if (before !== undefined && entry.revision < before) {
      violations.push({
        rule: '11-revisions-rise',
        sentence: `watch ${watch.label}, "${entry.identifier}", version ${entry.version}: revision ${entry.revision} after ${before}`,
      });
    }
    last.set(epoch, Math.max(before ?? 0, entry.revision));
  }
  return violations;
}

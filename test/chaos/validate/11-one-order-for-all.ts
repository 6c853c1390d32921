/** Promise 11: a change has one revision, whichever server told it to whom. */
import type { History } from '../history/history.js';
import type { Violation } from './violation.js';

export function oneOrderForAll(history: History): Violation[] {
  const violations: Violation[] = [];
  const revisions = new Map<string, { readonly revision: number; readonly label: string }>();
  for (const { label, traits, entries } of history.watches) {
    if (traits.isRateLimited) continue;
    for (const entry of entries) {
      // Of the present value when a watch begins or begins anew, it is the revision that it was read at.
      if (entry.kind !== 'call' || entry.initial || entry.resync || entry.missed > 0 || entry.deleted !== undefined)
        continue;
      const change = `${entry.variableId}@${entry.version}`;
      const other = revisions.get(change);
      if (other === undefined) revisions.set(change, { revision: entry.revision, label });
      else if (other.revision !== entry.revision) {
        const sentence = `${change} is revision ${other.revision} says watch ${other.label}, and ${entry.revision} says ${label}`;
        violations.push({ rule: '11-one-order-for-all', sentence });
      }
    }
  }
  return violations;
}

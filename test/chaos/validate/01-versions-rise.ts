/** Promise 1: per watch and variable, versions of one life rise strictly. */
import { placeOf, type Stretch } from './stretch.js';
import type { Violation } from './violation.js';

export function versionsRise(stretch: Stretch): Violation[] {
  const last = new Map<string, number>();
  const violations: Violation[] = [];
  for (const { variableId, version } of stretch.calls) {
    const before = last.get(variableId);
    if (before !== undefined && version <= before) {
      violations.push({
        rule: '01-versions-rise',
        sentence: `${placeOf(stretch)}: version ${version} of ${variableId} after version ${before}`,
      });
    }
    last.set(variableId, version);
  }
  return violations;
}

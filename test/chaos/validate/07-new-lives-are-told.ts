/** Promise 7: a new life of a variable begins with `resync`, and after `deleted` nothing comes. */
import { placeOf, type Stretch } from './stretch.js';
import type { Violation } from './violation.js';

export function newLivesAreTold(stretch: Stretch): Violation[] {
  const violations: Violation[] = [];
  const seen = new Set<string>();
  let last: string | undefined;
  let deletedAt: number | undefined;
  for (const { variableId, version, resync, deleted } of stretch.calls) {
    const at = `${placeOf(stretch)}, version ${version} of ${variableId}`;
    if (deletedAt !== undefined) violations.push({ rule: RULE, sentence: `${at}: after it was told as deleted` });
    if (last !== undefined && variableId !== last) {
      if (!resync) violations.push({ rule: RULE, sentence: `${at}: a life after ${last} begins without resync` });
      if (seen.has(variableId)) violations.push({ rule: RULE, sentence: `${at}: a life that was over already` });
    }
    seen.add(variableId);
    last = variableId;
    if (deleted !== undefined) deletedAt = version;
  }
  return violations;
}

const RULE = '07-new-lives-are-told';

/** Promise 2: each version is delivered, or `missed` of the next one counts it, exactly. */
import type { CallEntry } from '../history/history.js';
import { getsAll, placeOf, type Stretch } from './stretch.js';
import type { Truth } from './truth.js';
import type { Violation } from './violation.js';

export function missedIsExact(stretch: Stretch, truth: Truth): Violation[] {
  const violations: Violation[] = [];
  const isExact = getsAll(stretch);
  let before: CallEntry | undefined;
  for (const call of stretch.calls) {
    const skipped = skippedBefore(call, before, truth, isExact);
    before = call;
    if (skipped === undefined) continue;
    const { versions, isLowerBound } = skipped;
    // What a filter or a rate limit kept out was skipped too, and is not missed.
    const fits = isLowerBound
      ? !isExact || call.missed >= versions
      : isExact
        ? call.missed === versions
        : call.missed <= versions;
    if (fits) continue;
    violations.push({
      rule: '02-missed-is-exact',
      sentence: `${placeOf(stretch)}: version ${call.version} says missed ${call.missed}, ${versions} were skipped (${skipped.since})`,
    });
  }
  return violations;
}

interface Skipped {
  readonly versions: number;
  /** More may be told: of the life before, that waited when the new one came. */
  readonly isLowerBound: boolean;
  readonly since: string;
}

/** Versions between what the watch knew and this call; undefined when nobody can say what it knew. */
function skippedBefore(
  call: CallEntry,
  before: CallEntry | undefined,
  truth: Truth,
  isExact: boolean,
): Skipped | undefined {
  const { version, variableId } = call;
  if (before !== undefined) {
    if (before.variableId === variableId) {
      return { versions: version - before.version - 1, isLowerBound: false, since: `since version ${before.version}` };
    }
    return { versions: version - 1, isLowerBound: true, since: 'a new life' };
  }
  if (call.initial) return undefined;
  if (call.old === undefined) {
    // Nothing was there at registration; a variable that came and went unseen is told by its deletion alone.
    return call.deleted === undefined && !call.resync
      ? { versions: version - 1, isLowerBound: false, since: 'since it was registered' }
      : undefined;
  }
  // A filter may have kept that one out, and what was missed before it is told by this call.
  if (!isExact) return undefined;
  const known = truth.versionOf(variableId, call.old);
  if (known === undefined) return undefined;
  return { versions: version - known - 1, isLowerBound: false, since: `since version ${known}, its old value` };
}

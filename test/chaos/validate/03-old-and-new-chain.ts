/** Promise 3: each call's old value is what this watch saw last. A value that a filter kept out counts as seen. */
import type { Tag } from '../history/value-tag.js';
import { placeOf, type Stretch } from './stretch.js';
import { isSame, said, type Truth } from './truth.js';
import type { Violation } from './violation.js';

export function oldAndNewChain(stretch: Stretch, truth: Truth): Violation[] {
  const { filter, isRateLimited } = stretch.watch.traits;
  if (filter === 'none') return chainOfCalls(stretch);
  if (isRateLimited) return [];
  return filter === 'condition' ? stepsBefore(stretch, truth) : chainOfFilter(stretch);
}

function chainOfCalls(stretch: Stretch): Violation[] {
  const violations: Violation[] = [];
  let last: Tag | undefined;
  let isFirst = true;
  for (const { initial, old, now, version } of stretch.calls) {
    const expected = initial ? undefined : last;
    if ((initial || !isFirst) && !isSame(old, expected)) {
      violations.push(broken(stretch, version, old, expected));
    }
    last = now;
    isFirst = false;
  }
  return violations;
}

/** A condition keeps values out where nobody sees it: with nothing missed, the old value is the version right before. */
function stepsBefore(stretch: Stretch, truth: Truth): Violation[] {
  return stretch.calls.flatMap(({ initial, resync, missed, old, version, variableId }) => {
    if (initial || resync || missed > 0 || old === undefined) return [];
    const known = truth.versionOf(variableId, old);
    if (known === undefined || known === version - 1) return [];
    return [{ rule: RULE, sentence: `${placeOf(stretch)}: the old value of version ${version} is version ${known}` }];
  });
}

/** The filter is asked for each update, but those that it cannot keep out. */
function chainOfFilter(stretch: Stretch): Violation[] {
  const { watch, variable, identifier } = stretch;
  const isWatchedTwice = [...watch.identifiers.values()].filter((other) => other === variable).length > 1;
  const isRemoved = watch.entries.some(({ kind }) => kind === 'removing');
  if (watch.traits.form === 'iterator' || isWatchedTwice || isRemoved) return [];
  const violations: Violation[] = [];
  let last: Tag | undefined;
  let isFirst = true;
  for (const entry of watch.entries) {
    if (entry.kind !== 'filter' && entry.kind !== 'call') continue;
    if (entry.kind === 'call' && entry.identifier !== identifier) continue;
    if (entry.kind === 'filter' && entry.now?.variable !== variable) continue;
    const wasAsked = entry.kind === 'call' && !entry.initial && !entry.resync && entry.deleted === undefined;
    if (wasAsked) continue;
    const isInitial = entry.kind === 'call' && entry.initial;
    if (!isFirst && !isInitial && !isSame(entry.old, last)) {
      violations.push(broken(stretch, entry.kind === 'call' ? entry.version : 0, entry.old, last));
    }
    last = entry.now;
    // What is asked for again under the name of one that went has a baseline that only the watch saw.
    isFirst = entry.kind === 'call' && entry.deleted !== undefined;
  }
  return violations;
}

function broken(stretch: Stretch, version: number, old: Tag | undefined, expected: Tag | undefined): Violation {
  const sentence = `${placeOf(stretch)}: the old value of version ${version} is ${old ? said(old) : 'nothing'}, it saw ${expected ? said(expected) : 'nothing'} last`;
  return { rule: RULE, sentence };
}

const RULE = '03-old-and-new-chain';

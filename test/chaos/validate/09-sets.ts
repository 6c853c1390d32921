/** Promise 9: what was acknowledged is in the state, what was refused is not, and the sets of one state keep the order of its calls. */
import type { History, PresentVariable, SetRecord } from '../history/history.js';
import { isSame, said, type Truth } from './truth.js';
import type { Violation } from './violation.js';

export function sets(history: History, truth: Truth): Violation[] {
  return [
    ...acknowledgedAreThere(history, truth),
    ...refusedAreNot(history, truth),
    ...orderOfCalls(history, truth),
    ...expectedVersions(history),
    ...outcomesAreFound(history),
  ];
}

/** Of a life that goes on: each acknowledged version is at or before the present one, and is what it was said to be while it is kept. */
function acknowledgedAreThere(history: History, truth: Truth): Violation[] {
  const { quiet } = history;
  if (quiet === undefined) return [];
  return quiet.variables.flatMap((held) => {
    const life = truth.lifeOf(held.id);
    if (life?.endMs === undefined) return [];
    const bornMs = life.endMs;
    return history.sets
      .filter(({ tag, startMs, endMs, version }) => {
        const isOfIt = tag.session === held.session && tag.variable === held.variable;
        return (
          isOfIt &&
          !truth.isRepeated(tag) &&
          version !== undefined &&
          startMs > bornMs &&
          endMs !== undefined &&
          endMs < quiet.atMs
        );
      })
      .filter((set) => !isIn(held, set))
      .map((set) => lost(set, held));
  });
}

function isIn({ version, kept }: PresentVariable, set: SetRecord): boolean {
  if (set.version! > version) return false;
  const entry = kept.find((one) => one.version === set.version);
  return entry === undefined ? kept.length === 0 || set.version! < kept[0]!.version : isSame(entry.tag, set.tag);
}

function lost({ tag, version }: SetRecord, held: PresentVariable): Violation {
  const sentence = `the set of ${said(tag)} was acknowledged as version ${version}, and ${held.id} at version ${held.version} does not have it`;
  return { rule: RULE, sentence };
}

function refusedAreNot(history: History, truth: Truth): Violation[] {
  return history.sets.flatMap(({ tag, error }) => {
    if (error === undefined || truth.isRepeated(tag) || MAY_BE_MADE.has(error)) return [];
    const claim = truth.claimOf(tag);
    if (claim === undefined) return [];
    return [
      { rule: RULE, sentence: `the set of ${said(tag)} failed with ${error}, and is ${claim.id}@${claim.version}` },
    ];
  });
}

function orderOfCalls(history: History, truth: Truth): Violation[] {
  const violations: Violation[] = [];
  const last = new Map<string, { readonly tag: SetRecord['tag']; readonly version: number }>();
  for (const { tag, setter, isByLink, error } of history.sets.toSorted((a, b) => a.startMs - b.startMs)) {
    // A call that was on its way to a server when its connection was given up.
    if (!isByLink && error === 'UNKNOWN_OUTCOME') continue;
    const claim = truth.isRepeated(tag) ? undefined : truth.claimOf(tag);
    if (claim === undefined) continue;
    const place = `${setter} ${tag.session}/${tag.variable} ${claim.id}`;
    const before = last.get(place);
    if (before !== undefined && before.version > claim.version) {
      const sentence = `${setter} set ${said(before.tag)} before ${said(tag)}, and they are versions ${before.version} and ${claim.version}`;
      violations.push({ rule: RULE, sentence });
    }
    last.set(place, { tag, version: claim.version });
  }
  return violations;
}

function expectedVersions(history: History): Violation[] {
  return history.sets.flatMap(({ tag, expectedVersion, version, isRepeat }) => {
    if (expectedVersion === undefined || version === undefined) return [];
    if (version === expectedVersion + 1 || (isRepeat && version === expectedVersion)) return [];
    return [
      { rule: RULE, sentence: `the set of ${said(tag)} expected version ${expectedVersion} and made ${version}` },
    ];
  });
}

/** What a server has done that goes the next one knows: only a set whose time is up may not hear of it. But a full disk keeps no link that begins. */
function outcomesAreFound({ sets: all, isGapless, servers, faults, callTimeoutMs }: History): Violation[] {
  if (!isGapless || (servers === 1 && faults.some(({ kind }) => kind === 'fill-engine'))) return [];
  return all.flatMap(({ tag, isByLink, error, startMs, endMs }) => {
    if (!isByLink || error !== 'UNKNOWN_OUTCOME' || endMs === undefined) return [];
    const tookMs = endMs - startMs;
    if (tookMs > callTimeoutMs - CLOCK_MS) return [];
    return [{ rule: RULE, sentence: `what became of the set of ${said(tag)} was lost after ${tookMs.toFixed(0)} ms` }];
  });
}

const RULE = '09-sets';
/** Deadlines are looked at now and then. */
const CLOCK_MS = 100;
/** After these nobody knows. */
const MAY_BE_MADE = new Set(['UNKNOWN_OUTCOME', 'UNSETTLED']);

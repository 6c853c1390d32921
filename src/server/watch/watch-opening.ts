/**
 * What a watch is sent before its first change: initial values, or what it missed while it was away, in the order in which it happened.
 * What the history still holds is replayed; else one resync brings the present value and says how many versions were skipped.
 * A condition that is asked here
 * is asked of each version that is replayed. Path: watch, watch registration -> [watch opening] -> outbox. In turns, from what was captured in one.
 */
import { meets } from '../../shared/delivery/condition.js';
import type { AskedCondition } from '../../shared/delivery/condition-text.js';
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import type { GoneVariable, KeptOut } from '../../shared/wire/update-encoder.js';
import type { Work } from '../work-turns.js';
import type { Opening } from './opening.js';
import type { SentState } from './sent-state.js';
import { sortInTurns } from './sort-in-turns.js';
import type { WatchRequest } from './watch-request.js';

export interface Captured {
  readonly states: readonly SentState[];
  readonly gone: readonly GoneVariable[];
  /** What the watch was told up to this revision is kept: infinity where all of it is, -1 where nobody knows of any. */
  readonly sharedUpTo: number;
  /** The session's, when it was captured. */
  readonly revision: number;
}

export async function openingOf(request: WatchRequest, captured: Captured, work: Work): Promise<Opening[]> {
  const { states, gone, sharedUpTo, revision } = captured;
  const openings: Opening[] = [];
  const hasForgotten = gone.some(({ change }) => change === undefined);
  for (const sent of states) {
    const rest = work.spend(1);
    if (rest !== undefined) await rest;
    const { version } = sent;
    const { history } = sent.variable;
    const at = history.find(version)?.revision ?? revision;
    const decision = decide(request, sent, hasForgotten, sharedUpTo);
    switch (decision.type) {
      case 'nothing':
        takeCaptured(sent);
        break;
      case 'initial_value':
      case 'resync':
        openings.push({ sent, version, revision: at, current: takeCaptured(sent), ...decision });
        break;
      case 'replay': {
        const { from } = decision;
        if (request.asked !== undefined) {
          const opening = await replayAsked(sent, from, request.asked, work, at);
          if (opening !== undefined) openings.push(opening);
          break;
        }
        sent.version = from;
        const next = from + 1;
        const revisionOfNext = history.find(next)?.revision ?? at;
        openings.push({ type: 'replay', sent, version: next, upTo: version, revision: revisionOfNext });
        break;
      }
      default:
        decision satisfies never;
    }
  }
  for (const variable of gone) {
    const rest = work.spend(1);
    if (rest !== undefined) await rest;
    const at = variable.change?.current.revision ?? revision;
    openings.push({ type: 'gone', variable, revision: at, kept: keptFrom(request, variable) });
  }
  // Revisions rise within a stream: the values of many variables are said in the order in which they were set.
  return sortInTurns(openings, (a, b) => a.revision - b.revision, work);
}

/** Whether versions that are kept, and are not in the histories yet, would change what it is sent. */
export function lacksOlder(
  request: WatchRequest,
  states: Iterable<SentState>,
  gone: readonly GoneVariable[],
  sharedUpTo: number,
): boolean {
  if (request.resume === undefined ? request.fromRevision === undefined : sharedUpTo < 0) return false;
  const hasForgotten = gone.some(({ change }) => change === undefined);
  for (const sent of states) {
    const { history, firstVersion } = sent.variable;
    if (history.find(firstVersion) !== undefined) continue;
    const decision = decide(request, sent, hasForgotten, sharedUpTo);
    if (decision.type === 'resync') return true;
    // The old value of the first that it is told.
    if (decision.type === 'replay' && history.find(decision.from) === undefined) return true;
  }
  return false;
}

/** What the condition lets through of the versions behind `from`; undefined when that is nothing. */
async function replayAsked(
  sent: SentState,
  from: number,
  { condition, steps }: AskedCondition,
  work: Work,
  at: number,
): Promise<Opening | undefined> {
  const { version: upTo, variable, kept } = sent;
  const { history, firstVersion } = variable;
  const versions: number[] = [];
  for (let version = from + 1; version <= upTo; version += 1) {
    const rest = work.spend(1 + steps / STEPS_ASKED_AT_ONCE);
    if (rest !== undefined) await rest;
    const current = history.find(version);
    const previous = history.find(version - 1);
    // Its first is told whatever it is: by it the watch hears that there is such a variable.
    if (version === firstVersion) versions.push(version);
    else if (current === undefined || previous === undefined) {
      return {
        type: 'resync',
        sent,
        version: upTo,
        revision: at,
        missed: upTo - from - 1,
        current: takeCaptured(sent),
      };
    } else if (meets(condition, previous.value, current.value)) versions.push(version);
  }
  sent.version = from;
  const last = versions.at(-1);
  kept!.captured = undefined;
  kept!.isBehind = last !== upTo;
  const [version] = versions;
  if (version === undefined || last === undefined) return undefined;
  const revision = history.find(version)?.revision ?? at;
  return { type: 'replay', sent, version, upTo: last, revision, wanted: { versions, place: 0 } };
}

/** Its history went with it. */
function keptFrom({ resume, asked }: WatchRequest, { id, change }: GoneVariable): KeptOut {
  const seen = resume?.versionOf(id);
  if (seen === undefined || change === undefined) return NOTHING_KEPT;
  const { current } = change;
  const missed = Math.max(0, current.version - seen - 1);
  // Its last value may be one that was kept out, of which a watch with a condition has the version alone.
  return { missed, before: asked !== undefined && missed === 0 ? current : undefined };
}

function takeCaptured({ kept }: SentState): VersionedValue | undefined {
  if (kept === undefined) return undefined;
  const { captured } = kept;
  kept.captured = undefined;
  return captured;
}

type Decision =
  | { readonly type: 'nothing' }
  | { readonly type: 'initial_value' | 'resync'; readonly missed: number }
  | { readonly type: 'replay'; readonly from: number };

const NOTHING: Decision = { type: 'nothing' };
const NOTHING_KEPT: KeptOut = { missed: 0, before: undefined };
const INITIAL: Decision = { type: 'initial_value', missed: 0 };

function decide(request: WatchRequest, sent: SentState, hasForgotten: boolean, sharedUpTo: number): Decision {
  const { resume, includesInitialValues, patterns, waitsForMissing, unseenAreInitial } = request;
  const { version, isNewcomer } = sent;
  const { id, firstVersion } = sent.variable;
  if (request.fromRevision !== undefined) return decideFrom(request.fromRevision, sent);
  if (resume === undefined) {
    if (includesInitialValues) return INITIAL;
    // Registered while the watch was: its registration is a change.
    return isNewcomer ? since(firstVersion - 1, sent) : NOTHING;
  }
  // Nobody of this watch saw the versions of another life, or of a variable that came back under its name.
  const fromTheStart: Decision = { type: 'resync', missed: version - firstVersion };
  if (sharedUpTo < 0) return fromTheStart;
  const isWhole = sharedUpTo === Number.POSITIVE_INFINITY;
  let seen = resume.versionOf(id);
  if (seen === undefined) {
    if (hasForgotten && !isNewcomer) return fromTheStart;
    // Named, it was there when the watch began; else it may have come since it was in step, and the watch shall hear of it as of any change.
    if ((patterns.size === 0 && !waitsForMissing) || (unseenAreInitial && !isNewcomer)) {
      // Under its name was another that is lost.
      if (!isWhole) return fromTheStart;
      return includesInitialValues ? INITIAL : NOTHING;
    }
    // Nobody missed the versions before its first.
    seen = firstVersion - 1;
  }
  if (seen > version || !(isWhole || isKept(seen, sharedUpTo, sent))) return fromTheStart;
  if (seen === version) return NOTHING;
  return since(seen, sent);
}

/** Whether the version is one that the watch saw, and none that took its number later. */
function isKept(seen: number, sharedUpTo: number, { variable }: SentState): boolean {
  const last = variable.history.upTo(sharedUpTo)?.version ?? variable.firstVersion - 1;
  return seen <= last;
}

/** Where the history does not say what its version was then, whoever has seen one knows how many it missed. */
function decideFrom(revision: number, sent: SentState): Decision {
  const { version } = sent;
  const { firstVersion, history } = sent.variable;
  const seen = history.upTo(revision)?.version;
  if (seen !== undefined) return seen >= version ? NOTHING : since(seen, sent);
  // All that is held is newer: the variable is, too, if its first version is there.
  const isNew = history.find(firstVersion) !== undefined;
  return isNew ? since(firstVersion - 1, sent) : { type: 'resync', missed: version - firstVersion };
}

function since(seen: number, { variable, version }: SentState): Decision {
  const isHeld = variable.history.find(seen + 1) !== undefined;
  return isHeld ? { type: 'replay', from: seen } : { type: 'resync', missed: version - seen - 1 };
}

/** Parts of a condition that are asked in about a microsecond. */
const STEPS_ASKED_AT_ONCE = 50;

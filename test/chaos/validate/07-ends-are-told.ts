/**
 * Promise 7: the end of a session ends its watches, each of its variables told as deleted. One that waits, or has a pattern, goes on in the
 * session that is made anew, and is told nothing of before behind what came then.
 */
import type { CallEntry, EndRecord, History, WatchRecord } from '../history/history.js';
import { atQuiet, isOver, placeOf, stretchesOf } from './stretch.js';
import type { Violation } from './violation.js';

export function endsAreTold(history: History): Violation[] {
  return history.watches.flatMap((watch) => [
    ...livesFollow(watch, history.hasFaults),
    // Who was away, or had another server, hears of the new one.
    ...(history.hasFaults ? [] : endedWith(atQuiet(watch), history.ends)),
  ]);
}

function endedWith(watch: WatchRecord, ends: readonly EndRecord[]): Violation[] {
  const { readyMs, session, entries, traits } = watch;
  const end = ends.find(
    (one) => one.session === session && one.isEnded === true && one.startMs > (readyMs ?? Infinity),
  );
  if (end === undefined || traits.waitsForMissing) return [];
  const isOtherwise = entries.some(
    (entry) =>
      ['stopping', 'adding', 'removing', 'error'].includes(entry.kind) ||
      (entry.kind === 'state' && isOver(entry.state) && entry.atMs < end.startMs),
  );
  if (isOtherwise) return [];
  if (!entries.some((entry) => entry.kind === 'state' && isOver(entry.state)))
    return [{ rule: RULE, sentence: `watch ${watch.label} was live when its session was ended, and goes on` }];
  return stretchesOf(watch).flatMap((stretch) => {
    const last = stretch.calls.at(-1);
    if (last?.deleted !== undefined) return [];
    const sentence = `${placeOf(stretch)}: it ended with its session, and was not told that the variable went`;
    return [{ rule: RULE, sentence }];
  });
}

/** Over all that an identifier meant: a variable that another has followed is not told any more. */
function livesFollow(watch: WatchRecord, hasFaults: boolean): Violation[] {
  if (watch.traits.pattern === undefined) return [];
  const present = new Map<string, CallEntry>();
  const past = new Set<string>();
  return watch.entries.flatMap((entry) => {
    if (entry.kind !== 'call') return [];
    const { identifier, variableId, version } = entry;
    const before = present.get(identifier);
    present.set(identifier, entry);
    if (before === undefined || before.variableId === variableId) return [];
    past.add(before.variableId);
    const at = `watch ${watch.label}, "${identifier}", version ${version} of ${variableId}`;
    const what = `behind version ${before.version} of ${before.variableId}`;
    if (past.has(variableId)) return [{ rule: RULE, sentence: `${at}: ${what}, which came later` }];
    // Who is never away hears that it went.
    if (hasFaults || before.deleted !== undefined) return [];
    return [{ rule: RULE, sentence: `${at}: ${what}, which was not told as deleted` }];
  });
}

const RULE = '07-ends-are-told';

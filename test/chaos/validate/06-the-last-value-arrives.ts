/** Promises 5, 6 and 7: whatever happened between, each watch that is not over knows, in the end, what the server holds. */
import type { DeletionRecord, History, PresentVariable, WatchRecord } from '../history/history.js';
import { encodeTag } from '../history/value-tag.js';
import { atQuiet, isGone, type Stretch, stretchesOf } from './stretch.js';
import { isSame, said } from './truth.js';
import type { Violation } from './violation.js';

export function theLastValueArrives(whole: WatchRecord, history: History): Violation[] {
  const watch = atQuiet(whole);
  const { quiet } = history;
  if (quiet === undefined || watch.readyMs === undefined) return [];
  const stretches = stretchesOf(watch);
  const open = stretches.filter(({ isOpen }) => isOpen);
  if (open.length === 0) return [];
  const behind = open.flatMap((stretch) => {
    const sentence = behindBy(stretch, quiet.variables, history);
    return sentence === undefined ? [] : [`"${stretch.identifier}" ${sentence}`];
  });
  const state = lastState(watch);
  const states = watch.traits.staleAfterMs > 0 ? ['live', 'stale'] : ['live'];
  if (open.every(isGone) && watch.traits.pattern === undefined)
    behind.push('all its variables are gone and it has not ended');
  else if (state !== undefined && !states.includes(state)) behind.push(`it is ${state}`);
  return behind.map((sentence) => ({
    rule: '06-the-last-value-arrives',
    sentence: `watch ${watch.label}: ${sentence}`,
  }));
}

function behindBy(stretch: Stretch, present: readonly PresentVariable[], history: History): string | undefined {
  const { watch, variable, identifier, calls, readyMs } = stretch;
  if (readyMs === undefined || (isGone(stretch) && watch.traits.pattern === undefined)) return undefined;
  const { name } = history.sessions[watch.session]!.variables[variable]!;
  const last = calls.at(-1);
  const held = present.find((one) => one.session === watch.session && one.variable === variable);
  // An id names one life: another one is not waited for.
  if (identifier !== name && held?.id !== identifier) return lostById(stretch, history);
  if (isGone(stretch) && last?.variableId === held?.id) return undefined;
  if (held === undefined) return lostById(stretch, history);
  if (last?.variableId === held.id && last.version === held.version) return undefined;
  if (wasFiltered(watch, held)) return undefined;
  const at = `is at ${last === undefined ? 'no call' : `version ${last.version} of ${last.variableId}`}`;
  const is = `the server holds version ${held.version} of ${held.id}, ${said(held.tag)}`;
  const madeMs = madeAt(held, history);
  // The value at registration is told to nobody who did not ask for it.
  const isNews = madeMs === undefined ? last !== undefined : madeMs > readyMs;
  return isNews || watch.traits.includeInitial || last !== undefined ? `${at}, ${is}` : undefined;
}

/** Gone while watched, on the same server: that has to be told. */
function lostById(stretch: Stretch, history: History): string | undefined {
  const { watch, variable, readyMs, identifier } = stretch;
  const isOther = history.epochs.some(
    ({ atMs, session }) => atMs >= (readyMs ?? 0) && (session === undefined || session === watch.session),
  );
  if (isOther) return undefined;
  // An id names one life: it was ended by the first deletion behind its registration, and no later one is its own.
  const bornMs = history.registrations.find(({ id }) => id === identifier)?.startMs;
  const isOver = history.ends.some(
    ({ session, startMs, isEnded }) =>
      session === watch.session && isEnded !== false && startMs > (bornMs ?? Infinity) && startMs < (readyMs ?? 0),
  );
  if (isOver) return undefined;
  const deletion = history.deletions.find(
    (one) =>
      one.session === watch.session &&
      one.variable === variable &&
      one.endMs !== undefined &&
      one.error === undefined &&
      one.startMs > (bornMs ?? readyMs ?? 0) &&
      !cameAndWentUnseen(stretch, one, history),
  );
  return deletion === undefined || deletion.startMs <= (readyMs ?? 0)
    ? undefined
    : `was deleted, and "${identifier}" was never told`;
}

/** A watch that waits for a variable knows nothing of a life that began and ended while its stream was broken: nobody can tell it. */
function cameAndWentUnseen(
  { watch, variable, readyMs, calls }: Stretch,
  deletion: DeletionRecord,
  history: History,
): boolean {
  if (!history.hasFaults || !watch.traits.waitsForMissing) return false;
  const life = history.registrations.findLast(
    ({ tag, startMs }) => tag.session === watch.session && tag.variable === variable && startMs <= deletion.startMs,
  );
  return life !== undefined && life.startMs > (readyMs ?? 0) && !calls.some(({ variableId }) => variableId === life.id);
}

function wasFiltered(watch: WatchRecord, held: PresentVariable): boolean {
  const { filter, above } = watch.traits;
  switch (filter) {
    case 'none':
      return false;
    case 'condition':
      return !held.isNumber || (encodeTag('integer', held.tag) as number) <= (above ?? 0);
    case 'function':
      return watch.entries.some((entry) => entry.kind === 'filter' && !entry.passes && isSame(entry.now, held.tag));
    default:
      return filter satisfies never;
  }
}

/** When the set or the registration began that made what the server holds. */
function madeAt(held: PresentVariable, history: History): number | undefined {
  const makers = [...history.sets, ...history.registrations].filter(({ tag }) => isSame(tag, held.tag));
  return makers.length === 0 ? undefined : Math.min(...makers.map(({ startMs }) => startMs));
}

function lastState(watch: WatchRecord): string | undefined {
  return watch.entries.findLast((entry) => entry.kind === 'state')?.state;
}

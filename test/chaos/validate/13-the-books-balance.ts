/** Promise 13: at a quiet point, changes since registration = delivered + filtered + rate-limited + missed + buffered. */
import type { History, PresentWatch, WatchRecord } from '../history/history.js';
import { atQuiet, type Stretch, stretchesOf } from './stretch.js';
import type { Truth } from './truth.js';
import type { Violation } from './violation.js';

export function theBooksBalance(whole: WatchRecord, history: History, truth: Truth): Violation[] {
  const watch = atQuiet(whole);
  const info = history.quiet?.watchers.find(({ label }) => label === watch.label);
  const stretches = stretchesOf(watch);
  // What a watch no longer wants is in no book, and a loop has not taken all of them.
  if (info === undefined || watch.traits.form === 'iterator' || stretches.some(({ isOpen }) => !isOpen)) return [];
  let changes = 0;
  for (const stretch of stretches) {
    const made = changesOf(stretch, history, truth);
    if (made === undefined) return [];
    changes += made;
  }
  const initial = stretches.reduce((sum, { calls }) => sum + calls.filter((call) => call.initial).length, 0);
  const booked = info.delivered + info.filtered + info.rateLimited + info.missed + info.buffered;
  return booked - initial === changes ? [] : [unbalanced(watch, info, initial, changes)];
}

/** Of one identifier, from its registration; undefined when nobody can say where that was, or when lives are mixed. */
function changesOf({ calls, watch, variable }: Stretch, history: History, truth: Truth): number | undefined {
  const held = history.quiet?.variables.find((one) => one.session === watch.session && one.variable === variable);
  const [first] = calls;
  if (held === undefined || first === undefined || calls.some(({ variableId }) => variableId !== held.id))
    return undefined;
  // A change that speaks for the initial value too: how much it left out, it alone says.
  if (first.initial) return first.missed === 0 ? held.version - first.version : undefined;
  // Before the first call a filter may have kept others out.
  if (first.old === undefined || watch.traits.filter !== 'none') return undefined;
  const known = truth.versionOf(held.id, first.old);
  return known === undefined ? undefined : held.version - known;
}

function unbalanced(watch: WatchRecord, info: PresentWatch, initial: number, changes: number): Violation {
  const { delivered, filtered, rateLimited, missed, buffered } = info;
  const books = `delivered ${delivered - initial}, filtered ${filtered}, rate-limited ${rateLimited}, missed ${missed}, buffered ${buffered}`;
  return {
    rule: '13-the-books-balance',
    sentence: `watch ${watch.label}: ${changes} changes since registration; ${books}`,
  };
}

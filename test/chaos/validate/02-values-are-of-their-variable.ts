/** Nobody is called with a value, an identifier or a session that is not theirs. Promise 2: what one does not get, another does not get instead. */
import type { History, WatchRecord } from '../history/history.js';
import { said } from './truth.js';
import type { Violation } from './violation.js';

export function valuesAreOfTheirVariable(watch: WatchRecord, history: History): Violation[] {
  const violations: Violation[] = [];
  const break_ = (sentence: string) =>
    violations.push({ rule: '02-values-are-of-their-variable', sentence: `watch ${watch.label}${sentence}` });
  const { sessionId } = history.sessions[watch.session]!;
  for (const entry of watch.entries) {
    if (entry.kind !== 'call') continue;
    const variable = watch.identifiers.get(entry.identifier);
    if (variable === undefined) {
      break_(` was called for "${entry.identifier}", which it never asked for`);
      continue;
    }
    const at = `, "${entry.identifier}", version ${entry.version}`;
    if (entry.isForeign) break_(`${at}: a value that nobody set`);
    if (entry.sessionId !== sessionId) break_(`${at}: session ${entry.sessionId} is not ${sessionId}`);
    for (const tag of [entry.old, entry.now]) {
      if (tag === undefined || (tag.session === watch.session && tag.variable === variable)) continue;
      break_(`${at}: ${said(tag)} is a value of another variable than s${watch.session}v${variable}`);
    }
    if (entry.now === undefined && entry.deleted === undefined) break_(`${at}: no value, and not deleted`);
    if (entry.now !== undefined && entry.deleted !== undefined) break_(`${at}: deleted, and a value`);
  }
  return violations;
}

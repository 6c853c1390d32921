/** Promise 9, where the state outlives its servers: a variable whose registration was acknowledged is there until it is deleted. */
import type { History } from '../history/history.js';
import { said } from './truth.js';
import type { Violation } from './violation.js';

export function whatIsKeptStays({ isDurable, mayExpire, quiet, registrations, deletions, ends }: History): Violation[] {
  if (!isDurable || mayExpire || quiet === undefined) return [];
  const held = new Set(quiet.variables.map(({ id }) => id));
  return registrations.flatMap(({ tag, id, startMs }) => {
    if (id === undefined || held.has(id)) return [];
    const isDeleted = deletions.some(
      (one) => one.session === tag.session && one.variable === tag.variable && (one.endMs ?? Infinity) >= startMs,
    );
    const isEnded = ends.some(({ session, endMs }) => session === tag.session && (endMs ?? Infinity) >= startMs);
    if (isDeleted || isEnded) return [];
    return [{ rule: '09-what-is-kept-stays', sentence: `${id}, registered with ${said(tag)}, is not there` }];
  });
}

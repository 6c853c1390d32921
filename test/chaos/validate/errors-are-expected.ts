/** Every failure has a code of docs/errors.md, and one that fits what happened; our own mistakes never show. */
import type { History, WatchRecord } from '../history/history.js';
import type { Violation } from './violation.js';

export function callsFailAsExpected(history: History): Violation[] {
  const faults = new Set(history.faults.map(({ kind, at }) => (at === 'engine' ? kind : undefined)));
  const hasEnds = history.ends.length > 0 || history.mayExpire || history.rollbacks.length > 0;
  const isOfEngine = (code: string) =>
    ENGINE_FAULTS.some(({ kinds, says }) => says === code && kinds.some((kind) => faults.has(kind)));
  return history.rejections.flatMap(({ call, code, message, isKnown }) => {
    // One that is dead already, and not yet replaced, cannot be ended.
    const isDead = call === 'restart of a worker' && code === 'WORKER_FAILED';
    const isOfEnd =
      hasEnds && (OF_ENDS.has(code) || CALLS.some((one) => call.startsWith(one.call) && one.code === code));
    const isExpected =
      isKnown &&
      (isDead || isOfEnd || ANSWERS.has(code) || (history.hasFaults && WITH_FAULTS.has(code)) || isOfEngine(code));
    return isExpected ? [] : [{ rule: RULE, sentence: `${call} failed with ${code}: ${message}` }];
  });
}

/** A watch that is told an error without having asked for it, once it was registered. */
export function watchesFailAsExpected(watch: WatchRecord): Violation[] {
  const violations: Violation[] = [];
  for (const [place, entry] of watch.entries.entries()) {
    if (entry.kind === 'error') {
      const isAsked = entry.code === 'BUFFER_OVERFLOW' && watch.traits.overflow === 'error';
      if (!isAsked && watch.readyMs !== undefined)
        violations.push({ rule: RULE, sentence: `watch ${watch.label} was told ${entry.code}: ${entry.message}` });
    }
    if (entry.kind === 'state' && entry.state === 'failed' && !watch.entries.slice(0, place + 1).some(isError))
      violations.push({ rule: RULE, sentence: `watch ${watch.label} failed, and no error was told` });
  }
  return violations;
}

const isError = ({ kind }: { readonly kind: string }): boolean => kind === 'error';

const RULE = 'errors-are-expected';
/** Answers to what the programs do on purpose. */
const ANSWERS = new Set([
  ...['VARIABLE_NOT_FOUND', 'ALREADY_EXISTS', 'VERSION_CONFLICT', 'BATCH_REFUSED', 'CLOSED', 'ABORTED'],
  ...['WATCH_NOT_FOUND', 'BUFFER_OVERFLOW'],
]);
/** Once a call a session that was ended is joined anew: one that meets two says so. What another type cannot hold is refused. */
const OF_ENDS = new Set(['SESSION_NOT_FOUND', 'INVALID_VALUE', 'INVALID_TYPE']);
const CALLS = [
  { call: 'rollback', code: 'VERSION_NOT_FOUND' },
  { call: 'wait', code: 'DEADLINE_EXCEEDED' },
];
/** What a broken connection, a server that is away or a worker that dies may do to a call. */
const ENGINE_FAULTS = [
  { says: 'STORAGE_FULL', kinds: ['fill-engine'] },
  // A server waits for an engine that is away, though not for ever.
  { says: 'ENGINE_UNAVAILABLE', kinds: ['kill-engine', 'fail-over'] },
] as const;
const WITH_FAULTS = new Set(['UNAVAILABLE', 'UNKNOWN_OUTCOME', 'DEADLINE_EXCEEDED']);

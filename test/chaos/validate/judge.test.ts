/** The judge finds each kind of violation in histories made up to have it, and none in good ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { History, SetRecord } from '../history/history.js';
import { callOf, goodHistory, idOf, rulesBroken, setOf, tagOf, watchOf } from './made-up.js';

const A = 0;
const LEGS = [2, 3];

const gone = { now: undefined, deleted: 'deleted' } as const;
/** The first update of a second life, on another server. */
const reborn = { variableId: idOf(A, 1), now: tagOf(A, 1, 1), old: tagOf(A, 4), resync: true } as const;

/** What the filter was asked. */
function asked(version: number, old: number, passes = true) {
  return { kind: 'filter', old: tagOf(A, old), now: tagOf(A, version), passes, turn: version } as const;
}

/** Between: the server was killed, and the variable registered again. */
function secondLife(history: History): void {
  history.epochs.push({ atMs: 50 });
  const registration = { tag: tagOf(A, 1, 1), startMs: 60, endMs: 61, id: idOf(A, 1), error: undefined };
  history.registrations.push(registration);
  const kept = [{ version: 1, tag: tagOf(A, 1, 1) }];
  const held = { session: 0, variable: A, id: idOf(A, 1), version: 1, tag: tagOf(A, 1, 1), isNumber: true, kept };
  history.quiet = {
    ...history.quiet!,
    variables: history.quiet!.variables.map((one) => (one.variable === A ? held : one)),
  };
}

test('a history in which each set arrives breaks nothing', () => {
  assert.deepEqual(rulesBroken(watchOf([A], [callOf(A, 2), callOf(A, 3), callOf(A, 4)])), []);
  assert.deepEqual(rulesBroken(undefined), []);
});

test('missed versions that are told break nothing', () => {
  const call = callOf(A, 4, { missed: 2, old: tagOf(A, 1) });
  assert.deepEqual(rulesBroken(watchOf([A], [call])), []);
});

test('initial values, filtered, rate-limited and stopped watches of a good history break nothing', () => {
  const initial = callOf(A, 1, { initial: true, old: undefined });
  const changes = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  assert.deepEqual(rulesBroken(watchOf([A], [initial, ...changes], { includeInitial: true })), []);
  const held = callOf(A, 4, { old: tagOf(A, 1) });
  assert.deepEqual(rulesBroken(watchOf([A], [held], { isRateLimited: true })), []);
  const filtered = [asked(2, 1), callOf(A, 2), asked(3, 2, false), asked(4, 3), callOf(A, 4)];
  assert.deepEqual(rulesBroken(watchOf([A], filtered, { filter: 'function' })), []);
  const end = [{ kind: 'stopping', turn: 2 } as const, { kind: 'stopped', turn: 3 } as const];
  assert.deepEqual(rulesBroken(watchOf([A], [callOf(A, 2), ...end])), []);
});

test('a new life that is told breaks nothing', () => {
  const calls = [callOf(A, 2), callOf(A, 3), callOf(A, 4), callOf(A, 1, reborn)];
  assert.deepEqual(rulesBroken(watchOf([A], calls), secondLife), []);
});

test('a filter of a variable that went and is watched again is asked about its new baseline first', () => {
  const went = callOf(A, 3, { ...gone, old: tagOf(A, 2) });
  const entries = [asked(2, 1), callOf(A, 2), went, asked(5, 4), callOf(A, 5, { old: tagOf(A, 4) })];
  assert.ok(!rulesBroken(watchOf([A], entries, { filter: 'function' })).includes('03-old-and-new-chain'));
});

test('a deletion that is told, and ends the watch, breaks nothing', () => {
  const calls = [callOf(A, 2), callOf(A, 5, { ...gone, old: tagOf(A, 2), missed: 2 })];
  assert.deepEqual(rulesBroken(watchOf([A], [...calls, { kind: 'state', state: 'stopped', atMs: 5, turn: 9 }])), []);
});

test('1: a version that comes twice, or late, is found', () => {
  const twice = watchOf([A], [callOf(A, 2), callOf(A, 3), callOf(A, 3), callOf(A, 4)]);
  assert.ok(rulesBroken(twice).includes('01-versions-rise'));
  const late = watchOf([A], [callOf(A, 3, { missed: 1 }), callOf(A, 2), callOf(A, 4)]);
  assert.ok(rulesBroken(late).includes('01-versions-rise'));
});

test('2: a gap that is not told, is told too small or too large, is found', () => {
  for (const missed of [0, 1, 3]) {
    assert.deepEqual(rulesBroken(watchOf([A], [callOf(A, 4, { missed, old: tagOf(A, 1) })])), ['02-missed-is-exact']);
  }
  const between = [callOf(A, 2), callOf(A, 4, { missed: 0, old: tagOf(A, 2) })];
  assert.deepEqual(rulesBroken(watchOf([A], between)), ['02-missed-is-exact']);
});

test('2: more missed than were skipped is found of a filtered watch too', () => {
  const calls = [callOf(A, 2), callOf(A, 4, { missed: 5, old: tagOf(A, 2) })];
  assert.ok(rulesBroken(watchOf([A], calls, { filter: 'condition', above: 0 })).includes('02-missed-is-exact'));
});

test('2: what a filtered watch missed before the value that was kept out, its first call tells', () => {
  const calls = [callOf(A, 4, { missed: 1, old: tagOf(A, 3) })];
  const broken = rulesBroken(watchOf([A], calls, { filter: 'condition', above: 0 }));
  assert.ok(!broken.includes('02-missed-is-exact'), broken.join(', '));
});

test('2: a value, an identifier or a session of somebody else is found', () => {
  const rule = '02-values-are-of-their-variable';
  const value = callOf(A, 2, { now: tagOf(1, 2) });
  assert.ok(rulesBroken(watchOf([A], [value])).includes(rule));
  assert.ok(rulesBroken(watchOf([A], [callOf(A, 2), callOf(1, 2)])).includes(rule));
  assert.ok(rulesBroken(watchOf([A], [callOf(A, 2, { sessionId: 'other' })])).includes(rule));
  assert.ok(rulesBroken(watchOf([A], [callOf(A, 2, { isForeign: true })])).includes(rule));
  assert.ok(rulesBroken(watchOf([A], [callOf(A, 2, { now: undefined })])).includes(rule));
});

test('2: a value under the id of another life, or at a version that is not its own, is found', () => {
  const rule = '02-values-are-of-their-variable';
  const early = callOf(A, 2, { variableId: idOf(A, 1) });
  assert.ok(rulesBroken(watchOf([A], [early]), secondLife).includes(rule));
  assert.ok(rulesBroken(watchOf([A], [callOf(A, 3, { now: tagOf(A, 2), missed: 1 })])).includes(rule));
});

test('3: an old value that the watch has not seen last is found', () => {
  const calls = [callOf(A, 2), callOf(A, 3, { old: tagOf(A, 1) }), callOf(A, 4)];
  assert.deepEqual(rulesBroken(watchOf([A], calls)), ['03-old-and-new-chain']);
  const limited = watchOf([A], [callOf(A, 2), callOf(A, 4, { old: tagOf(A, 3) })], { isRateLimited: true });
  assert.deepEqual(rulesBroken(limited), ['03-old-and-new-chain']);
});

test('3: a filter that is asked about another step than the next is found', () => {
  const entries = [
    asked(2, 1),
    callOf(A, 2),
    asked(3, 1),
    callOf(A, 3, { old: tagOf(A, 1) }),
    asked(4, 3),
    callOf(A, 4),
  ];
  assert.ok(rulesBroken(watchOf([A], entries, { filter: 'function' })).includes('03-old-and-new-chain'));
});

test('4: an initial value that comes late, twice or unasked is found', () => {
  const initial = callOf(A, 1, { initial: true, old: undefined });
  const rest = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  const rule = '04-initial-values-come-first';
  assert.ok(rulesBroken(watchOf([A], [initial, ...rest])).includes(rule));
  assert.ok(rulesBroken(watchOf([A], rest, { includeInitial: true })).includes(rule));
  const late = callOf(A, 4, { initial: true, old: undefined });
  assert.ok(
    rulesBroken(watchOf([A], [initial, callOf(A, 2), callOf(A, 3), late], { includeInitial: true })).includes(rule),
  );
});

test('6: a watch that lacks the last value, or any, is found', () => {
  assert.deepEqual(rulesBroken(watchOf([A], [callOf(A, 2), callOf(A, 3)])), ['06-the-last-value-arrives']);
  assert.deepEqual(rulesBroken(watchOf([A], [])), ['06-the-last-value-arrives']);
});

test('6: a watch that lacks the last value is found although it is stopped afterwards', () => {
  const watch = watchOf([A], [callOf(A, 2), callOf(A, 3), { kind: 'stopping', turn: 9 }]);
  watch.quietEntries = 3;
  assert.deepEqual(rulesBroken(watch), ['06-the-last-value-arrives']);
});

test('6: a watch that is not live in the end is found', () => {
  const calls = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  const waits = watchOf([A], [...calls, { kind: 'state', state: 'backoff', atMs: 5, turn: 9 }]);
  assert.deepEqual(rulesBroken(waits), ['06-the-last-value-arrives']);
});

test('6: a watch of which all variables are gone and that goes on is found', () => {
  const calls = [callOf(A, 2), callOf(A, 5, { ...gone, old: tagOf(A, 2), missed: 2 })];
  assert.deepEqual(rulesBroken(watchOf([A], calls)), ['06-the-last-value-arrives']);
});

test('6: a deletion that nobody tells is found', () => {
  const watch = watchOf([A], [callOf(A, 2), callOf(A, 3), callOf(A, 4)]);
  const broken = rulesBroken(watch, (history) => {
    history.deletions.push({ session: 0, variable: A, startMs: 50, endMs: 51, error: undefined });
    history.quiet = { ...history.quiet!, variables: history.quiet!.variables.slice(1) };
  });
  assert.deepEqual(broken, ['06-the-last-value-arrives']);
});

test('6: a life that began and ended during a break is missed by nobody who waits for it, and missed without a break', () => {
  const watch = () => watchOf([A], [], { waitsForMissing: true });
  const comesAndGoes = (history: History) => {
    history.registrations.push({ tag: tagOf(A, 1, 1), startMs: 40, endMs: 41, id: idOf(A, 1), error: undefined });
    history.deletions.push({ session: 0, variable: A, startMs: 1, endMs: 2, error: undefined });
    history.deletions.push({ session: 0, variable: A, startMs: 50, endMs: 51, error: undefined });
    history.quiet = { ...history.quiet!, variables: history.quiet!.variables.slice(1) };
  };
  const withFaults = (history: History) => {
    comesAndGoes(history);
    Object.assign(history, { hasFaults: true });
  };
  assert.deepEqual(rulesBroken(watch(), comesAndGoes), ['06-the-last-value-arrives']);
  assert.deepEqual(rulesBroken(watch(), withFaults), []);
  const told = watchOf([A], [callOf(A, 1, { ...reborn, old: undefined, resync: false })], { waitsForMissing: true });
  assert.ok(rulesBroken(told, withFaults).includes('06-the-last-value-arrives'));
});

test('7: a new life without resync, or with too little missed, is found', () => {
  const before = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  const silent = watchOf([A], [...before, callOf(A, 1, { ...reborn, resync: false })]);
  assert.deepEqual(rulesBroken(silent, secondLife), ['07-new-lives-are-told']);
});

test('7: what comes after a deletion is found', () => {
  const calls = [callOf(A, 2, { ...gone, old: tagOf(A, 1) }), callOf(A, 3), callOf(A, 4)];
  assert.ok(rulesBroken(watchOf([A], calls)).includes('07-new-lives-are-told'));
});

test('9: an acknowledged set that the state does not have is found', () => {
  const lost = setOf(A, 5, { startMs: 80, endMs: 81 });
  assert.deepEqual(
    rulesBroken(undefined, (history) => void history.sets.push(lost)),
    ['09-sets'],
  );
});

test('9: a set that was refused and made is found', () => {
  const broken = rulesBroken(undefined, (history) => {
    Object.assign(history.sets[0]!, { version: undefined, error: 'VERSION_CONFLICT' });
  });
  assert.deepEqual(broken, ['09-sets']);
});

test('9: sets of one state that are made in another order are found, but for calls that were given up with their connection', () => {
  const broken = (more: Partial<SetRecord> = {}) =>
    rulesBroken(undefined, (history) => {
      const [first, second] = history.sets;
      Object.assign(first!, { startMs: 20.5 });
      Object.assign(second!, more);
      assert.equal(second!.startMs, 20);
    });
  const given = { version: undefined, error: 'UNKNOWN_OUTCOME' };
  assert.deepEqual(broken(), ['09-sets']);
  assert.deepEqual(broken(given), ['09-sets']);
  assert.deepEqual(broken({ ...given, isByLink: false }), []);
});

test('9: a set by link that is answered with nothing before its time is up is found, where the state outlives its servers', () => {
  const broken = (isGapless: boolean, tookMs: number) =>
    rulesBroken(undefined, (history) => {
      Object.assign(history, { isGapless });
      const set = history.sets[1]!;
      Object.assign(set, { version: undefined, error: 'UNKNOWN_OUTCOME', endMs: set.startMs + tookMs });
    });
  assert.deepEqual(broken(true, 500), ['09-sets']);
  assert.deepEqual(broken(true, 4_000), []);
  assert.deepEqual(broken(false, 500), []);
});

test('9: a set that was made at another version than it expected is found', () => {
  const broken = rulesBroken(undefined, (history) => void Object.assign(history.sets[1]!, { expectedVersion: 1 }));
  assert.deepEqual(broken, ['09-sets']);
});

test('10: a call after stop, after remove and after a failure is found', () => {
  const rule = ['10-silence-after-stop'];
  const stopped = [{ kind: 'stopping', turn: 2 } as const, { kind: 'stopped', turn: 2 } as const];
  assert.deepEqual(rulesBroken(watchOf([A], [callOf(A, 2), ...stopped, callOf(A, 3)])), rule);
  const removed = (['removing', 'removed'] as const).map((kind) => ({ kind, identifiers: ['a'], atMs: 30, turn: 3 }));
  const other = [callOf(1, 2), callOf(1, 3), callOf(1, 4)];
  assert.deepEqual(rulesBroken(watchOf([A, 1], [...other, ...removed, callOf(A, 2, { revision: 9 })])), rule);
  const failed = [
    { kind: 'error', code: 'BUFFER_OVERFLOW', message: '', turn: 2 } as const,
    { kind: 'state', state: 'failed', atMs: 5, turn: 2 } as const,
  ];
  assert.deepEqual(rulesBroken(watchOf([A], [...failed, callOf(A, 2)], { overflow: 'error' })), rule);
});

test('10: calls between remove and add, and after a second add, break nothing', () => {
  const entry = (kind: 'adding' | 'added' | 'removing' | 'removed', atMs: number) =>
    ({ kind, identifiers: ['a'], atMs, turn: 3 }) as const;
  const other = [callOf(1, 2), callOf(1, 3), callOf(1, 4)];
  const changes = [entry('removing', 11), entry('adding', 12), entry('removed', 13), entry('added', 14)];
  const entries = [...other, callOf(A, 2), ...changes, callOf(A, 3), callOf(A, 4)];
  assert.deepEqual(rulesBroken(watchOf([A, 1], entries)), []);
  // What was under way when it was removed is not of what was added behind it.
  const [removing, adding, removed, added] = changes;
  const late = [...other, removing!, adding!, callOf(A, 2), removed!, added!, callOf(A, 4)];
  assert.deepEqual(rulesBroken(watchOf([A, 1], late)), []);
  // Its initial value is, though the removal has not resolved.
  const initial = callOf(A, 2, { initial: true });
  const again = [...other, initial, removing!, adding!, initial, removed!, added!, callOf(A, 3), callOf(A, 4)];
  assert.deepEqual(
    rulesBroken(watchOf([A, 1], again, { includeInitial: true })).filter((rule) => rule.startsWith('01')),
    [],
  );
  const unsaid = [...other, ...changes, callOf(A, 2), callOf(A, 4)];
  assert.ok(rulesBroken(watchOf([A, 1], unsaid)).includes('02-missed-is-exact'));
});

test('11: a revision that goes back is found', () => {
  const calls = [callOf(A, 2), callOf(A, 3, { revision: 1 }), callOf(A, 4)];
  assert.deepEqual(rulesBroken(watchOf([A], calls)), ['11-revisions-rise']);
});

test('11: half of an atomic batch in a turn is found, and the rest of it in the next does not mend it', () => {
  const both = [2, 3, 4].flatMap((version) => LEGS.map((leg) => callOf(leg, version)));
  assert.deepEqual(rulesBroken(watchOf(LEGS, both, { isAtomic: true })), []);
  const torn = both.map((call, place) => ({ ...call, turn: place }));
  assert.deepEqual(rulesBroken(watchOf(LEGS, torn, { isAtomic: true })), ['11-atomic-turns-are-whole']);
  assert.deepEqual(rulesBroken(watchOf(LEGS, torn)), []);
});

test('06: of a server that kept its state another epoch, a change missed and a resync are found', () => {
  const all = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  const rule = '06-no-restart-is-noticed';
  const inLife = (calls: typeof all, epoch = 'one') =>
    rulesBroken(watchOf([A], calls), (history) => {
      Object.assign(history, { isDurable: true, isGapless: true });
      history.restarts.push({ server: 0, epochBefore: 'one', epoch, tookMs: 100 });
    });
  assert.deepEqual(inLife(all), []);
  assert.deepEqual(inLife(all, 'other'), [rule]);
  assert.deepEqual(inLife([callOf(A, 4, { missed: 2, old: tagOf(A, 1) })]), [rule]);
  assert.deepEqual(inLife([callOf(A, 2), callOf(A, 3, { resync: true }), callOf(A, 4)]), [rule]);
});

test('06: a watch that is not live at another server within 2 s is found, and excused where all were in trouble', () => {
  const calls = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  const inLife = (liveMs: number, places: readonly (number | 'engine')[], broken = 'backoff') => {
    const state = (name: string, atMs: number) => ({ kind: 'state', state: name, atMs, turn: 9 }) as const;
    return rulesBroken(watchOf([A], [...calls, state(broken, 10_000), state('live', liveMs)]), (history) => {
      Object.assign(history, { servers: 2 });
      history.faults.push(...places.map((at) => ({ kind: 'cut', at, startMs: 9_990, endMs: 13_000 }) as const));
    });
  };
  assert.deepEqual(inLife(11_900, [0]), []);
  assert.deepEqual(inLife(12_100, [0]), ['06-live-at-another-server']);
  assert.deepEqual(inLife(12_100, [0, 1]), []);
  assert.deepEqual(inLife(12_100, ['engine']), []);
  // By the deletion of its last variable.
  assert.deepEqual(inLife(12_100, [0], 'stopped'), []);
});

test('09: a variable that was registered, not deleted, and is not there is found where it has to be kept', () => {
  const inLife = (isDurable: boolean, deletedMs?: number) =>
    rulesBroken(undefined, (history) => {
      Object.assign(history, { isDurable });
      const { variables } = history.quiet!;
      history.quiet = { ...history.quiet!, variables: variables.filter(({ variable }) => variable !== A) };
      if (deletedMs !== undefined) {
        const times = { startMs: deletedMs, endMs: deletedMs, error: undefined };
        history.deletions.push({ session: 0, variable: A, ...times });
      }
    });
  assert.deepEqual(inLife(true), ['09-what-is-kept-stays']);
  assert.deepEqual(inLife(true, 50), []);
  assert.deepEqual(inLife(false), []);
});

test('11: a change with one revision here and another there is found', () => {
  const broken = rulesBroken(watchOf([A], [callOf(A, 2), callOf(A, 3), callOf(A, 4)]), (history) => {
    history.watches.push(watchOf([A], [callOf(A, 2), callOf(A, 3), callOf(A, 4, { revision: 5 })]));
  });
  assert.deepEqual(broken, ['11-one-order-for-all']);
});

test('13: books that do not balance are found', () => {
  const calls = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  const books = { label: 'w0', state: 'live', delivered: 3, filtered: 0, rateLimited: 0, missed: 0, buffered: 0 };
  const withBooks = (changes: Partial<typeof books>) =>
    rulesBroken(watchOf([A], calls), (history) => {
      history.quiet = { ...history.quiet!, watchers: [{ ...books, ...changes }] };
    });
  assert.deepEqual(withBooks({}), []);
  for (const changes of [{ delivered: 2 }, { missed: 1 }, { buffered: 1 }, { filtered: 1 }]) {
    assert.deepEqual(withBooks(changes), ['13-the-books-balance']);
  }
});

test('errors of a watch that nobody asked for, and failures without one, are found', () => {
  const calls = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  const told = { kind: 'error', code: 'INTERNAL', message: 'the books', turn: 9 } as const;
  assert.deepEqual(rulesBroken(watchOf([A], [...calls, told])), ['errors-are-expected']);
  const failed = { kind: 'state', state: 'failed', atMs: 5, turn: 9 } as const;
  assert.deepEqual(rulesBroken(watchOf([A], [...calls, failed])), ['errors-are-expected']);
});

test('a call may fail as the docs say, and for a broken connection only where one was broken', () => {
  const failing = (code: string, hasFaults: boolean, isKnown = true) =>
    rulesBroken(undefined, (history) => {
      history.rejections.push({ call: 'set', code, message: '', isKnown });
      Object.assign(history, { hasFaults });
    });
  assert.deepEqual(failing('VERSION_CONFLICT', false), []);
  assert.deepEqual(failing('UNKNOWN_OUTCOME', true), []);
  assert.deepEqual(failing('UNKNOWN_OUTCOME', false), ['errors-are-expected']);
  assert.deepEqual(failing('INTERNAL', true), ['errors-are-expected']);
  assert.deepEqual(failing('NEW_CODE', true, false), ['errors-are-expected']);
});

test('a trouble is a violation of its own name', () => {
  const broken = rulesBroken(undefined, (history) => void history.troubles.push({ kind: 'unsettled', what: 'stop' }));
  assert.deepEqual(broken, ['unsettled']);
});

test('a good history is not changed by judging it', () => {
  const history = goodHistory();
  rulesBroken(watchOf([A], [callOf(A, 2)]));
  assert.deepEqual(history, goodHistory());
});

/** The session was ended at 50, and made anew with what it had. */
function ended(history: History): void {
  history.ends.push({ session: 0, startMs: 50, endMs: 51, isEnded: true });
  secondLife(history);
}

test('a watch whose session is ended ends, and is told that its variables went', () => {
  const calls = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  const gone = callOf(A, 5, { now: undefined, deleted: 'session-ended' });
  const stopped = { kind: 'state', state: 'stopped', atMs: 52, turn: 5 } as const;
  assert.deepEqual(rulesBroken(watchOf([A], [...calls, gone, stopped]), ended), []);
  assert.ok(rulesBroken(watchOf([A], calls), ended).includes('07-ends-are-told'));
  assert.deepEqual(rulesBroken(watchOf([A], [...calls, stopped]), ended), ['07-ends-are-told']);
});

test('a pattern goes on with what comes, and hears nothing of what it has followed', () => {
  const calls = [callOf(A, 2), callOf(A, 3), callOf(A, 4)];
  const gone = callOf(A, 5, { now: undefined, deleted: 'session-ended' });
  const anew = callOf(A, 1, { old: undefined, now: tagOf(A, 1, 1), variableId: idOf(A, 1), turn: 6 });
  const fitting = { waitsForMissing: true, pattern: '*' };
  assert.deepEqual(rulesBroken(watchOf([A], [...calls, gone, anew], fitting), ended), []);
  const unsaid = { ...anew, old: tagOf(A, 4), resync: true };
  assert.deepEqual(rulesBroken(watchOf([A], [...calls, unsaid], fitting), ended), ['07-ends-are-told']);
  const late = callOf(A, 5, { old: tagOf(A, 1, 1), now: undefined, deleted: 'session-ended', turn: 7 });
  assert.ok(rulesBroken(watchOf([A], [...calls, gone, anew, late], fitting), ended).includes('07-ends-are-told'));
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Lineage } from '../../../src/shared/delivery/update.js';
import {
  BASELINE,
  DELETED_MASK,
  flagsOfReason,
  HAS_OLD,
  INITIAL,
  RESYNC,
} from '../../../src/shared/delivery/update.js';
import type { Overflow, RingEntry } from '../../../src/shared/delivery/update-ring.js';
import { absorb, UpdateRing } from '../../../src/shared/delivery/update-ring.js';

interface Entry extends RingEntry {
  readonly key: string;
  readonly version: number;
  readonly revision: number;
}

const DELETED = flagsOfReason('deleted');

function entry(key: string, version: number, more: Partial<Entry> = {}): Entry {
  return { key, version, revision: 0, value: version, old: undefined, missed: 0, filtered: 0, flags: 0, ...more };
}

function drain(ring: UpdateRing<Entry>): Entry[] {
  const taken: Entry[] = [];
  for (let next = ring.take(); next !== undefined; next = ring.take()) taken.push(next);
  return taken;
}

function versions(entries: readonly Entry[]): string[] {
  return entries.map(({ key, version }) => `${key}${version}`);
}

type Step =
  | { readonly kind: 'take' }
  /** `skipped` versions are missing before it and a condition let `filtered` ones pass; `flags` of the key's first one say what it begins with. */
  | {
      readonly kind: 'push';
      readonly key: string;
      readonly skipped: number;
      readonly filtered: number;
      readonly begins: number;
      readonly isResync: boolean;
      readonly isLast: boolean;
    };

const KEYS = ['a', 'b', 'c', 'd'];

const steps = (deletes: boolean): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 2, arbitrary: fc.constant<Step>({ kind: 'take' }) },
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('push' as const),
          key: fc.constantFrom(...KEYS),
          skipped: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(3)),
          filtered: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(3)),
          begins: fc.constantFrom(0, BASELINE, INITIAL),
          isResync: fc.nat(9).map((n) => n === 0),
          isLast: deletes ? fc.nat(9).map((n) => n === 0) : fc.constant(false),
        }),
      },
    ),
    { maxLength: 80 },
  );

/** One key as the watch behind the ring sees it. */
interface Seen {
  /** Of the newest one pushed. */
  version: number;
  isGone: boolean;
  /** Position from which the next delivery counts: the last one taken, or the baseline that began it. */
  from: number | undefined;
  /** What the next old value has to be. */
  old: unknown;
  /** Those waiting: each with the old value that it may say. */
  waiting: { version: number; old: unknown; saysOld: boolean }[];
  /** That it was pushed with last, and that it was taken with. */
  lineage: Lineage | undefined;
  heard: Lineage | undefined;
}

/** Drives a ring and checks, update by update, what a watch behind it is promised. */
class Watched {
  readonly ring: UpdateRing<Entry>;
  readonly taken: Entry[] = [];
  #revision = 0;
  readonly #seen = new Map<string, Seen>();
  readonly #limit: number;
  readonly #overflow: Overflow;
  readonly #saysLineages: boolean;
  missedBefore = 0;

  /** `saysLineages`: with the first of each key, and with a resync. */
  constructor(limit: number, overflow: Overflow, saysLineages: boolean) {
    this.#limit = limit;
    this.#overflow = overflow;
    this.#saysLineages = saysLineages;
    this.ring = new UpdateRing<Entry>(limit, overflow);
  }

  push(step: Extract<Step, { kind: 'push' }>): void {
    const seen = this.#seen.get(step.key);
    if (seen?.isGone) return;
    const isFirst = seen === undefined;
    const skipped = isFirst ? 0 : step.skipped;
    const filtered = isFirst ? 0 : step.filtered;
    const version = (seen?.version ?? 0) + 1 + skipped + filtered;
    let flags = isFirst ? step.begins : step.isResync ? RESYNC : 0;
    if (!isFirst && step.isLast) flags = DELETED;
    const old = filtered > 0 ? `${step.key}${version - 1} filtered` : undefined;
    if (filtered > 0) flags |= HAS_OLD;
    this.#revision += 1;
    const value = `${step.key}${version}`;
    const begins = this.#saysLineages && (isFirst || (flags & RESYNC) !== 0);
    const lineage = begins ? { epoch: value, variableId: step.key } : undefined;
    const more = { revision: this.#revision, value, old, missed: skipped, filtered, flags, lineage };
    const next = entry(step.key, version, more);
    this.missedBefore += skipped;
    assert.equal(this.ring.push(next), true);
    let newest: Entry | undefined;
    this.ring.visit((waiting) => {
      if (waiting.key === step.key) newest = waiting;
    });
    assert.equal(newest, next, 'what was pushed last is not the newest that is visited');

    const nobody = { isGone: false, from: undefined, old: undefined, lineage: undefined, heard: undefined };
    const now: Seen = seen ?? { version, waiting: [], ...nobody };
    now.version = version;
    now.lineage = lineage ?? now.lineage;
    now.isGone = (flags & DELETED_MASK) !== 0;
    // A baseline that nobody gets is still what the next one counts and chains from.
    if ((flags & BASELINE) !== 0) now.from = version;
    now.waiting.push({
      version,
      old: (flags & BASELINE) !== 0 ? value : old,
      saysOld: (flags & (BASELINE | HAS_OLD)) !== 0,
    });
    this.#seen.set(step.key, now);
    const keys = this.#seen.size;
    const most = this.#overflow === 'conflate' ? Math.max(this.#limit, keys) : this.#limit + keys;
    assert.ok(this.ring.size <= most, `${this.ring.size} wait, of limit ${this.#limit}`);
  }

  take(): boolean {
    const sizeBefore = this.ring.size;
    const next = this.ring.take();
    if (next === undefined) {
      assert.equal(sizeBefore, 0);
      for (const { lineage, heard } of this.#seen.values()) assert.equal(heard, lineage, 'a lineage was left out');
      return false;
    }
    assert.equal(this.ring.size, sizeBefore - 1);
    const seen = this.#seen.get(next.key)!;
    const isInitial = (next.flags & INITIAL) !== 0;
    assert.ok(next.revision > (this.taken.at(-1)?.revision ?? 0), 'the revision went back');
    assert.equal(next.value, `${next.key}${next.version}`);
    if (seen.from !== undefined && !isInitial && (next.flags & BASELINE) === 0) {
      assert.equal(
        next.version - seen.from,
        1 + next.missed + next.filtered,
        `missed is wrong for ${next.value as string}`,
      );
    }
    this.#checkOld(seen, next);
    seen.from = next.version;
    seen.heard = next.lineage ?? seen.heard;
    this.taken.push(next);
    return true;
  }

  #checkOld(seen: Seen, next: Entry): void {
    let expected = seen.old;
    for (let first = seen.waiting[0]; first !== undefined && first.version <= next.version; first = seen.waiting[0]) {
      if (first.saysOld && !(first.version === next.version && (next.flags & BASELINE) !== 0)) expected = first.old;
      seen.waiting.shift();
    }
    const told = (next.flags & HAS_OLD) !== 0 ? next.old : seen.old;
    assert.equal(told, expected, `the old value does not chain at ${next.value as string}`);
    seen.old = next.value;
  }

  /** One more of each key that still lives, taken at once: whatever was left out has to be told by now. */
  tellAll(): void {
    while (this.take());
    for (const [key, { isGone }] of this.#seen) {
      if (isGone) continue;
      this.push({ kind: 'push', key, skipped: 0, filtered: 0, begins: 0, isResync: false, isLast: false });
      while (this.take());
    }
  }
}

function run(watched: Watched, given: readonly Step[]): void {
  for (const step of given) {
    if (step.kind === 'take') watched.take();
    else watched.push(step);
  }
}

describe('an update ring', () => {
  for (const overflow of ['conflate', 'drop-oldest'] as const) {
    test(`${overflow}: per key versions rise, missed is exact, old values chain, revisions rise, lineages are told, and it keeps within its limit`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 12 }), fc.boolean(), steps(true), (limit, saysLineages, given) => {
          const watched = new Watched(limit, overflow, saysLineages);
          run(watched, given);
          while (watched.take());
        }),
        { numRuns: 2_000 },
      );
    });

    test(`${overflow}: what it counts as missed is what it tells in its updates`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 6 }), fc.boolean(), steps(false), (limit, saysLineages, given) => {
          const watched = new Watched(limit, overflow, saysLineages);
          run(watched, given);
          watched.tellAll();
          const told = watched.taken.reduce((sum, { missed }) => sum + missed, 0);
          assert.equal(told, watched.missedBefore + watched.ring.missedTotal);
        }),
        { numRuns: 1_000 },
      );
    });

    test(`${overflow}: a deletion is delivered whatever else is left out`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 4 }), steps(true), (limit, given) => {
          const watched = new Watched(limit, overflow, false);
          const deleted = new Set<string>();
          const seen = new Set<string>();
          for (const step of given) {
            if (step.kind === 'push') {
              if (seen.has(step.key) && step.isLast) deleted.add(step.key);
              seen.add(step.key);
            }
          }
          run(watched, given);
          while (watched.take());
          const told = watched.taken.filter(({ flags }) => (flags & DELETED_MASK) !== 0).map(({ key }) => key);
          assert.deepEqual(new Set(told), deleted);
          assert.equal(told.length, deleted.size);
        }),
      );
    });
  }

  for (const overflow of ['conflate', 'drop-oldest', 'error'] as const) {
    test(`${overflow}: a ring that is never full gives out the very entries that it took, in order`, () => {
      fc.assert(
        fc.property(fc.array(fc.option(fc.constantFrom(...KEYS)), { maxLength: 40 }), (given) => {
          const ring = new UpdateRing<Entry>(40, overflow);
          const pushed: Entry[] = [];
          const taken: Entry[] = [];
          for (const key of given) {
            if (key === null) {
              const next = ring.take();
              if (next !== undefined) taken.push(next);
              continue;
            }
            const next = Object.freeze(entry(key, pushed.length + 1));
            pushed.push(next);
            assert.equal(ring.push(next), true);
          }
          taken.push(...drain(ring));
          assert.equal(taken.length, pushed.length);
          taken.forEach((next, place) => {
            assert.equal(next, pushed[place]);
          });
          assert.equal(ring.missedTotal, 0);
        }),
      );
    });
  }

  test('error: a full ring takes nothing in and stays as it was', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.option(fc.constantFrom(...KEYS)), { maxLength: 60 }),
        (limit, given) => {
          const ring = new UpdateRing<Entry>(limit, 'error');
          const model: Entry[] = [];
          given.forEach((key, version) => {
            if (key === null) {
              assert.equal(ring.take(), model.shift());
              return;
            }
            const next = Object.freeze(entry(key, version));
            const hasRoom = model.length < limit;
            assert.equal(ring.push(next), hasRoom);
            if (hasRoom) model.push(next);
            assert.equal(ring.size, model.length);
          });
          assert.equal(ring.missedTotal, 0);
        },
      ),
    );
  });

  test('conflate: over the limit only the newest of each key is left, each at the place of its newest', () => {
    const ring = new UpdateRing<Entry>(4, 'conflate');
    for (const next of [entry('a', 1), entry('b', 1), entry('a', 2), entry('b', 2)]) ring.push(next);

    ring.push(entry('a', 3));

    const taken = drain(ring);
    assert.deepEqual(versions(taken), ['b2', 'a3']);
    assert.deepEqual(
      taken.map(({ missed }) => missed),
      [1, 2],
    );
    assert.equal(ring.missedTotal, 3);
  });

  test('conflate: once it was over the limit each push replaces its elder until the ring is empty, and then no longer', () => {
    const ring = new UpdateRing<Entry>(2, 'conflate');
    for (const next of [entry('a', 1), entry('a', 2), entry('a', 3), entry('a', 4)]) ring.push(next);
    assert.equal(ring.size, 1);
    assert.deepEqual(versions(drain(ring)), ['a4']);

    for (const next of [entry('a', 5), entry('a', 6)]) ring.push(next);

    assert.deepEqual(versions(drain(ring)), ['a5', 'a6']);
  });

  test('conflate: what comes after a deletion under its key does not replace it, and is replaced itself', () => {
    const ring = new UpdateRing<Entry>(1, 'conflate');
    for (const next of [entry('b', 1), entry('a', 1, { flags: DELETED }), entry('a', 2)]) ring.push(next);

    assert.deepEqual(versions([ring.take()!, ring.take()!]), ['b1', 'a1']);
    ring.push(entry('a', 3));

    const [last, ...others] = drain(ring);
    assert.deepEqual([last?.version, last?.missed, others.length], [3, 1, 0]);
  });

  test('conflate: a million pushes of two keys leave two entries', () => {
    const ring = new UpdateRing<Entry>(1, 'conflate');
    for (let version = 1; version <= 500_000; version += 1) {
      ring.push(entry('a', version));
      ring.push(entry('b', version));
    }
    const taken = drain(ring);
    assert.deepEqual(versions(taken), ['a500000', 'b500000']);
    assert.deepEqual(
      taken.map(({ missed }) => missed),
      [499_999, 499_999],
    );
  });

  test('drop-oldest: the oldest goes, and the next one of its key tells so', () => {
    const ring = new UpdateRing<Entry>(2, 'drop-oldest');
    for (const next of [entry('a', 1), entry('b', 1), entry('a', 2), entry('a', 3)]) ring.push(next);

    const taken = drain(ring);

    assert.deepEqual(versions(taken), ['a2', 'a3']);
    assert.deepEqual(
      taken.map(({ missed }) => missed),
      [1, 0],
    );
    ring.push(entry('b', 2));
    assert.equal(ring.take()?.missed, 1);
  });

  test('drop-oldest: a deletion at the front stays beside the newest of its limit', () => {
    const ring = new UpdateRing<Entry>(4, 'drop-oldest');
    ring.push(entry('a', 1, { flags: DELETED }));

    for (let version = 1; version <= 100; version += 1) ring.push(entry('b', version));

    assert.equal(ring.size, 5);
    assert.deepEqual(versions(drain(ring)), ['a1', 'b97', 'b98', 'b99', 'b100']);
    assert.equal(ring.missedTotal, 96);
  });

  test('drop-oldest: what says a lineage stays beside the newest of its limit, one a key, and the rest is counted as before', () => {
    const ring = new UpdateRing<Entry>(2, 'drop-oldest');
    const lineage = { epoch: 'e', variableId: 'a' };
    const newLife = { epoch: 'f', variableId: 'a' };
    ring.push(entry('a', 5, { flags: BASELINE, lineage }));
    for (let version = 6; version <= 10; version += 1) ring.push(entry('a', version));
    assert.equal(ring.size, 3);

    const first = ring.take()!;
    assert.deepEqual([first.version, first.flags, first.missed, first.lineage], [5, BASELINE, 0, lineage]);
    assert.deepEqual(
      drain(ring).map(({ version, missed, flags }) => [version, missed, flags]),
      [
        [9, 3, 0],
        [10, 0, 0],
      ],
    );

    ring.push(entry('a', 11, { lineage }));
    ring.push(entry('a', 1, { flags: RESYNC, lineage: newLife }));
    for (let version = 2; version <= 5; version += 1) ring.push(entry('a', version));

    assert.deepEqual(
      drain(ring).map(({ version, missed, flags, ...more }) => [version, missed, flags, more.lineage]),
      [
        [1, 1, RESYNC, newLife],
        [4, 2, 0, undefined],
        [5, 0, 0, undefined],
      ],
    );
  });

  test('after clear it is empty and owes nothing', () => {
    const ring = new UpdateRing<Entry>(1, 'drop-oldest');
    ring.push(entry('a', 1));
    ring.push(entry('a', 2));

    ring.clear();

    assert.equal(ring.size, 0);
    assert.equal(ring.take(), undefined);
    ring.push(entry('a', 3));
    assert.equal(ring.take()?.missed, 0);
  });

  test('an empty ring gives undefined', () => {
    assert.equal(new UpdateRing<Entry>(1, 'conflate').take(), undefined);
  });
});

describe('a newer update that speaks for its elder', () => {
  test('takes over what the elder missed and filtered, and counts the elder itself', () => {
    const newer = entry('a', 9, { missed: 1, filtered: 2 });
    assert.equal(absorb(newer, entry('a', 6, { missed: 3, filtered: 4 })), 1);
    assert.deepEqual([newer.missed, newer.filtered], [5, 6]);
  });

  for (const [name, flag] of [
    ['baseline', BASELINE],
    ['initial value', INITIAL],
  ] as const) {
    test(`does not count a ${name} as missed`, () => {
      const newer = entry('a', 2);
      assert.equal(absorb(newer, entry('a', 1, { flags: flag })), 0);
      assert.equal(newer.missed, 0);
    });
  }

  test('stays an initial value or a resync, and never becomes a baseline', () => {
    const newer = entry('a', 2);
    absorb(newer, entry('a', 1, { flags: INITIAL | RESYNC | BASELINE }));
    assert.equal(newer.flags & (INITIAL | RESYNC | BASELINE), INITIAL | RESYNC);
  });

  test('has the value of a replaced baseline as its old value', () => {
    const newer = entry('a', 2);
    absorb(newer, entry('a', 1, { flags: BASELINE, value: 'first' }));
    assert.equal(newer.flags, HAS_OLD);
    assert.equal(newer.old, 'first');
  });

  test('says the old value that the elder said, undefined too', () => {
    const newer = entry('a', 3, { old: 'not said' });
    absorb(newer, entry('a', 2, { flags: HAS_OLD, old: undefined }));
    assert.equal(newer.flags, HAS_OLD);
    assert.equal(newer.old, undefined);
  });

  test('keeps the old value that it says itself', () => {
    const newer = entry('a', 3, { flags: HAS_OLD, old: 'own' });
    absorb(newer, entry('a', 2, { flags: HAS_OLD | BASELINE, old: 'elder' }));
    assert.equal(newer.old, 'own');
  });
});

test('a ring says what it owes to a key of which nothing waits, and nothing once that was told', () => {
  const ring = new UpdateRing<RingEntry>(2, 'drop-oldest');
  const entry = (key: string, missed = 0): RingEntry => ({
    key,
    value: 1,
    old: undefined,
    missed,
    filtered: 0,
    flags: 0,
  });
  for (const [key, missed] of [
    ['a', 3],
    ['b', 0],
    ['c', 0],
  ] as const) {
    ring.push(entry(key, missed));
  }
  assert.deepEqual([ring.owed('a'), ring.owed('b')], [4, 0]);
  ring.push(entry('a'));
  for (let taken = ring.take(); taken !== undefined; taken = ring.take())
    if (taken.key === 'a') assert.equal(taken.missed, 4);
  assert.deepEqual([ring.owed('a'), ring.owed('b')], [0, 1]);
});

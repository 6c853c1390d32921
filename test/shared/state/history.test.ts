import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { versionBytes } from '../../../src/shared/state/held-bytes.js';
import type { HistoryBudget, HistoryLimits } from '../../../src/shared/state/history.js';
import {
  DEFAULT_HISTORY_LIMITS,
  History,
  LARGE_HISTORY_BYTES,
  MIN_KEPT_VERSIONS,
} from '../../../src/shared/state/history.js';
import type { VersionedValue } from '../../../src/shared/state/versioned-value.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';

function entry(version: number, timestamp = 0, value = ''): VersionedValue {
  return { version, value, timestamp, source: '', custom: EMPTY_METADATA, revision: version };
}

function limits(more: Partial<HistoryLimits> = {}): HistoryLimits {
  return { ...DEFAULT_HISTORY_LIMITS, ...more };
}

function filled(count: number, given: HistoryLimits, budget: HistoryBudget = { bytes: 0 }, first = 1): History {
  const history = new History(budget);
  for (let version = first; version < first + count; version += 1)
    history.push(entry(version, version), given, version);
  return history;
}

const versionsOf = (history: History): number[] => history.last(1_000_000).map(({ version }) => version);

const steps = fc.array(fc.record({ passesMs: fc.nat(40), length: fc.nat(200) }), { maxLength: 120 });
const anyLimits = fc.record({
  maxAgeMs: fc.nat(1_000),
  maxVersions: fc.integer({ min: 1, max: 60 }),
  maxSessionBytes: fc.nat(20_000),
});

describe('a history', () => {
  test('that older versions are put before holds what it would hold if all had been pushed, where that is more than 16', () => {
    fc.assert(
      fc.property(anyLimits, fc.nat(60), fc.nat(60), fc.nat(40), (given, before, behind, length) => {
        const budget: HistoryBudget = { bytes: 0 };
        const of = (version: number) => entry(version, version, 'x'.repeat(length));
        const [first, last] = [before + 1, before + 1 + behind];
        const history = new History(budget);
        for (let version = first; version <= last; version += 1) history.push(of(version), given, version);
        const held = history.length;
        for (let version = before; version > 0; version -= 1) history.pushBefore(of(version), given, version);

        const whole: HistoryBudget = { bytes: 0 };
        const pushed = new History(whole);
        for (let version = 1; version <= last; version += 1) pushed.push(of(version), given, version);
        const { length: kept } = history;
        assert.deepEqual(
          versionsOf(history),
          Array.from({ length: kept }, (_, index) => last - kept + 1 + index),
        );
        // The last 16 are kept over the session's bytes where they are pushed, and not got back over them.
        if (pushed.length > MIN_KEPT_VERSIONS) assert.equal(kept, Math.max(held, pushed.length));
        assert.ok(kept <= Math.max(held, pushed.length));
        let bytes = 0;
        for (const version of history.last(1_000)) bytes += versionBytes(version);
        assert.equal(budget.bytes, bytes);
        history.clear();
        assert.equal(budget.bytes, 0);
      }),
    );
  });

  test('takes before it only the version right before its oldest, and none when it is empty', () => {
    const history = filled(2, limits(), { bytes: 0 }, 5);
    for (const version of [7, 6, 5, 3, 1, 4, 4, 2]) history.pushBefore(entry(version), limits(), 0);
    assert.deepEqual(versionsOf(history), [4, 5, 6]);
    assert.equal(history.find(4)?.version, 4);
    const empty = new History({ bytes: 0 });
    empty.pushBefore(entry(1), limits(), 0);
    assert.equal(empty.length, 0);
  });

  test('holds the last versions without a gap, never less than 16 of them, and no more than its limits leave', () => {
    fc.assert(
      fc.property(anyLimits, steps, fc.integer({ min: 1, max: 1_000 }), (given, pushed, first) => {
        const budget: HistoryBudget = { bytes: 0 };
        const history = new History(budget);
        const all: VersionedValue[] = [];
        let nowMs = 0;
        for (const { passesMs, length } of pushed) {
          nowMs += passesMs;
          const next = entry(first + all.length, nowMs, 'x'.repeat(length));
          all.push(next);

          history.push(next, given, next.timestamp);

          const kept = history.last(all.length);
          assert.deepEqual(kept, all.slice(-history.length));
          assert.ok(history.length >= Math.min(all.length, MIN_KEPT_VERSIONS));
          if (history.length > MIN_KEPT_VERSIONS) {
            assert.ok(history.length <= given.maxVersions);
            assert.ok(kept[0]!.timestamp >= nowMs - given.maxAgeMs);
            assert.ok(budget.bytes <= given.maxSessionBytes);
          }
        }
      }),
    );
  });

  test('lets nothing go while no limit asks for it', () => {
    fc.assert(
      fc.property(steps, (pushed) => {
        const history = new History({ bytes: 0 });
        let nowMs = 0;
        pushed.forEach(({ passesMs, length }, place) => {
          nowMs += passesMs;
          history.push(entry(place + 1, nowMs, 'x'.repeat(length)), limits(), nowMs);
        });
        assert.equal(history.length, pushed.length);
      }),
    );
  });

  test('finds the newest entry up to a revision, where it is held', () => {
    const history = new History({ bytes: 0 });
    for (const [version, revision] of [
      [5, 10],
      [6, 13],
      [7, 20],
    ] as const) {
      history.push({ ...entry(version), revision }, limits(), 0);
    }
    const found = [9, 10, 12, 13, 19, 20, 99].map((revision) => history.upTo(revision)?.version);
    assert.deepEqual(found, [undefined, 5, 5, 6, 6, 7, 7]);
    assert.equal(new History({ bytes: 0 }).upTo(5), undefined);
  });

  test('finds exactly the versions that it holds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 0, max: 60 }),
        fc.oneof(fc.integer({ min: -100, max: 1_100 }), fc.double(), fc.constantFrom(Number.NaN, 2 ** 53, -0)),
        (first, count, version) => {
          const history = filled(count, limits({ maxVersions: 20 }), { bytes: 0 }, first);
          const held = history.last(count).find((kept) => kept.version === version);
          assert.equal(history.find(version), held);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('a version behind a hole leaves nothing before it, and every byte of that is given back', () => {
    const budget: HistoryBudget = { bytes: 0 };
    const history = filled(1, limits(), budget);
    const before = budget.bytes;

    for (let version = 6; version <= 23; version += 1) history.push(entry(version), limits(), 0);

    const held = Array.from({ length: 18 }, (_, place) => 6 + place);
    assert.deepEqual(versionsOf(history), held);
    assert.deepEqual(
      held.map((version) => history.find(version)?.version),
      held,
    );
    assert.deepEqual([history.find(1), history.upTo(1), budget.bytes], [undefined, undefined, 18 * before]);
  });

  test('keeps at most maxVersions', () => {
    assert.deepEqual(versionsOf(filled(100, limits({ maxVersions: 20 }))).slice(0, 1), [81]);
  });

  test('keeps 16 versions when fewer are allowed', () => {
    assert.deepEqual(versionsOf(filled(100, limits({ maxVersions: 1 }))).length, MIN_KEPT_VERSIONS);
  });

  test('keeps a version until it is older than maxAgeMs', () => {
    assert.equal(versionsOf(filled(100, limits({ maxAgeMs: 30 })))[0], 70);
  });

  test('shrinks while the session is over its bytes, whoever took them', () => {
    const budget: HistoryBudget = { bytes: 0 };
    const history = filled(100, limits(), budget);
    const bytesOfOne = budget.bytes / 100;
    budget.bytes += 1_000 * bytesOfOne;

    history.push(entry(101, 101), limits({ maxSessionBytes: 1_050 * bytesOfOne }), 101);

    assert.equal(history.length, 50);
  });

  test('gives the newest, oldest first, and none for a limit of 0', () => {
    const history = filled(5, limits());
    assert.deepEqual(
      history.last(2).map(({ version }) => version),
      [4, 5],
    );
    assert.deepEqual(history.last(0), []);
    assert.equal(history.last(9).length, 5);
  });

  test('shrinks to the last 16, and not below', () => {
    const budget: HistoryBudget = { bytes: 0 };
    const history = filled(20, limits(), budget);
    const before = budget.bytes;

    history.shrink(limits());
    history.shrink(limits());

    assert.deepEqual([versionsOf(history)[0], history.length], [5, MIN_KEPT_VERSIONS]);
    assert.equal(budget.bytes, (before / 20) * MIN_KEPT_VERSIONS);
  });

  test('counts the setter\u2019s map and a long source, not only the value', () => {
    const budget: HistoryBudget = { bytes: 0 };
    const history = new History(budget);
    const custom = { trace: 'x'.repeat(1_000_000) };
    for (let version = 1; version <= 400; version += 1) {
      history.push({ ...entry(version), custom }, limits({ maxSessionBytes: 16_000_000 }), version);
    }
    assert.ok(budget.bytes <= 16_000_000 && history.length >= 1 && history.length < MIN_KEPT_VERSIONS);
    const sources = filled(1, limits(), budget);
    const before = budget.bytes;
    sources.push({ ...entry(2), source: 'x'.repeat(50_000) }, limits(), 2);
    assert.ok(budget.bytes - before > 50_000);
  });

  test('goes below its last 16 only while it is large and the session is over its bytes', () => {
    const small = filled(16, limits({ maxSessionBytes: 0 }));
    assert.equal(small.length, MIN_KEPT_VERSIONS);
    const budget: HistoryBudget = { bytes: 0 };
    const large = new History(budget);
    for (let version = 1; version <= 16; version += 1) {
      large.push(entry(version, 0, 'x'.repeat(10_000)), limits({ maxSessionBytes: 1_000 }), version);
    }
    assert.ok(large.length >= 3 && budget.bytes <= LARGE_HISTORY_BYTES, `${large.length} of ${budget.bytes} bytes`);
    large.shrinkToPresent();
    assert.deepEqual(versionsOf(large), [16]);
  });

  test('gives every byte back when it is cleared', () => {
    fc.assert(
      fc.property(steps, anyLimits, (pushed, given) => {
        const budget: HistoryBudget = { bytes: 7 };
        const history = new History(budget);
        pushed.forEach(({ length }, place) => {
          history.push(entry(place + 1, place, 'x'.repeat(length)), given, place);
        });
        history.clear();
        assert.deepEqual([history.length, budget.bytes, history.find(1)], [0, 7, undefined]);
      }),
    );
  });
});

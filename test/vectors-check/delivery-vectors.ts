/**
 * What every language's version tracker, backoff, ring and conditions have to answer, as data. Path: src/shared -> [delivery vectors] -> test/vectors.
 * Questions are made here, by hand or by a die that always falls alike; the answers are those of the modules.
 */
import type { Condition } from '../../src/shared/delivery/condition.js';
import { checkCondition, meets } from '../../src/shared/delivery/condition.js';
import { conditionText } from '../../src/shared/delivery/condition-text.js';
import { BASELINE, DELETED_MASK, HAS_OLD, INITIAL, JOINED, RESYNC } from '../../src/shared/delivery/update.js';
import type { Overflow, RingEntry } from '../../src/shared/delivery/update-ring.js';
import { UpdateRing } from '../../src/shared/delivery/update-ring.js';
import { VersionTracker } from '../../src/shared/delivery/version-tracker.js';
import { Backoff } from '../../src/shared/resilience/backoff.js';
import type { VariableValue } from '../../src/shared/values/variable-type.js';

/** Numbers from 0 to below `limit`, the same in every run. */
export function dieOf(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % limit;
  };
}

type Accept = readonly [version: number, epoch: string, variableId: string, isSnapshot: boolean, inNewLife?: number];

const TRACKED: Readonly<Record<string, readonly Accept[]>> = {
  'first, next, gap': [
    [3, 'e', 'v', false],
    [4, 'e', 'v', false],
    [7, 'e', 'v', false],
  ],
  'seen already': [
    [5, 'e', 'v', true],
    [5, 'e', 'v', false],
    [4, 'e', 'v', false],
    [6, 'e', 'v', false],
  ],
  'a snapshot behind a gap is a resync, one behind none is not': [
    [1, 'e', 'v', true],
    [2, 'e', 'v', true],
    [9, 'e', 'v', true],
  ],
  'another epoch begins anew': [
    [9, 'e', 'v', false],
    [2, 'f', 'v', true],
    [3, 'f', 'v', false],
  ],
  'another variable begins anew': [
    [9, 'e', 'v', false],
    [1, 'e', 'w', false],
    [9, 'e', 'w', false],
  ],
  'a server without epochs that is behind': [
    [9, '', 'v', false],
    [2, '', 'v', false],
    [2, '', 'v', true],
    [3, '', 'v', false],
  ],
  'what a new life says itself': [
    [9, 'e', 'v', false],
    [8, 'f', 'v', true, 2],
  ],
  'an era behind a dot': [
    [2_147_483_646, 'e', 'v', false],
    [1, 'e.1', 'v', true, 0],
    [2, 'e.1', 'v', false],
  ],
  'a change of another generation goes on': [
    [9, 'e', 'v', false],
    [10, 'e~1', 'v', false],
    [11, 'e~1', 'v', true],
    [13, 'e~3', 'v', false],
  ],
  'a present value of another generation begins anew': [
    [9, 'e~1', 'v', false],
    [7, 'e~2', 'v', true, 0],
    [8, '', 'v', false],
  ],
  'a generation before an era': [
    [9, 'e~1.1', 'v', false],
    [10, 'e~2.1', 'v', false],
    [11, 'e~2.2', 'v', true, 0],
  ],
};

export function versionVectors(): unknown {
  const named = Object.entries(TRACKED).map(([name, accepts]) => ({ name, ...tracked(accepts) }));
  const die = dieOf(7);
  const thrown = Array.from({ length: 20 }, (_, place) => {
    const accepts = Array.from(
      { length: 25 },
      (): Accept => [1 + die(12), ['', 'e', 'e', 'f'][die(4)]!, ['', 'v', 'v', 'w'][die(4)]!, die(3) === 0],
    );
    return { name: `thrown ${place}`, ...tracked(accepts) };
  });
  return {
    about:
      'What a version tracker says of [version, epoch, variable id, is a snapshot, missed in a new life where it is said]: [missed or -1 for a duplicate, is a resync], one after another.',
    sequences: [...named, ...thrown],
  };
}

function tracked(accepts: readonly Accept[]): { readonly accepts: readonly Accept[]; readonly expect: unknown[] } {
  const tracker = new VersionTracker();
  const expect = accepts.map((accept) => [tracker.accept(...accept), tracker.isResync]);
  return { accepts, expect };
}

export function backoffVectors(): unknown {
  const defaults = { baseMs: 100, factor: 2, capMs: 5_000, jitter: 1, spreadMs: 100 };
  const gentle = { baseMs: 1_000, factor: 2, capMs: 30_000, jitter: 0.1, spreadMs: 100 };
  const steep = { baseMs: 1, factor: 10, capMs: 60_000, jitter: 0, spreadMs: 0 };
  const delays = [defaults, gentle, steep].flatMap((options) =>
    [0, 1, 2, 3, 6, 7, 20, 5_000, 1_000_000].flatMap((failures) =>
      [0, 0.25, 0.5, 0.999].map((chance) => {
        const delayMs = new Backoff(options, failures).delayMs({ next: () => chance });
        return { options, failures, chance, delayMs };
      }),
    ),
  );
  return { about: 'Ms until the next try after so many failures in a row, for a chance from 0 to below 1.', delays };
}

const MET: readonly (readonly [Condition, readonly (readonly [old: unknown, value: unknown])[]])[] = [
  [
    { changedBy: 1.5 },
    [
      [1, 2.5],
      [1, 2],
      [5, 3.5],
      [undefined, 9],
      ['a', 'b'],
      [1, true],
    ],
  ],
  [
    { changedBy: 0 },
    [
      [1, 1],
      [2, 3],
    ],
  ],
  [
    { changedBy: 2 },
    [
      [9007199254740993n, 9007199254740995n],
      [9007199254740993n, 9007199254740994n],
    ],
  ],
  [
    { crosses: 30 },
    [
      [29, 30],
      [30, 31],
      [31, 29],
      [undefined, 31],
      [30, 29.9],
      ['a', 31],
    ],
  ],
  [
    { gt: 3 },
    [
      [0, 3],
      [0, 4],
      [0, 'x'],
      [0, true],
      [0, 9007199254740993n],
    ],
  ],
  [
    { gte: 3 },
    [
      [0, 3],
      [0, 2.9],
    ],
  ],
  [
    { lt: 'b' },
    [
      [0, 'a'],
      [0, 'b'],
      [0, 1],
      [0, '\u{ffff}'],
      [0, '\u{10000}'],
    ],
  ],
  [{ lt: '\u{ffff}' }, [[0, '\u{10000}']]],
  [
    { lte: 1e300 },
    [
      [0, 1e300],
      [0, 2e300],
    ],
  ],
  [
    { eq: 'eco' },
    [
      [0, 'eco'],
      [0, 'boost'],
    ],
  ],
  [
    { eq: { a: [1, null, { b: true }] } as VariableValue },
    [
      [0, { a: [1, null, { b: true }] }],
      [0, { a: [1, null, { b: 1 }] }],
    ],
  ],
  [
    { eq: true },
    [
      [0, true],
      [0, 1],
      [0, false],
    ],
  ],
  [
    { eq: 0 },
    [
      [1, 0],
      [1, -0],
      [1, false],
    ],
  ],
  [
    { in: ['a', 2, true, 9007199254740993n] },
    [
      [0, 'a'],
      [0, 2],
      [0, true],
      [0, 1],
      [0, 9007199254740993n],
      [0, 9007199254740992],
    ],
  ],
  [
    { and: [{ gt: 1 }, { lt: 3 }] },
    [
      [0, 2],
      [0, 3],
      [0, 1],
    ],
  ],
  [
    { or: [{ lt: 1 }, { gt: 3 }] },
    [
      [0, 0],
      [0, 2],
      [0, 4],
    ],
  ],
  [
    { not: { or: [{ eq: 1 }, { crosses: 5 }] } },
    [
      [0, 1],
      [4, 6],
      [6, 7],
    ],
  ],
  [{ gt: Number.POSITIVE_INFINITY }, [[0, 1e308]]],
  [{ in: [-0, 1e300, 12.5, 3, 9007199254740994] }, [[0, 12.5]]],
];

export function conditionVectors(): unknown {
  return {
    about:
      'Whether a condition is met by [old, new]; an old value that is left out ("none": true) is none. "text" is how it is sent, as JSON; null where it cannot be.',
    conditions: MET.map(([condition, cases]) => ({
      condition: Object.is((condition as { gt?: unknown }).gt, Number.POSITIVE_INFINITY)
        ? { gt: 'Infinity' }
        : condition,
      text: conditionText(checkCondition(condition)) ?? null,
      cases: cases.map(([old, value]) => ({
        ...(old === undefined ? { none: true } : { old }),
        value,
        meets: meets(condition, old as VariableValue | undefined, value as VariableValue),
      })),
    })),
  };
}

const FLAGS = { INITIAL, RESYNC, BASELINE, HAS_OLD, DELETED: DELETED_MASK, JOINED } as const;

interface Entry extends RingEntry {
  readonly key: number;
  readonly value: number;
  readonly group: number;
}

export function ringVectors(): unknown {
  const rings: unknown[] = [];
  for (const overflow of ['conflate', 'drop-oldest', 'error'] as const) {
    for (const hasGroups of [false, true]) {
      for (let seed = 1; seed <= 4; seed += 1) {
        // Deletions among what is dropped: Node keeps them for a worker that takes over, Python has none.
        const isNodeAlone = overflow === 'drop-oldest' && (hasGroups ? seed <= 2 : seed === 4);
        if (!isNodeAlone) rings.push(playRing(overflow, hasGroups, seed));
      }
    }
  }
  return {
    about:
      'Rings: each step pushes [key, value, missed, filtered, flags, old, group] and says whether it was taken in, or takes (null) and says [key, value, missed, filtered, flags, old] or null. At the end: what waits, and what was missed in all.',
    rings,
  };
}

function playRing(overflow: Overflow, hasGroups: boolean, seed: number): unknown {
  const die = dieOf(seed * 31 + overflow.length + (hasGroups ? 1 : 0));
  const limit = 1 + die(4);
  const ring = new UpdateRing<Entry>(limit, overflow, hasGroups ? ({ group }) => group : undefined);
  const steps: unknown[] = [];
  let group = 0;
  for (let step = 0; step < 40; step += 1) {
    if (die(3) === 0) {
      const taken = ring.take();
      const told = taken && [
        taken.key,
        taken.value,
        taken.missed,
        taken.filtered,
        namesOf(taken.flags),
        taken.old ?? null,
      ];
      steps.push({ take: told ?? null });
      continue;
    }
    if (die(3) === 0) group += 1;
    const flags = [0, 0, 0, 0, 0, RESYNC, INITIAL, BASELINE, HAS_OLD, DELETED_MASK][die(10)]!;
    const old = (flags & HAS_OLD) === 0 ? undefined : 1_000 + step;
    const entry: Entry = { key: die(3), value: step, missed: die(3), filtered: die(2), flags, old, group };
    const push = [entry.key, entry.value, entry.missed, entry.filtered, namesOf(flags), old ?? null, group];
    steps.push({ push, isTaken: ring.push(entry) });
  }
  const end = [ring.size, ring.missedTotal, ring.missedWaiting(), ring.filteredWaiting(), ring.isIdle];
  return { overflow, hasGroups, limit, steps, end };
}

function namesOf(flags: number): string[] {
  return Object.entries(FLAGS).flatMap(([name, flag]) => ((flags & flag) === 0 ? [] : [name]));
}

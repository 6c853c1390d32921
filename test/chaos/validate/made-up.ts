/** Histories that never happened: a good one to begin with, and what a test changes of it. */
import type { CallEntry, History, SetRecord, WatchRecord, WatchTraits } from '../history/history.js';
import { emptyHistory } from '../history/history.js';
import type { Tag } from '../history/value-tag.js';
import { judge } from './judge.js';

export const SESSION = 'made-up';
/** Variables 0 and 1 stand alone, 2 and 3 are set together. */
export const VARIABLES = ['a', 'b', 'leg-0', 'leg-1'];

export const idOf = (variable: number, life = 0): string => `id-${variable}-${life}`;

/** The value of a variable's nth version in its first life; of a later one with `life`. */
export const tagOf = (variable: number, version: number, life = 0): Tag => ({
  ...{ session: 0, variable },
  seq: life * 1_000 + (variable >= 2 ? 0 : variable * 100) + version,
});

const TRAITS: WatchTraits = {
  ...{ form: 'callback', includeInitial: false, filter: 'none', above: undefined, isRateLimited: false },
  ...{
    waitsForMissing: false,
    pattern: undefined,
    overflow: 'conflate',
    isAtomic: false,
    isOneStream: true,
    staleAfterMs: 0,
  },
};

/** Each variable was registered, and then set up to version 4: at 10, 20, 30. */
export function goodHistory(): History {
  const variables = VARIABLES.map((name) => ({ name, isLeg: name.startsWith('leg') }));
  const history = emptyHistory([{ sessionId: SESSION, variables }], {
    ...{ hasFaults: false, isDurable: false, isGapless: false, callTimeoutMs: 4_000, mayExpire: false, servers: 1 },
  });
  const places = VARIABLES.map((_, variable) => variable);
  for (const variable of places) {
    const registration = { tag: tagOf(variable, 1), startMs: 1, endMs: 2, id: idOf(variable), error: undefined };
    history.registrations.push(registration);
    for (const version of [2, 3, 4]) history.sets.push(setOf(variable, version));
  }
  history.quiet = {
    atMs: 100,
    variables: places.map((variable) => ({
      ...{ session: 0, variable, id: idOf(variable), version: 4, tag: tagOf(variable, 4), isNumber: true },
      kept: [1, 2, 3, 4].map((version) => ({ version, tag: tagOf(variable, version) })),
    })),
    watchers: [],
  };
  return history;
}

export function setOf(variable: number, version: number, changes: Partial<SetRecord> = {}): SetRecord {
  const startMs = (version - 1) * 10;
  return {
    ...{
      tag: tagOf(variable, version),
      setter: 'state 0',
      startMs,
      isRepeat: false,
      expectedVersion: undefined,
      isByLink: true,
    },
    ...{ endMs: startMs + 1, version, error: undefined, ...changes },
  };
}

/** The change from the version before; `turn` is the version, as if each came alone. */
export function callOf(variable: number, version: number, changes: Partial<CallEntry> = {}): CallEntry {
  return {
    ...{ kind: 'call', identifier: VARIABLES[variable]!, isForeign: false, version, turn: version, revision: version },
    ...{ old: tagOf(variable, version - 1), now: tagOf(variable, version), missed: 0, initial: false, resync: false },
    ...{ deleted: undefined, sessionId: SESSION, variableId: idOf(variable), ...changes },
  };
}

/** Live since 5, of the variables named. */
export function watchOf(
  variables: readonly number[],
  entries: readonly WatchRecord['entries'][number][],
  traits: Partial<WatchTraits> = {},
): WatchRecord {
  const identifiers = new Map(variables.map((variable) => [VARIABLES[variable]!, variable]));
  return {
    ...{ label: 'w0', state: 'state 0', session: 0, identifiers, firstIdentifiers: [...identifiers.keys()] },
    ...{ startMs: 4, readyMs: 5, traits: { ...TRAITS, ...traits } },
    entries: [{ kind: 'state', state: 'live', atMs: 5, turn: 0 }, ...entries],
    quietEntries: undefined,
  };
}

/** The rules that a watch breaks in an otherwise good history; with a change of that. */
export function rulesBroken(
  watch: WatchRecord | undefined,
  change: (history: History) => void = () => undefined,
): string[] {
  const history = goodHistory();
  if (watch !== undefined) history.watches.push(watch);
  change(history);
  return [...new Set(judge(history).map(({ rule }) => rule))].sort();
}

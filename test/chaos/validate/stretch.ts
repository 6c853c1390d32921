/** One identifier of one watch, from when it was asked for until it was given up or the life ended: what order and chain are promised over. */
import type { CallEntry, WatchRecord } from '../history/history.js';

export interface Stretch {
  readonly watch: WatchRecord;
  readonly identifier: string;
  /** Place of the variable in its session. */
  readonly variable: number;
  /** When it was registered; undefined when that was never said. */
  readyMs: number | undefined;
  readonly calls: CallEntry[];
  /** Not removed, and its watch neither stopped nor over. */
  isOpen: boolean;
}

/** In the order in which they began. */
export function stretchesOf(watch: WatchRecord): Stretch[] {
  const all: Stretch[] = [];
  const open = new Map<string, Stretch>();
  /** Being removed: what still comes is theirs, also when they are added again behind it. */
  const leaving = new Map<string, Stretch>();
  let isEnding = false;
  const begin = (identifier: string, readyMs: number | undefined) => {
    const present = open.get(identifier);
    // One that was told as deleted is added anew: another variable under its name.
    if (present !== undefined && !isGone(present)) return;
    if (present !== undefined) present.isOpen = false;
    const variable = watch.identifiers.get(identifier) ?? -1;
    const stretch: Stretch = { watch, identifier, variable, readyMs, calls: [], isOpen: !isEnding };
    open.set(identifier, stretch);
    all.push(stretch);
  };
  const end = (identifier: string) => {
    const stretch = open.get(identifier);
    if (stretch !== undefined) stretch.isOpen = false;
    open.delete(identifier);
  };
  const stretchOf = (call: CallEntry): Stretch | undefined => {
    const left = leaving.get(call.identifier);
    let next = open.get(call.identifier);
    // What fits a pattern is another variable when it comes back.
    if (watch.traits.pattern !== undefined && next !== undefined && isGone(next)) {
      end(call.identifier);
      begin(call.identifier, watch.readyMs);
      next = open.get(call.identifier);
    }
    // An initial value behind others begins what was added: from there on nothing of before can come.
    if (left !== undefined && next !== undefined && call.initial && left.calls.length > 0)
      leaving.delete(call.identifier);
    return leaving.get(call.identifier) ?? next;
  };
  for (const identifier of watch.firstIdentifiers) begin(identifier, watch.readyMs);
  for (const entry of watch.entries) {
    if (entry.kind === 'call') stretchOf(entry)?.calls.push(entry);
    else if (entry.kind === 'adding') {
      for (const identifier of entry.identifiers) {
        const before = open.get(identifier);
        // What is gone can be asked for anew.
        if (before !== undefined && isGone(before)) end(identifier);
        begin(identifier, undefined);
      }
    } else if (entry.kind === 'added') {
      for (const identifier of entry.identifiers) {
        const stretch = open.get(identifier);
        // An older add, that the removal has followed, says nothing of the new stretch.
        if (stretch === undefined || leaving.has(identifier)) continue;
        stretch.readyMs ??= entry.atMs;
      }
    } else if (entry.kind === 'removing') {
      for (const identifier of entry.identifiers) {
        const stretch = open.get(identifier);
        if (stretch !== undefined) leaving.set(identifier, stretch);
        end(identifier);
      }
    } else if (entry.kind === 'removed') for (const identifier of entry.identifiers) leaving.delete(identifier);
    else if (entry.kind === 'stopping' || (entry.kind === 'state' && isOver(entry.state))) {
      isEnding = true;
      for (const stretch of open.values()) stretch.isOpen = false;
    }
  }
  return all;
}

/** As it was at the quiet point: what ends it afterwards does not excuse it. */
export function atQuiet(watch: WatchRecord): WatchRecord {
  return { ...watch, entries: watch.entries.slice(0, watch.quietEntries) };
}

/** Told to be gone: nothing comes after it. */
export function isGone({ calls }: Stretch): boolean {
  return calls.some(({ deleted }) => deleted !== undefined);
}

/** Each version it is called with, or told as missed: nothing is kept from it by its own wish. */
export function getsAll({ watch: { traits } }: Stretch): boolean {
  return traits.filter === 'none' && !traits.isRateLimited;
}

/** Where a violation is, to be read. */
export function placeOf({ watch, identifier }: Stretch): string {
  return `watch ${watch.label}, "${identifier}"`;
}

/** Of a watch: it comes back no more. */
export function isOver(state: string): boolean {
  return state === 'stopped' || state === 'failed';
}

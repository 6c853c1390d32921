/** Promise 11: after each turn of the event loop an atomic watch knows one state of the variables that are only set together. */
import type { CallEntry, History, WatchRecord } from '../history/history.js';
import type { Truth } from './truth.js';
import type { Violation } from './violation.js';

export function atomicTurnsAreWhole(watch: WatchRecord, history: History, truth: Truth): Violation[] {
  const { isAtomic, filter, isRateLimited, form } = watch.traits;
  const isChanged = watch.entries.some(({ kind }) => kind === 'adding' || kind === 'removing');
  if (!isAtomic || filter !== 'none' || isRateLimited || form === 'iterator' || isChanged) return [];
  const { variables } = history.sessions[watch.session]!;
  const violations: Violation[] = [];
  const known = new Map<string, { readonly seq: number; readonly epoch: number }>();
  let turn = -1;
  const endTurn = () => {
    const torn = tornIn([...known.values()]);
    if (torn === undefined) return;
    const sentence = `watch ${watch.label} knows halves of batches ${torn.join(' and ')} after turn ${turn}`;
    violations.push({ rule: '11-atomic-turns-are-whole', sentence });
  };
  for (const entry of watch.entries) {
    if (entry.kind !== 'call' || !isLeg(entry)) continue;
    if (entry.turn !== turn) endTurn();
    turn = entry.turn;
    const epoch = truth.epochOf(entry.variableId);
    if (entry.now === undefined || epoch === undefined) known.delete(entry.identifier);
    else known.set(entry.identifier, { seq: entry.now.seq, epoch });
  }
  endTurn();
  return violations;

  function isLeg({ identifier }: CallEntry): boolean {
    return variables[watch.identifiers.get(identifier) ?? -1]?.isLeg === true;
  }
}

/** Two batches of one life of the server, when there are two. Of an earlier life something may be known still: it is registered one by one. */
function tornIn(known: readonly { readonly seq: number; readonly epoch: number }[]): number[] | undefined {
  const byEpoch = new Map<number, Set<number>>();
  for (const { seq, epoch } of known) byEpoch.set(epoch, (byEpoch.get(epoch) ?? new Set()).add(seq));
  for (const seqs of byEpoch.values()) if (seqs.size > 1) return [...seqs];
  return undefined;
}

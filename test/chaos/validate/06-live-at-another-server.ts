/** Promise 6, with several servers: when one is in trouble, its watches are live at another within 2 s. */
import type { FaultRecord, History, WatchRecord } from '../history/history.js';
import { isOver } from './stretch.js';
import type { Violation } from './violation.js';

export function liveAtAnotherServer(watch: WatchRecord, history: History): Violation[] {
  if (history.servers < 2) return [];
  const violations: Violation[] = [];
  let brokenMs: number | undefined;
  let wasLive = false;
  const end = (atMs: number) => {
    if (brokenMs !== undefined) violations.push(...judge(watch, brokenMs, atMs, history.faults));
    brokenMs = undefined;
  };
  for (const entry of watch.entries.slice(0, watch.quietEntries)) {
    if (entry.kind === 'stopping') return violations;
    if (entry.kind !== 'state') continue;
    // Its last variable was deleted, or it may not go on.
    if (isOver(entry.state)) return violations;
    if (entry.state === 'live' || entry.state === 'stale') {
      end(entry.atMs);
      wasLive = true;
    } else if (wasLive) brokenMs ??= entry.atMs;
  }
  if (history.quiet !== undefined) end(history.quiet.atMs);
  return violations;
}

function judge(watch: WatchRecord, brokenMs: number, liveMs: number, faults: readonly FaultRecord[]): Violation[] {
  const tookMs = liveMs - brokenMs;
  const meanwhile = faults.filter(
    ({ startMs, endMs }) => startMs < liveMs && (endMs ?? liveMs) + RECOVERY_MS > brokenMs - LIVE_AGAIN_MS,
  );
  // Nobody is whole where what they share is away, or where each has a fault of its own.
  const places = new Set(meanwhile.map(({ at }) => at));
  if (tookMs <= LIVE_AGAIN_MS || places.has('engine') || places.size > 1) return [];
  const kinds = [...new Set(meanwhile.map(({ kind, at }) => `${kind} of server ${at}`))].join(', ');
  const sentence = `watch ${watch.label}: live again after ${Math.round(tookMs)} ms, with ${kinds || 'no fault'}`;
  return [{ rule: '06-live-at-another-server', sentence }];
}

const LIVE_AGAIN_MS = 2_000;
/** A server that listens again has clients to take first. */
const RECOVERY_MS = 1_000;

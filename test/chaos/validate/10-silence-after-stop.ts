/** Promise 10: when `stop()` or `remove()` has resolved, or the watch has failed, no call happens any more. */
import type { WatchRecord } from '../history/history.js';
import type { Violation } from './violation.js';

export function silenceAfterStop(watch: WatchRecord): Violation[] {
  const violations: Violation[] = [];
  let over: string | undefined;
  const leaving = new Set<string>();
  const removed = new Set<string>();
  for (const entry of watch.entries) {
    switch (entry.kind) {
      case 'stopped':
        over = 'stop() had resolved';
        break;
      case 'state':
        // A loop takes what waits for it; a callback is not called again.
        if (watch.traits.form === 'callback' && (entry.state === 'stopped' || entry.state === 'failed'))
          over ??= `it was told ${entry.state}`;
        break;
      case 'adding':
        for (const identifier of entry.identifiers) {
          leaving.delete(identifier);
          removed.delete(identifier);
        }
        break;
      case 'removing':
        for (const identifier of entry.identifiers) leaving.add(identifier);
        break;
      case 'removed':
        // Unless it was asked for again meanwhile.
        for (const identifier of entry.identifiers) if (leaving.delete(identifier)) removed.add(identifier);
        break;
      case 'call': {
        const why = over ?? (removed.has(entry.identifier) ? 'remove() had resolved' : undefined);
        if (why === undefined) break;
        const sentence = `watch ${watch.label} was called for "${entry.identifier}", version ${entry.version}, after ${why}`;
        violations.push({ rule: '10-silence-after-stop', sentence });
        break;
      }
      default:
    }
  }
  return violations;
}

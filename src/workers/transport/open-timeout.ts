/** How long the server may take to register a feed. Path: [open timeout] -> stream carrier, link carrier. */
import type { BridgeConfig } from '../../shared/port/commands.js';

/** Ms; `attempt`: how often it failed to open in a row. */
export function openTimeoutMs(
  { limits }: Pick<BridgeConfig, 'limits'>,
  { hasBeenLive }: { readonly hasBeenLive: boolean },
  attempt: number,
): number {
  // A network too slow for one attempt is given more time by the next: a watch that was live has to come back.
  const factor = hasBeenLive ? 2 ** Math.min(attempt, MAX_DOUBLINGS) : 1;
  return Math.min(limits.openTimeoutMs * factor, 2 ** 31 - 1);
}

/** Of the open timeout: 16 times as long at most. */
const MAX_DOUBLINGS = 4;

/** What the next stream of a feed asks the server for, and how large that may become. Path: [resume request] -> carrier. */
import type { VariableFeed } from './variable-feed.js';

export interface FeedRequest {
  readonly identifiers: readonly string[];
  /** Last versions by variable id, when all belong to `resumeEpoch`. */
  readonly resume: Readonly<Record<string, number>> | undefined;
  readonly resumeEpoch: string;
  readonly waitForMissing: boolean;
  /** A `synced` mark behind what the server has to say at first. */
  readonly wantsMark: boolean;
  /** Changes set atomically say whether more of them follow. */
  readonly keepsBatches: boolean;
}

export interface RequestOptions {
  readonly waitForMissing: boolean;
  readonly keepsBatches: boolean;
  /** The epoch that the connection said, '' when it said none. */
  readonly serverEpoch: string;
}

export function feedRequest(
  variables: Iterable<VariableFeed>,
  { waitForMissing, keepsBatches, serverEpoch }: RequestOptions,
): FeedRequest {
  const identifiers: string[] = [];
  const resume: Record<string, number> = {};
  let resumeEpoch: string | undefined;
  let canResume = true;
  for (const { identifier, tracker, isGone } of variables) {
    if (isGone) continue;
    identifiers.push(identifier);
    if (tracker.version === 0) continue;
    if (tracker.epoch === '' || tracker.variableId === '') canResume = false;
    resumeEpoch ??= tracker.epoch;
    if (resumeEpoch !== tracker.epoch) canResume = false;
    resume[tracker.variableId] = tracker.version;
  }
  const isResuming = canResume && resumeEpoch !== undefined;
  // A server that lost its state gets its variables back from whoever sets them: the watch outlives that.
  const hasLostState = resumeEpoch !== undefined && serverEpoch !== '' && !isSameServer(resumeEpoch, serverEpoch);
  const waits = waitForMissing || hasLostState;
  return {
    identifiers,
    resume: isResuming ? resume : undefined,
    resumeEpoch: isResuming ? resumeEpoch! : '',
    waitForMissing: waits,
    // Present values that all come need no mark behind them.
    wantsMark: serverEpoch !== '' && (isResuming || waits),
    keepsBatches,
  };
}

/** Whether an epoch, or an era within it (`epoch.n`), is that of a server. */
export function isSameServer(epoch: string, serverEpoch: string): boolean {
  return epoch === serverEpoch || epoch.startsWith(`${serverEpoch}.`);
}

/** What the next stream of a feed asks the server for, and how large that may become. Path: [resume request] -> carrier. */
import { isSameLife, isSameLineage, parseEpoch } from '../../shared/wire/epoch-text.js';
import type { VariableFeed } from './variable-feed.js';

export interface FeedRequest {
  readonly identifiers: readonly string[];
  readonly patterns: readonly string[];
  /** Last versions by variable id, of those that belong to `resumeEpoch`. */
  readonly resume: Readonly<Record<string, number>> | undefined;
  readonly resumeEpoch: string;
  /** Instead: everything up to this revision of the session has come, of all that it asks for. */
  readonly fromRevision?: number;
  readonly waitForMissing: boolean;
  /** A `synced` mark behind what the server has to say at first. */
  readonly wantsMark: boolean;
  /** Of variables that `resume` does not name nothing was told: their present values are initial. */
  readonly unseenAreInitial: boolean;
  /** Changes set atomically say whether more of them follow. */
  readonly keepsBatches: boolean;
  /** For a carrier whose server asks it; left out where there is none, or it cannot be said. */
  readonly condition?: string;
}

export interface RequestOptions {
  /** Instead of the variables' identifiers. */
  readonly patterns: readonly string[];
  /** Where patterns and names that wait were asked before; '' when they were not, or at a server that says none. */
  readonly epochBefore: string;
  readonly waitForMissing: boolean;
  /** It wants initial values, and was never in step. */
  readonly awaitsInitial: boolean;
  readonly keepsBatches: boolean;
  /** The epoch that the connection said, '' when it said none. */
  readonly serverEpoch: string;
  /** Where a link of that server was when it ended with the feed in step; undefined for a carrier that takes no revisions. */
  readonly position: Position | undefined;
}

/** Everything up to a revision of the session, of one epoch. */
export interface Position {
  readonly epoch: string;
  readonly revision: number;
}

export function feedRequest(
  variables: readonly VariableFeed[],
  { patterns, epochBefore, waitForMissing, awaitsInitial, keepsBatches, serverEpoch, position }: RequestOptions,
): FeedRequest {
  if (position !== undefined && position.epoch === serverEpoch && areAllOf(position.epoch, variables)) {
    return {
      ...{ identifiers: patterns.length === 0 ? left(variables) : [], patterns, keepsBatches, waitForMissing },
      ...{ resume: undefined, resumeEpoch: '', fromRevision: position.revision, wantsMark: true },
      unseenAreInitial: false,
    };
  }
  const identifiers: string[] = [];
  let ofServer: string | undefined;
  let ofOthers: string | undefined;
  let canResume = true;
  for (const { identifier, tracker, isGone } of variables) {
    if (isGone) continue;
    if (patterns.length === 0) identifiers.push(identifier);
    const { version, epoch, variableId } = tracker;
    if (version === 0) continue;
    if (epoch === '' || variableId === '') canResume = false;
    if (serverEpoch === '' || !isSameLife(epoch, serverEpoch)) ofOthers ??= epoch;
    else if (ofServer === undefined) ofServer = epoch;
    else if (!isSameLineage(ofServer, epoch)) canResume = false;
    // What was seen in the earlier generation may be lost, whatever came since.
    else if (parseEpoch(epoch).generation < parseEpoch(ofServer).generation) ofServer = epoch;
  }
  // Of a server that lost its state some may have come back and others not: those are left out, and told from the first version of their new life.
  const resumeEpoch = ofServer ?? ofOthers ?? (epochBefore === '' ? undefined : epochBefore);
  const isResuming = canResume && resumeEpoch !== undefined;
  const resume: Record<string, number> = {};
  if (isResuming) {
    for (const { tracker, isGone } of variables) {
      if (!isGone && tracker.version > 0 && isSameLineage(tracker.epoch, resumeEpoch)) {
        resume[tracker.variableId] = tracker.version;
      }
    }
  }
  // A server that lost its state gets its variables back from whoever sets them: the watch outlives that.
  const hasLostState = serverEpoch !== '' && ofOthers !== undefined;
  const waits = waitForMissing || hasLostState;
  return {
    identifiers,
    patterns,
    resume: isResuming ? resume : undefined,
    resumeEpoch: isResuming ? resumeEpoch : '',
    waitForMissing: waits,
    // Present values that all come need no mark behind them.
    wantsMark: serverEpoch !== '' && (isResuming || waits || patterns.length > 0),
    // A name that is not waited for is told so anyway.
    unseenAreInitial: isResuming && awaitsInitial && (waits || patterns.length > 0),
    keepsBatches,
  };
}

/** A version of that epoch has come of each that is not gone, and each is asked for by its name: an id alone does not say that no other is named like it. */
function areAllOf(epoch: string, variables: readonly VariableFeed[]): boolean {
  return variables.every(
    ({ isGone, identifier, tracker }) =>
      isGone || (tracker.version > 0 && tracker.epoch === epoch && tracker.variableId !== identifier),
  );
}

function left(variables: readonly VariableFeed[]): string[] {
  return variables.filter(({ isGone }) => !isGone).map(({ identifier }) => identifier);
}

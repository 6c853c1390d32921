/** What the server counts, as one plain object. */
import type { ServerContext } from './server-context.js';

/** Counts since the start where the name says a past deed, else at this moment. */
export interface BridgeServerMetrics {
  readonly sessions: number;
  readonly variables: number;
  /** Pairs of stream and variable, and names and patterns that wait. */
  readonly observers: number;
  /** Watches that are carried now, each by a stream of its own or with others by a link. */
  readonly streams: number;
  /** Links that are open now: one a worker and session of a client. */
  readonly links: number;
  /** Variables that were set, to an equal value too. */
  readonly setsTotal: number;
  /** Changes, whether anybody watched or not. */
  readonly updatesPublished: number;
  /** Updates given to links and streams, initial values and replays included. */
  readonly updatesSent: number;
  /** Updates that slow streams did not get; the next one told them by `missed`. */
  readonly updatesConflated: number;
  readonly slowStreamsCut: number;
  readonly observersFailed: number;
  /** Calls that ended with a status other than OK. */
  readonly callsFailed: number;
  /** Of these, calls that a quota or budget refused. */
  readonly callsRefused: number;
  /** Bytes that sessions hold, histories too, by estimate: of `maxTotalBytes`. */
  readonly heldBytes: number;
  /** 1 while the engine takes sets, 0 while its disk is full or it does not know what it kept. */
  readonly engineReady: number;
  /** Groups of sets that are not kept yet. */
  readonly engineWaiting: number;
  /** Of the engine: each keeps everything that had come until then. 0 with one that keeps at once, as all further ones are. */
  readonly engineTransactions: number;
  readonly engineChanges: number;
  /** From a set to kept, ms: of the last 1,024 transactions, and the sum of all. */
  readonly engineCommitMsP50: number;
  readonly engineCommitMsP99: number;
  readonly engineCommitMsSum: number;
  /** The engine's own part of it. */
  readonly engineSyncMsP50: number;
  readonly engineSyncMsP99: number;
  /** Of its files. */
  readonly engineBytes: number;
  /** Changes that a start would read again. */
  readonly engineJournalChanges: number;
  /** Ms since the engine was last ready; 0 while it is. */
  readonly engineAwayMs: number;
  /** Of an engine that servers share, else 0: from what it answered to known here by its log. */
  readonly engineTailMsP50: number;
  readonly engineTailMsP99: number;
  /** Revisions that were answered and that its log has not brought yet. */
  readonly engineTailRevisions: number;
  /** Calls meant for a primary that is none any more. */
  readonly engineFenced: number;
  /** Times that another primary was found. */
  readonly engineTakeovers: number;
  /** Sessions of which something was lost that had been told. */
  readonly engineForks: number;
  /** Sessions of which somebody had deleted or spoilt something in Redis that could be made good. */
  readonly engineMends: number;
  /** Sets sent again that had been made. */
  readonly engineWindowHits: number;
  /** Of an engine over a cluster: primaries that do not answer. */
  readonly enginePrimariesAway: number;
  /** Bytes of requests that are not whole or not answered yet: of `maxRequestBytes`. */
  readonly requestBytes: number;
}

export function readMetrics({
  options,
  clock,
  store,
  observers,
  watchStreams,
  requests,
  counters,
}: ServerContext): BridgeServerMetrics {
  const { health, stats } = options.engine;
  let variables = 0;
  for (const session of store.sessions()) variables += session.size;
  return {
    sessions: store.size,
    variables,
    observers: observers.size,
    streams: watchStreams.size,
    links: watchStreams.links,
    setsTotal: counters.sets,
    updatesPublished: observers.published,
    updatesSent: counters.updatesSent,
    updatesConflated: counters.updatesConflated,
    slowStreamsCut: counters.slowStreamsCut,
    observersFailed: observers.failed,
    callsFailed: counters.callsFailed,
    callsRefused: counters.callsRefused,
    heldBytes: store.heldBytes,
    engineReady: health.state === 'ready' ? 1 : 0,
    engineWaiting: stats.waiting,
    engineTransactions: stats.transactions,
    engineChanges: stats.changes,
    engineCommitMsP50: stats.commitMs?.p50 ?? 0,
    engineCommitMsP99: stats.commitMs?.p99 ?? 0,
    engineCommitMsSum: stats.commitMs?.sum ?? 0,
    engineSyncMsP50: stats.syncMs?.p50 ?? 0,
    engineSyncMsP99: stats.syncMs?.p99 ?? 0,
    engineBytes: stats.bytes,
    engineJournalChanges: stats.journalChanges,
    engineAwayMs: health.state === 'ready' ? 0 : Math.round(clock.nowMs() - health.sinceMs),
    engineTailMsP50: stats.shared?.tailMs.p50 ?? 0,
    engineTailMsP99: stats.shared?.tailMs.p99 ?? 0,
    engineTailRevisions: stats.shared?.tailRevisions ?? 0,
    engineFenced: stats.shared?.fenced ?? 0,
    engineTakeovers: stats.shared?.takeovers ?? 0,
    engineForks: stats.shared?.forks ?? 0,
    engineMends: stats.shared?.mends ?? 0,
    engineWindowHits: stats.shared?.windowHits ?? 0,
    enginePrimariesAway: stats.shared?.primaries.filter(({ isReady }) => !isReady).length ?? 0,
    requestBytes: requests.bytes,
  };
}

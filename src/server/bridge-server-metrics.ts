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
  /** Bytes of requests that are not whole or not answered yet: of `maxRequestBytes`. */
  readonly requestBytes: number;
}

export function readMetrics({
  store,
  observers,
  watchStreams,
  requests,
  counters,
}: ServerContext): BridgeServerMetrics {
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
    requestBytes: requests.bytes,
  };
}

/** The seam between a connection and what carries its watches; one carrier a connection, made anew with it. Path: connection -> [carrier] -> HTTP/2. */
import type { BridgeError } from '../../shared/errors.js';
import type { UpdateMessage } from '../../shared/wire/update-message.js';
import type { FeedRequest } from '../watch/resume-request.js';
import type { PooledChannel } from './channel-pool.js';

/** One upstream interest, as a carrier sees it. Owner: its subscription. */
export interface CarriedFeed {
  /** Heartbeats that it needs, ms; 0 = the server's own pace. */
  readonly heartbeatMs: number;
  /** Silence that makes it stale, ms; 0 = none does. */
  readonly staleAfterMs: number;
  readonly hasBeenLive: boolean;
  /** For sentences: a few of its identifiers. */
  readonly subject: string;
  /** What to ask for now. `serverEpoch` is the one that the connection said, '' when it said none; `takesRevisions`: it may say by a revision where it was. */
  request(serverEpoch: string, takesRevisions: boolean): FeedRequest;
  /** What carried it ends, and everything up to this revision of the session has come by it. */
  handlePosition(epoch: string, revision: number): void;
  /** Told to whoever watches; it goes on. */
  handleTrouble(error: BridgeError): void;
  /** The epoch is another from here on; in the same life, all that was told is kept in it. */
  handleEpoch(epoch: string): void;
  handleOpening(): void;
  /** The server has registered it; `isAskedThere`: with the condition of its request. */
  handleRegistered(epoch: string, nowMs: number, isAskedThere?: boolean): void;
  /** By a stream: bytes of one VariableUpdate. */
  handleMessage(bytes: Uint8Array, nowMs: number): void;
  /** By a link: an update, read. */
  handleUpdate(update: UpdateMessage, nowMs: number): void;
  handleMark(kind: string, nowMs: number): void;
  /** By a link whose server asks conditions. */
  handleKept(variableId: string, version: number): void;
  /** By a link, after so long a silence that it may be stale: the server was heard. */
  handleWord(nowMs: number): void;
}

export type CarrierKind = 'link' | 'stream';

/** What the connection knows of its server. */
export interface CarrierServer {
  readonly epoch: string;
  /** Largest request and message, bytes. */
  readonly maxBytes: number;
}

/** How a feed's stream ended, without our wish. */
export interface FeedEnd {
  readonly error: BridgeError;
  /** gRPC status. */
  readonly status: number;
  /** Of the `bridge-error` trailer. */
  readonly trailer: string | undefined;
  /** How long it had been registered, ms; 0 when it never was. */
  readonly liveForMs: number;
  /** Whether the connection that it was on stands. Asked a turn later: a lost connection says so behind its streams. */
  isConnectionReady(): boolean;
}

/** Decides what is retried; a carrier never does. */
export interface CarrierOwner {
  handleFeedRegistered(feed: CarriedFeed): void;
  /** By a link: the server was heard, whatever it said; a few times a second at most. */
  handleHeard(atMs: number): void;
  /** Once an opening; nothing follows. */
  handleFeedEnded(feed: CarriedFeed, end: FeedEnd): void;
  /** Its feeds have been told before; what else it carried returns with the next. `trailer`: the code of the server. */
  handleLinkEnded(error: BridgeError, trailer: string | undefined): void;
  /** The server has no link: nothing of what was opened on it ended. */
  handleNoLink(): void;
  /** The server goes, and what it carries ends behind this: its clients shall return spread over so many ms. */
  handleDraining(spreadMs: number): void;
  /** Where the servers over its state are reached, those first that shall serve the session. */
  handleServers(servers: readonly string[]): void;
}

export interface Carrier {
  readonly kind: CarrierKind;
  /** When the server spoke last on what carries all its feeds, ms; 0 where each has a stream of its own. */
  readonly heardAtMs: number;
  /** Resolves when it is known what conditions kept out so far, or nobody says so before long; undefined where the server asks none. */
  askKept?(): Promise<void> | undefined;
  /** `attempt`: how often this feed failed to open in a row. */
  open(feed: CarriedFeed, attempt: number): void;
  /** Ends it at the server too; nothing is delivered from now on. */
  close(feed: CarriedFeed): void;
  /** Streams that carry feeds, those that are about to end too. */
  readonly streams: number;
  /** The channel is not to be used any more: what it carried is told, and cancelled for our part. */
  handleChannelLost(channel: PooledChannel, error: BridgeError): void;
  /** Ends all: the connection goes. Returns the feeds that were open. */
  end(): CarriedFeed[];
}

/** What a way to a server offers, whichever it is: open a watch, call, and tell what happens. Path: slot -> [transport] -> stream transport (the link comes later). */
import type { BridgeError } from '../../shared/errors.js';
import type { MethodName, RequestOf, ResponseOf } from '../../shared/wire/services.js';
import type { WatchFeed } from '../watch/watch-feed.js';

/** One watch as its transport sees it. Owner: the subscription. */
export interface TransportWatch {
  readonly consumer: WatchFeed;
  /** Heartbeats that it needs, ms; 0 = the server's own pace. */
  readonly heartbeatMs: number;
  /** The server has registered it, for the first time or again. */
  handleRegistered(): void;
  /** It will not come back: refused, or retried in vain. */
  handleRefused(error: BridgeError): void;
}

export interface ServerFacts {
  /** '' when the server says none: it isn't ours. */
  readonly epoch: string;
  readonly allowsPings: boolean;
}

/** An answer, with the code of a refusal that came with `success = false`. */
export interface Answer<M extends MethodName> {
  readonly response: ResponseOf<M>;
  readonly errorCode: string | undefined;
}

export interface Transport {
  /** First contact: the session is there afterwards. @throws BridgeError when no endpoint takes us, unless it `keepsTrying` */
  open(keepsTrying: boolean): Promise<ServerFacts>;
  openWatch(watch: TransportWatch): void;
  /** Ends it at the server too; nothing is delivered from now on. */
  closeWatch(watch: TransportWatch): void;
  /** @throws BridgeError; UnknownOutcomeError when a change may or may not have been made */
  call<M extends MethodName>(method: M, request: RequestOf<M>, isChange: boolean): Promise<Answer<M>>;
  /** Of the server that answered last. */
  readonly facts: ServerFacts;
  readonly channels: number;
  readonly streams: number;
  close(): Promise<void>;
}

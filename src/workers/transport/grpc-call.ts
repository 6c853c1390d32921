/**
 * One gRPC call with our messages and our errors. Path: connection, stream carrier -> [grpc call] -> grpc-js.
 * What happened is known, not read from sentences: whether a call found a connection, how large its messages were, which trailer came.
 */
import type { ChannelInterface, ServiceError, StatusObject } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import { type BridgeError, MessageTooLargeError, UnavailableError, UnknownOutcomeError } from '../../shared/errors.js';
import { clearTimeout, dateNowMs, setImmediate, setTimeout } from '../../shared/platform-timers.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { systemClock } from '../../shared/system-clock.js';
import type { Method, MethodName, RequestOf, ResponseOf } from '../../shared/wire/services.js';
import { LINK_PATH, METHODS, methodPath, SERVICE_NAMES } from '../../shared/wire/services.js';
import { ERROR_TRAILER, errorFromStatus, STATUS } from '../../shared/wire/status.js';
import type { Change } from '../calls/change.js';
import type { PooledChannel } from './channel-pool.js';

export interface UnaryResult<M extends MethodName> {
  readonly response: ResponseOf<M>;
  /** Of a refusal that came with `success = false`. */
  readonly errorCode: string | undefined;
  readonly headers: Metadata | undefined;
}

/** What a call may cost. */
export interface CallLimits {
  readonly timeoutMs: number;
  /** Largest request and answer, bytes. */
  readonly maxBytes: number;
}

export function callMetadata(config: BridgeConfig): Metadata {
  const metadata = new Metadata();
  if (config.token !== undefined) metadata.set('authorization', `Bearer ${config.token}`);
  return metadata;
}

/**
 * On the channel itself, as `openStream` is. A change whose time is up goes on behind its caller's back until it is answered or its connection
 * is given up: a server that was told to give it up may make it all the same.
 * @throws BridgeError of the answer's status; MessageTooLargeError; UnknownOutcomeError of a change whose answer was lost
 */
export function unaryCall<M extends MethodName>(
  channel: PooledChannel,
  name: M,
  request: RequestOf<M>,
  config: BridgeConfig,
  { timeoutMs, maxBytes }: CallLimits,
  change: Change | undefined,
): Promise<UnaryResult<M>> {
  const isChange = change !== undefined;
  const method = METHODS[name] as unknown as Method<RequestOf<M>, ResponseOf<M>>;
  const bytes = method.encodeRequest(request) as Buffer;
  if (bytes.length > maxBytes) return Promise.reject(MessageTooLargeError.of(name, 'request', bytes.length, maxBytes));
  const answered = channel.handleAsked(systemClock.nowMs());
  const call = channel.client
    .getChannel()
    .createCall(
      methodPath(SERVICE_NAMES[0], name),
      isChange ? Number.POSITIVE_INFINITY : dateNowMs() + timeoutMs,
      null,
      null,
      null,
    );
  // A call that found no connection has no peer but the name that it looked for.
  const wasSent = (): boolean => call.getPeer() !== channel.client.getChannel().getTarget();
  const result = new Promise<UnaryResult<M>>((resolve, reject) => {
    let headers: Metadata | undefined;
    let answer: Buffer | undefined;
    let handleSettled = (): void => undefined;
    const giveUp = (): void => cancelCall(call, 'it takes too long');
    const handleTimeUp = (): void => {
      if (!wasSent()) {
        giveUp();
        return;
      }
      const givingUp = setTimeout(giveUp, PLACE_KEPT_MS);
      const release = channel.keep(giveUp);
      const settled = new Promise<void>((resolveSettled) => {
        handleSettled = () => {
          clearTimeout(givingUp);
          release();
          resolveSettled();
        };
      });
      change?.keepPlace(settled);
      reject(unknownOutcome(name, 'no answer came in time'));
    };
    const timeout = isChange ? setTimeout(handleTimeUp, timeoutMs) : undefined;
    // Another connection may answer it; a change may be answered on this one yet.
    const forget = isChange ? undefined : channel.keep(() => cancelCall(call, 'the server fell silent'));
    call.start(callMetadata(config), {
      onReceiveMetadata: (received) => {
        headers = received;
        channel.handleWord(systemClock.nowMs());
      },
      onReceiveMessage: (message: Buffer) => {
        if (answer !== undefined) call.cancelWithStatus(STATUS.UNIMPLEMENTED, 'more than one answer came');
        answer = message;
        call.startRead();
      },
      onReceiveStatus: (received) => {
        clearTimeout(timeout);
        forget?.();
        handleSettled();
        answered();
        const isEmpty = received.code === STATUS.OK && answer === undefined;
        const status = isEmpty ? { ...received, code: STATUS.UNIMPLEMENTED, details: 'no answer came' } : received;
        const trailer = headerOf(status.metadata, ERROR_TRAILER);
        if (status.code === STATUS.OK || trailer !== undefined || isAnswer(status.code)) {
          channel.handleWord(systemClock.nowMs());
        }
        if (status.code !== STATUS.OK || answer === undefined) {
          reject(callError(asError(status), name, isChange, wasSent()));
        } else if (answer.length > maxBytes) {
          reject(MessageTooLargeError.of(name, 'answer', answer.length, maxBytes));
        } else {
          resolve({ response: method.decodeResponse(answer), errorCode: trailer, headers });
        }
      },
    });
  });
  // Outside of the closures above: they live as long as node's stream, until a full collection, and would hold the request so long.
  call.startRead();
  call.sendMessageWithContext({}, bytes);
  call.halfClose();
  return result;
}

/** What comes on a stream. */
export interface StreamListener {
  handleHeaders(headers: Metadata): void;
  handleMessage(bytes: Buffer): void;
  /** Once; nothing follows. */
  handleStatus(status: StatusObject): void;
}

/** A running WatchVariables call. */
export type StreamCall = ReturnType<ChannelInterface['createCall']>;

/**
 * On the channel itself: the client above it puts a Readable and an interceptor chain around every call,
 * 15 KB a stream that only pass messages on.
 */
export function openStream(
  channel: PooledChannel,
  request: Uint8Array,
  config: BridgeConfig,
  listener: StreamListener,
): StreamCall {
  const call = openCall(channel, WATCH_PATH, config, listener);
  call.sendMessageWithContext({}, request as Buffer);
  call.halfClose();
  return call;
}

/** All watches of a connection; what is asked is sent by the call itself, one message after the other. */
export function openLink(channel: PooledChannel, config: BridgeConfig, listener: StreamListener): StreamCall {
  return openCall(channel, LINK_PATH, config, listener);
}

/** Reads from its beginning to its end. */
function openCall(channel: PooledChannel, path: string, config: BridgeConfig, listener: StreamListener): StreamCall {
  const call = channel.client.getChannel().createCall(path, Number.POSITIVE_INFINITY, null, null, null);
  call.start(callMetadata(config), {
    onReceiveMetadata: (headers) => listener.handleHeaders(headers),
    onReceiveMessage: (bytes: Buffer) => {
      listener.handleMessage(bytes);
      call.startRead();
    },
    onReceiveStatus: (status) => listener.handleStatus(status),
  });
  call.startRead();
  return call;
}

/** grpc-js forgets what is cancelled in the turn in which it was opened, and opens it all the same: so it is told once more. */
export function cancelCall(call: StreamCall, sentence: string): void {
  call.cancelWithStatus(STATUS.CANCELLED, sentence);
  setImmediate(() => call.cancelWithStatus(STATUS.CANCELLED, sentence));
}

const WATCH_PATH = methodPath(SERVICE_NAMES[0], 'WatchVariables');

export function headerOf(metadata: Metadata | undefined, name: string): string | undefined {
  const value = metadata?.get(name)[0];
  return value === undefined ? undefined : String(value);
}

/** How a watch's stream ended, as an error. */
export function streamError(status: StatusObject): BridgeError {
  return callError(asError(status), 'WatchVariables', false, true);
}

/** What a failed call means to its caller. */
function callError(error: ServiceError, name: string, isChange: boolean, wasSent: boolean): BridgeError {
  const trailer = headerOf(error.metadata, ERROR_TRAILER);
  const details = error.details ?? error.message;
  if (trailer !== undefined) return errorFromStatus(error.code, details, trailer, undefined, error);
  if (isAnswer(error.code)) return errorFromStatus(error.code, details, undefined, undefined, error);
  if (!wasSent) {
    return new UnavailableError(`${name}: no connection to the server (${details}): it was not made`, { cause: error });
  }
  if (isChange) return unknownOutcome(name, details, error);
  if (error.code === STATUS.DEADLINE_EXCEEDED) {
    return errorFromStatus(error.code, `${name}: ${details}`, undefined, undefined, error);
  }
  return new UnavailableError(`${name}: the connection was lost (${details})`, { cause: error });
}

function unknownOutcome(name: string, details: string, cause?: ServiceError): UnknownOutcomeError {
  const sentence = `${name}: the answer was lost (${details}): it may or may not have been made, so read before you repeat it`;
  return new UnknownOutcomeError(sentence, cause === undefined ? {} : { cause });
}

/** A status that only a server gives; the others are also said of a connection that went. */
function isAnswer(status: number): boolean {
  switch (status) {
    case STATUS.OK:
    case STATUS.CANCELLED:
    case STATUS.UNKNOWN:
    case STATUS.DEADLINE_EXCEEDED:
    case STATUS.INTERNAL:
    case STATUS.UNAVAILABLE:
      return false;
    default:
      return true;
  }
}

function asError(status: StatusObject): ServiceError {
  return Object.assign(new Error(status.details), status) as ServiceError;
}

/** Time in which a change is made or refused by any server that will, ms: as long as ours remembers what became of a set. */
export const PLACE_KEPT_MS = 60_000;

/** One gRPC call with our messages and our errors. Path: stream transport -> [grpc call] -> grpc-js. */
import type { ChannelInterface, ServiceError, StatusObject } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import { type BridgeError, MessageTooLargeError, UnavailableError, UnknownOutcomeError } from '../../shared/errors.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import type { Method, MethodName, RequestOf, ResponseOf } from '../../shared/wire/services.js';
import { METHODS, methodPath, SERVICE_NAMES } from '../../shared/wire/services.js';
import { EPOCH_HEADER, ERROR_TRAILER, errorFromStatus, KEEPALIVE_HEADER, STATUS } from '../../shared/wire/status.js';
import type { PooledChannel } from './channel-pool.js';
import type { Answer } from './transport.js';

export interface UnaryResult<M extends MethodName> extends Answer<M> {
  readonly epoch: string;
  readonly allowsPings: boolean;
}

export function callMetadata(config: BridgeConfig): Metadata {
  const metadata = new Metadata();
  if (config.token !== undefined) metadata.set('authorization', `Bearer ${config.token}`);
  return metadata;
}

/** @throws BridgeError of the answer's status; UnknownOutcomeError when `isChange` and the answer was lost */
export function unaryCall<M extends MethodName>(
  channel: PooledChannel,
  name: M,
  request: RequestOf<M>,
  config: BridgeConfig,
  timeoutMs: number,
  isChange: boolean,
): Promise<UnaryResult<M>> {
  const method = METHODS[name] as unknown as Method<RequestOf<M>, ResponseOf<M>>;
  return new Promise((resolve, reject) => {
    let epoch = '';
    let allowsPings = false;
    let errorCode: string | undefined;
    let response: ResponseOf<M> | undefined;
    const call = channel.client.makeUnaryRequest(
      methodPath(SERVICE_NAMES[0], name),
      (message: RequestOf<M>) => method.encodeRequest(message) as Buffer,
      (bytes: Buffer) => method.decodeResponse(bytes),
      request,
      callMetadata(config),
      { deadline: Date.now() + timeoutMs },
      (error: ServiceError | null, value?: ResponseOf<M>) => {
        if (error !== null) reject(callError(error, name, isChange));
        else response = value;
      },
    );
    call.on('metadata', (metadata) => {
      epoch = headerOf(metadata, EPOCH_HEADER) ?? '';
      allowsPings = headerOf(metadata, KEEPALIVE_HEADER) !== undefined;
    });
    call.on('status', (status) => {
      errorCode = headerOf(status.metadata, ERROR_TRAILER);
      // 'status' follows the callback; by now both the answer and its trailer are there.
      if (status.code === STATUS.OK && response !== undefined) resolve({ response, errorCode, epoch, allowsPings });
    });
  });
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
  request: RequestOf<'WatchVariables'>,
  config: BridgeConfig,
  listener: StreamListener,
): StreamCall {
  const call = channel.client.getChannel().createCall(WATCH_PATH, Number.POSITIVE_INFINITY, null, null, null);
  call.start(callMetadata(config), {
    onReceiveMetadata: (headers) => listener.handleHeaders(headers),
    onReceiveMessage: (bytes: Buffer) => {
      listener.handleMessage(bytes);
      call.startRead();
    },
    onReceiveStatus: (status) => listener.handleStatus(status),
  });
  call.startRead();
  call.sendMessageWithContext({}, METHODS.WatchVariables.encodeRequest(request) as Buffer);
  call.halfClose();
  return call;
}

const WATCH_PATH = methodPath(SERVICE_NAMES[0], 'WatchVariables');

export function headerOf(metadata: Metadata | undefined, name: string): string | undefined {
  const value = metadata?.get(name)[0];
  return value === undefined ? undefined : String(value);
}

/** What a failed call means to its caller. */
export function callError(error: ServiceError, name: string, isChange: boolean): BridgeError {
  const trailer = headerOf(error.metadata, ERROR_TRAILER);
  const details = error.details ?? error.message;
  if (trailer !== undefined) return errorFromStatus(error.code, details, trailer, undefined, error);
  const wasNeverSent =
    /No connection established|Name resolution failed|before connection|Channel has been shut down/i.test(details);
  switch (error.code) {
    case STATUS.UNAVAILABLE:
    case STATUS.CANCELLED:
    case STATUS.INTERNAL:
    case STATUS.UNKNOWN:
    case STATUS.DEADLINE_EXCEEDED: {
      if (wasNeverSent)
        return new UnavailableError(`${name}: no connection to the server (${details}): it was not made`, {
          cause: error,
        });
      if (isChange) {
        return new UnknownOutcomeError(
          `${name}: the answer was lost (${details}): it may or may not have been made, so read before you repeat it`,
          { cause: error },
        );
      }
      return errorFromStatus(error.code, `${name}: ${details}`, undefined, undefined, error);
    }
    case STATUS.RESOURCE_EXHAUSTED:
      if (/larger than|message length/i.test(details)) {
        return new MessageTooLargeError(
          `${name}: ${details}: send less at once, or raise limits.maxMessageBytes at both ends`,
          {
            cause: error,
          },
        );
      }
      return errorFromStatus(error.code, details, undefined, undefined, error);
    default:
      return errorFromStatus(error.code, details, undefined, undefined, error);
  }
}

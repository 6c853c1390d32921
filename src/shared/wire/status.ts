/** Our errors as gRPC statuses with a `bridge-error` trailer, and back: both ends answer with the same classes. */
import type { BridgeError, ErrorDetails } from '../errors.js';
import { errorFromWire } from '../errors.js';

/** gRPC status numbers; grpc-js has them too, but pure modules don't import it. */
export const STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** Trailer with the library's error code. */
export const ERROR_TRAILER = 'bridge-error';

/** Header of every watch and trailer of its failure: which life of the server's state it belongs to. */
export const EPOCH_HEADER = 'bridge-epoch';

/** Header by which our server says how often a client may ping, ms. */
export const KEEPALIVE_HEADER = 'bridge-keepalive-ms';

/** Header by which our server says how large a message it takes, bytes. */
export const MAX_MESSAGE_HEADER = 'bridge-max-message-bytes';

/** Header by which our server says after how long without a call or watch a session ends, ms; 0 = never. */
export const SESSION_TTL_HEADER = 'bridge-session-ttl-ms';

/** Response header of InitializeSession: where the servers over this state are reached, those first that shall serve the session. */
export const SERVERS_HEADER = 'bridge-servers';

export function statusOfCode(code: string): number {
  return Object.hasOwn(STATUS_OF_CODE, code) ? STATUS_OF_CODE[code]! : STATUS.INTERNAL;
}

/**
 * The error that a status stands for. With the trailer the class is exact; without it (a foreign server) it follows from the status.
 */
export function errorFromStatus(
  status: number,
  message: string,
  trailer: string | undefined,
  details?: ErrorDetails,
  cause?: unknown,
): BridgeError {
  const code = trailer ?? codeOfStatus(status);
  return errorFromWire({ code, message, ...(details === undefined ? {} : { details }) }, cause);
}

/** The code of a refusal that came with status OK and `success = false`, from a server that sends no trailer. */
export function codeOfSentence(sentence: string): string {
  if (/session not found/i.test(sentence)) return 'SESSION_NOT_FOUND';
  if (/not found/i.test(sentence)) return 'VARIABLE_NOT_FOUND';
  if (/already (exists|registered)/i.test(sentence)) return 'ALREADY_EXISTS';
  if (/version/i.test(sentence) && /(conflict|mismatch|expected)/i.test(sentence)) return 'VERSION_CONFLICT';
  if (/constraint/i.test(sentence)) return 'CONSTRAINT_VIOLATION';
  return 'INVALID_ARGUMENT';
}

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  INVALID_NAME: STATUS.INVALID_ARGUMENT,
  INVALID_TYPE: STATUS.INVALID_ARGUMENT,
  INVALID_VALUE: STATUS.INVALID_ARGUMENT,
  INVALID_CONSTRAINT: STATUS.INVALID_ARGUMENT,
  CONSTRAINT_VIOLATION: STATUS.INVALID_ARGUMENT,
  INVALID_OPTIONS: STATUS.INVALID_ARGUMENT,
  INVALID_ARGUMENT: STATUS.INVALID_ARGUMENT,
  BATCH_REFUSED: STATUS.INVALID_ARGUMENT,
  VARIABLE_NOT_FOUND: STATUS.NOT_FOUND,
  SESSION_NOT_FOUND: STATUS.NOT_FOUND,
  WATCH_NOT_FOUND: STATUS.NOT_FOUND,
  VERSION_NOT_FOUND: STATUS.NOT_FOUND,
  ALREADY_EXISTS: STATUS.ALREADY_EXISTS,
  VERSION_CONFLICT: STATUS.ABORTED,
  ABORTED: STATUS.ABORTED,
  QUOTA_EXCEEDED: STATUS.RESOURCE_EXHAUSTED,
  MESSAGE_TOO_LARGE: STATUS.RESOURCE_EXHAUSTED,
  SLOW_STREAM: STATUS.RESOURCE_EXHAUSTED,
  STORAGE_FULL: STATUS.RESOURCE_EXHAUSTED,
  ENGINE_UNAVAILABLE: STATUS.UNAVAILABLE,
  UNAUTHENTICATED: STATUS.UNAUTHENTICATED,
  PERMISSION_DENIED: STATUS.PERMISSION_DENIED,
  UNAVAILABLE: STATUS.UNAVAILABLE,
  CLOSED: STATUS.UNAVAILABLE,
  DEADLINE_EXCEEDED: STATUS.DEADLINE_EXCEEDED,
  UNSUPPORTED: STATUS.UNIMPLEMENTED,
};

function codeOfStatus(status: number): string {
  switch (status) {
    case STATUS.INVALID_ARGUMENT:
      return 'INVALID_ARGUMENT';
    case STATUS.NOT_FOUND:
      return 'VARIABLE_NOT_FOUND';
    case STATUS.ALREADY_EXISTS:
      return 'ALREADY_EXISTS';
    case STATUS.PERMISSION_DENIED:
      return 'PERMISSION_DENIED';
    case STATUS.UNAUTHENTICATED:
      return 'UNAUTHENTICATED';
    case STATUS.RESOURCE_EXHAUSTED:
      return 'QUOTA_EXCEEDED';
    case STATUS.ABORTED:
    case STATUS.FAILED_PRECONDITION:
      return 'VERSION_CONFLICT';
    case STATUS.UNIMPLEMENTED:
      return 'UNSUPPORTED';
    case STATUS.DEADLINE_EXCEEDED:
      return 'DEADLINE_EXCEEDED';
    case STATUS.UNAVAILABLE:
    case STATUS.CANCELLED:
      return 'UNAVAILABLE';
    default:
      return 'PROTOCOL';
  }
}

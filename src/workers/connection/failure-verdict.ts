/**
 * What becomes of a watch's stream that has ended, or of a connection attempt that failed. Path: carrier -> [failure verdict] -> connection.
 * Decided by the code of the `bridge-error` trailer, by the gRPC status where there is none, and by whether the watch had been live.
 * Sentences decide nothing. docs/errors.md has the table.
 */
import { STATUS } from '../../shared/wire/status.js';

export type Verdict =
  /** The same request would be refused again: the watch fails, and is told why. */
  | 'permanent'
  /** Refused for now, or ended alone: this stream is opened again after its own backoff, the connection stands. */
  | 'retry'
  /** The session is not there any more: it is joined again, and the stream opened. */
  | 'rejoin'
  /** The server goes, or the connection has gone: everything on it returns together. */
  | 'reconnect';

export interface Failure {
  /** Of the `bridge-error` trailer; undefined where the server, or nobody, sent one. */
  readonly trailer: string | undefined;
  /** gRPC status. */
  readonly status: number;
  /** The watch has been registered before. */
  readonly wasLive: boolean;
}

export function verdictOf({ trailer, status, wasLive }: Failure): Verdict {
  return trailer === undefined ? verdictOfStatus(status, wasLive) : verdictOfCode(trailer, status, wasLive);
}

/** Whether trying to connect again is in vain: credentials do not become right by waiting. */
export function isPermanentForConnection(code: string): boolean {
  return code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED';
}

function verdictOfCode(code: string, status: number, wasLive: boolean): Verdict {
  switch (code) {
    case 'UNAVAILABLE':
      // Said by the server itself: it drains.
      return 'reconnect';
    case 'SESSION_NOT_FOUND':
      return 'rejoin';
    case 'SLOW_STREAM':
      return 'retry';
    case 'VARIABLE_NOT_FOUND':
    // Variables of a watch that was live may come back, and places may get free: somebody relies on it.
    case 'QUOTA_EXCEEDED':
    case 'DEADLINE_EXCEEDED':
    case 'VERSION_CONFLICT':
    case 'INTERNAL':
      return wasLive ? 'retry' : 'permanent';
    case 'UNAUTHENTICATED':
    case 'PERMISSION_DENIED':
    case 'MESSAGE_TOO_LARGE':
      return 'permanent';
    default:
      // Of a newer server, or caused by the request's arguments.
      return isCausedByRequest(status) ? 'permanent' : verdictOfStatus(status, wasLive);
  }
}

/** A server without trailers, a proxy, or the end of the connection itself. */
function verdictOfStatus(status: number, wasLive: boolean): Verdict {
  switch (status) {
    // grpc-js says any of these of a connection that went.
    case STATUS.OK:
    case STATUS.CANCELLED:
    case STATUS.UNKNOWN:
    case STATUS.INTERNAL:
    case STATUS.UNAVAILABLE:
      return 'reconnect';
    case STATUS.ABORTED:
      return 'retry';
    case STATUS.NOT_FOUND:
    case STATUS.DEADLINE_EXCEEDED:
    case STATUS.RESOURCE_EXHAUSTED:
      return wasLive ? 'retry' : 'permanent';
    default:
      return 'permanent';
  }
}

function isCausedByRequest(status: number): boolean {
  return status === STATUS.INVALID_ARGUMENT || status === STATUS.ALREADY_EXISTS || status === STATUS.UNIMPLEMENTED;
}

/** Our errors as gRPC answers: the status, the `bridge-error` trailer, and the epoch beside it. */
import { Metadata } from '@grpc/grpc-js';
import { BridgeError, InternalError, UnavailableError } from '../../shared/errors.js';
import { EPOCH_HEADER, ERROR_TRAILER, STATUS, statusOfCode } from '../../shared/wire/status.js';
import type { ServerContext } from '../server-context.js';

export interface CallFailure {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** What the arguments of a call cause. In answers that have `success` it is said there, everything else is a status everywhere. */
export function isCausedByArguments(error: unknown): error is BridgeError {
  if (!(error instanceof BridgeError)) return false;
  switch (statusOfCode(error.code)) {
    case STATUS.INVALID_ARGUMENT:
    case STATUS.NOT_FOUND:
    case STATUS.ALREADY_EXISTS:
    case STATUS.ABORTED:
      return true;
    default:
      return false;
  }
}

export function failureOf(server: ServerContext, error: unknown, call: string): CallFailure {
  const { code, message } = bridgeErrorOf(server, error, call);
  const metadata = new Metadata();
  metadata.set(EPOCH_HEADER, server.options.epoch);
  metadata.set(ERROR_TRAILER, code);
  return { code: statusOfCode(code), details: statusSentence(message), metadata };
}

/** What its client is told of an error, counted, and logged where it is a mistake of the server. */
export function bridgeErrorOf(server: ServerContext, error: unknown, call: string): BridgeError {
  const { counters, options } = server;
  counters.callsFailed += 1;
  if (error instanceof BridgeError) {
    const status = statusOfCode(error.code);
    if (status === STATUS.RESOURCE_EXHAUSTED) counters.callsRefused += 1;
    if (status === STATUS.INTERNAL) options.logger.error({ error, call }, 'a call failed');
    return error;
  }
  options.logger.error({ error, call }, 'a call failed by a mistake of the server');
  const sentence = `${call} failed by a mistake of the server: its log says which, please report it`;
  return new InternalError(sentence, { cause: error });
}

export function errorTrailer(code: string): Metadata {
  const metadata = new Metadata();
  metadata.set(ERROR_TRAILER, code);
  return metadata;
}

export function drainingError(): UnavailableError {
  return new UnavailableError('server is draining: reconnect');
}

/** Text that UTF-8 can say: a refused constraint may quote half of a surrogate pair. */
export function wellFormed(sentence: string): string {
  // Node 20 has it, lib es2023 does not know it yet.
  return (sentence as string & { toWellFormed(): string }).toWellFormed();
}

/** A status travels in a header, which clients limit to 8 KB; and there every odd character becomes `%XX`. */
function statusSentence(sentence: string): string {
  let kept = wellFormed(sentence);
  while (encodeURI(kept).length > MAX_STATUS_BYTES) {
    const length = Math.floor(Math.min(kept.length / 2, MAX_STATUS_BYTES));
    kept = wellFormed(`${kept.slice(0, length)}…`).replace('\uFFFD…', '…');
  }
  return kept;
}

const MAX_STATUS_BYTES = 4_000;

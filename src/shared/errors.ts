/** What can go wrong, as classes with stable codes. A sentence names the thing, the fact and the remedy; the code is what programs test. */
import { listedNames } from './listed-names.js';
import { sentenceOf } from './thrown.js';

export interface ErrorDetails {
  /** Names or ids that the error is about. */
  readonly identifiers?: readonly string[];
  /** Code and sentence of each refused variable of a batch. */
  readonly refused?: Readonly<Record<string, { code: string; message: string }>>;
  /** Versions of those variables of a batch that were set. */
  readonly versions?: Readonly<Record<string, number>>;
}

export interface ErrorOptionsWithDetails {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
}

/** Base of every error that this library throws. `code` is stable over releases, the sentence is not. */
export class BridgeError extends Error {
  readonly code: string;
  readonly details: ErrorDetails;

  constructor(code: string, message: string, options: ErrorOptionsWithDetails = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The error, which is about this variable unless it says about which: for refusals that were made where only the value was known. */
export function aboutVariable(error: unknown, identifier: string): unknown {
  if (error instanceof BridgeError && !(error instanceof ClosedError) && error.details.identifiers === undefined)
    (error as { details: ErrorDetails }).details = { ...error.details, identifiers: [identifier] };
  return error;
}

/** What `read` returns; what it refuses is about this variable. @throws BridgeError that names it */
export function readAboutVariable<T>(identifier: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw aboutVariable(error, identifier);
  }
}

/** A name of 0 or more than 256 characters, or with control characters. */
export class InvalidNameError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('INVALID_NAME', message, options);
  }
}

/** A type that is none of the ten. */
export class InvalidTypeError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('INVALID_TYPE', message, options);
  }
}

/** A value that its variable's type cannot hold. */
export class InvalidValueError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('INVALID_VALUE', message, options);
  }
}

/** Constraints that contradict themselves, or a pattern that cannot be matched in linear time. */
export class InvalidConstraintError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('INVALID_CONSTRAINT', message, options);
  }
}

/** A value of the right type that its variable's constraints refuse. */
export class ConstraintViolationError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('CONSTRAINT_VIOLATION', message, options);
  }
}

/** An option that is unknown, of the wrong kind or out of range. */
export class InvalidOptionsError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('INVALID_OPTIONS', message, options);
  }
}

/** A call whose arguments make no sense together, such as a watch of nothing. */
export class InvalidArgumentError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('INVALID_ARGUMENT', message, options);
  }
}

/** Variables that the session does not hold; `identifiers` names every one of them. */
export class VariablesNotFoundError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('VARIABLE_NOT_FOUND', message, options);
  }

  static of(identifiers: readonly string[]): VariablesNotFoundError {
    return new VariablesNotFoundError(
      `Variable not found: ${listedNames(identifiers)}: register it first, or check the session and the spelling`,
      { details: { identifiers } },
    );
  }

  get identifiers(): readonly string[] {
    return this.details.identifiers ?? [];
  }
}

/** A session that the server does not hold. */
export class SessionNotFoundError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('SESSION_NOT_FOUND', message, options);
  }

  static of(sessionId: string): SessionNotFoundError {
    return new SessionNotFoundError(`Session not found: ${sessionId}: call InitializeSession first`);
  }
}

/** A watch reference that names no running watch. */
export class WatchNotFoundError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('WATCH_NOT_FOUND', message, options);
  }
}

/** A version that the history no longer holds, or never held. */
export class VersionNotFoundError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('VERSION_NOT_FOUND', message, options);
  }
}

/** A name that is registered already. */
export class AlreadyExistsError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('ALREADY_EXISTS', message, options);
  }
}

/** The variable is not at the version that the setter expected. */
export class VersionConflictError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('VERSION_CONFLICT', message, options);
  }
}

/** Some variables of a batch were refused: `details.refused` says which and why, `details.versions` what was set. */
export class BatchRefusedError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('BATCH_REFUSED', message, options);
  }
}

/** A limit on sessions, variables or streams is reached. */
export class QuotaExceededError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('QUOTA_EXCEEDED', message, options);
  }
}

/** A message above the size limit of either end. */
export class MessageTooLargeError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('MESSAGE_TOO_LARGE', message, options);
  }

  /** `what` the call carries, such as `request`. */
  static of(call: string, what: string, bytes: number, maxBytes: number): MessageTooLargeError {
    return new MessageTooLargeError(
      `${call}: a ${what} of ${bytes} bytes is above the limit of ${maxBytes}: send less at once, or raise maxMessageBytes at both ends`,
    );
  }
}

/** No credentials, or credentials that the server does not know. */
export class UnauthenticatedError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('UNAUTHENTICATED', message, options);
  }
}

/** Known credentials that do not open this session. */
export class PermissionDeniedError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('PERMISSION_DENIED', message, options);
  }
}

/** Nobody answers at the endpoint, or the server drains; of a set, that it was not made. */
export class UnavailableError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('UNAVAILABLE', message, options);
  }
}

/** No answer within the time allowed, to a call that changes nothing. From a server: the request was not whole in time. */
export class DeadlineExceededError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('DEADLINE_EXCEEDED', message, options);
  }
}

/** The answer to a change was lost: it may or may not have been made. Read the variable before setting again. */
export class UnknownOutcomeError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('UNKNOWN_OUTCOME', message, options);
  }
}

/** Sets of this client that were acknowledged are lost: Redis goes on without them, after a failover or a restart. Told to `onError` of its watches. */
export class LostSetsError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('LOST_SETS', message, options);
  }
}

/** The other end speaks, but not this protocol. */
export class ProtocolError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('PROTOCOL', message, options);
  }
}

/** The server, or this version of the library, does not offer what was asked for. */
export class UnsupportedError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('UNSUPPORTED', message, options);
  }
}

/** The state, pool or server was closed. */
export class ClosedError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('CLOSED', message, options);
  }
}

/** The watch was ended by its signal or its owner before it began; `cause` is the signal's reason. From a server: a watch cannot resume from its revision, or another link of its client has begun. */
export class AbortedError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('ABORTED', message, options);
  }
}

/** A watcher was too slow for its buffer and had asked for `overflow: 'error'`. */
export class BufferOverflowError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('BUFFER_OVERFLOW', message, options);
  }
}

/** A stream that did not take its updates for too long was cut by the server; the client resumes it. */
export class SlowStreamError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('SLOW_STREAM', message, options);
  }
}

/** What a watcher or a filter threw; `cause` is it. */
export class WatcherError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('WATCHER_FAILED', message, options);
  }
}

/** A worker thread did not start, or died too often. */
export class WorkerError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('WORKER_FAILED', message, options);
  }
}

/** The disk or memory of the server's engine is full: the change was not made. Free some, or delete variables; it goes on by itself. */
export class StorageFullError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('STORAGE_FULL', message, options);
  }
}

/** The server's engine cannot be reached, or does not know what it kept: the change was not made. */
export class EngineUnavailableError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('ENGINE_UNAVAILABLE', message, options);
  }
}

/** Another server has the folder of this engine. */
export class EngineInUseError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('ENGINE_IN_USE', message, options);
  }
}

/** What is stored is of a newer version, or not ours. */
export class EngineFormatError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('ENGINE_FORMAT', message, options);
  }
}

/** Our own mistake: the books of a watch do not balance, or an invariant broke. Please report it. */
export class InternalError extends BridgeError {
  constructor(message: string, options?: ErrorOptionsWithDetails) {
    super('INTERNAL', message, options);
  }
}

/** An error as it crosses a port or a trailer: structured clone keeps neither the class nor the code. */
export interface ErrorWire {
  readonly code: string;
  readonly message: string;
  readonly details?: ErrorDetails;
  readonly cause?: CauseWire;
}

/** A cause, and its own: code and sentence are what a log wants of them. At most 5 deep, 500 characters each. */
export interface CauseWire {
  /** '' where it has none. */
  readonly code: string;
  readonly message: string;
  readonly cause?: CauseWire;
}

export function errorToWire(error: unknown): ErrorWire {
  if (error instanceof BridgeError) {
    const { code, message, details } = error;
    return { code, message, details, ...causeOf(error, MAX_CAUSES) };
  }
  if (error instanceof Error) return { code: 'INTERNAL', message: `${nameOf(error)}: ${sentenceOf(error)}` };
  return { code: 'INTERNAL', message: sentenceOf(error) };
}

function causeOf(error: Error, left: number): { cause?: CauseWire } {
  const { cause } = error;
  if (!(cause instanceof Error) || left === 0) return {};
  const { code } = cause as { readonly code?: unknown };
  return {
    cause: {
      code: typeof code === 'string' || typeof code === 'number' ? String(code) : '',
      message: sentenceOf(cause).slice(0, MAX_CAUSE_CHARACTERS),
      ...causeOf(cause, left - 1),
    },
  };
}

/** Codes of ours become our classes again, others errors with that code. */
function causeFromWire({ code, message, cause: wire }: CauseWire): Error {
  const cause = wire === undefined ? undefined : causeFromWire(wire);
  if (CLASS_OF_CODE.has(code)) return errorFromWire({ code, message }, cause);
  const error = new Error(message, cause === undefined ? undefined : { cause });
  return code === '' ? error : Object.assign(error, { code });
}

function nameOf(error: Error): string {
  try {
    return String(error.name);
  } catch {
    return 'Error';
  }
}

/** The error of the class that its code belongs to; an unknown code of a newer server stays a `BridgeError` with that code. */
export function errorFromWire(wire: ErrorWire, given?: unknown): BridgeError {
  const cause = given ?? (wire.cause === undefined ? undefined : causeFromWire(wire.cause));
  const options: ErrorOptionsWithDetails = {
    ...(cause === undefined ? {} : { cause }),
    ...(wire.details === undefined ? {} : { details: wire.details }),
  };
  const known = CLASS_OF_CODE.get(wire.code);
  return known === undefined ? new BridgeError(wire.code, wire.message, options) : new known(wire.message, options);
}

type ErrorClass = new (message: string, options?: ErrorOptionsWithDetails) => BridgeError;

/** Every class that a code stands for, in the order of docs/errors.md. */
export const ERROR_CLASSES: readonly ErrorClass[] = [
  InvalidNameError,
  InvalidTypeError,
  InvalidValueError,
  InvalidConstraintError,
  ConstraintViolationError,
  InvalidOptionsError,
  InvalidArgumentError,
  VariablesNotFoundError,
  SessionNotFoundError,
  WatchNotFoundError,
  VersionNotFoundError,
  AlreadyExistsError,
  VersionConflictError,
  BatchRefusedError,
  QuotaExceededError,
  MessageTooLargeError,
  UnauthenticatedError,
  PermissionDeniedError,
  UnavailableError,
  DeadlineExceededError,
  UnknownOutcomeError,
  LostSetsError,
  ProtocolError,
  UnsupportedError,
  ClosedError,
  AbortedError,
  BufferOverflowError,
  SlowStreamError,
  WatcherError,
  WorkerError,
  StorageFullError,
  EngineUnavailableError,
  EngineInUseError,
  EngineFormatError,
  InternalError,
];

const CLASS_OF_CODE: ReadonlyMap<string, ErrorClass> = new Map(
  ERROR_CLASSES.map((errorClass) => [new errorClass('').code, errorClass]),
);

const MAX_CAUSES = 5;
const MAX_CAUSE_CHARACTERS = 500;

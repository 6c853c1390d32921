"""What can go wrong, as classes with stable codes: the same names and codes as in TypeScript (docs/errors.md).

A sentence names the thing, the fact and the remedy; the class or the code is what programs test.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Type, Union


@dataclass(frozen=True)
class RefusedVariable:
    """Why one variable of a batch was refused."""

    code: str
    """As the `code` of an error."""
    message: str
    """The sentence."""


@dataclass(frozen=True)
class ErrorDetails:
    """What an error is about, for programs."""

    identifiers: Tuple[str, ...] = ()
    """Names or ids that the error is about."""
    refused: Mapping[str, RefusedVariable] = field(default_factory=dict)
    """Code and sentence of each refused variable of a batch."""
    versions: Mapping[str, int] = field(default_factory=dict)
    """Versions of those variables of a batch that were set."""


NO_DETAILS = ErrorDetails()


class BridgeError(Exception):
    """Base of every error that this package raises. `code` is stable over releases, the sentence is not."""

    code: str = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        code: Optional[str] = None,
        details: ErrorDetails = NO_DETAILS,
        cause: Optional[BaseException] = None,
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.details = details
        if cause is not None:
            self.__cause__ = cause

    @property
    def message(self) -> str:
        """The sentence."""
        return str(self.args[0]) if self.args else ""

    @property
    def cause(self) -> Optional[BaseException]:
        """What it comes from, where there is something."""
        return self.__cause__


class InvalidNameError(BridgeError):
    """A name of 0 or more than 256 characters, or with control characters."""

    code = "INVALID_NAME"


class InvalidTypeError(BridgeError):
    """A type that is none of the ten."""

    code = "INVALID_TYPE"


class InvalidValueError(BridgeError):
    """A value that its variable's type cannot hold."""

    code = "INVALID_VALUE"


class InvalidConstraintError(BridgeError):
    """Constraints that contradict themselves, or a pattern that cannot be matched in linear time."""

    code = "INVALID_CONSTRAINT"


class ConstraintViolationError(BridgeError):
    """A value of the right type that its variable's constraints refuse."""

    code = "CONSTRAINT_VIOLATION"


class InvalidOptionsError(BridgeError):
    """An option that is unknown, of the wrong kind or out of range."""

    code = "INVALID_OPTIONS"


class InvalidArgumentError(BridgeError):
    """A call whose arguments make no sense together, such as a watch of nothing."""

    code = "INVALID_ARGUMENT"


class VariablesNotFoundError(BridgeError):
    """Variables that the session does not hold; `identifiers` names every one of them."""

    code = "VARIABLE_NOT_FOUND"

    @classmethod
    def of(cls, identifiers: Sequence[str]) -> "VariablesNotFoundError":
        """The error that names them."""
        shown = ", ".join(identifiers[:_SHOWN_NAMES])
        rest = "" if len(identifiers) <= _SHOWN_NAMES else f", … ({len(identifiers)} in all)"
        return cls(
            f"Variable not found: {shown}{rest}: register it first, or check the session and the spelling",
            details=ErrorDetails(identifiers=tuple(identifiers)),
        )

    @property
    def identifiers(self) -> Tuple[str, ...]:
        """Every one that is missing."""
        return self.details.identifiers


class SessionNotFoundError(BridgeError):
    """A session that the server does not hold."""

    code = "SESSION_NOT_FOUND"

    @classmethod
    def of(cls, session_id: str) -> "SessionNotFoundError":
        """The error that names it."""
        return cls(f"Session not found: {session_id}: call InitializeSession first")


class WatchNotFoundError(BridgeError):
    """A watch reference that names no running watch."""

    code = "WATCH_NOT_FOUND"


class VersionNotFoundError(BridgeError):
    """A version that the history no longer holds, or never held."""

    code = "VERSION_NOT_FOUND"


class AlreadyExistsError(BridgeError):
    """A name that is registered already."""

    code = "ALREADY_EXISTS"


class VersionConflictError(BridgeError):
    """The variable is not at the version that the setter expected."""

    code = "VERSION_CONFLICT"


class BatchRefusedError(BridgeError):
    """Some variables of a batch were refused: `details.refused` says which and why, `details.versions` what was set."""

    code = "BATCH_REFUSED"


class QuotaExceededError(BridgeError):
    """A limit on sessions, variables or streams is reached."""

    code = "QUOTA_EXCEEDED"


class MessageTooLargeError(BridgeError):
    """A message above the size limit of either end."""

    code = "MESSAGE_TOO_LARGE"

    @classmethod
    def of(
        cls, call: str, what: str, size: int, max_bytes: int, details: ErrorDetails = NO_DETAILS
    ) -> "MessageTooLargeError":
        """`what` the call carries, such as `request`."""
        return cls(
            f"{call}: a {what} of {size} bytes is above the limit of {max_bytes}: "
            "send less at once, or raise max_message_bytes at both ends",
            details=details,
        )


class UnauthenticatedError(BridgeError):
    """No credentials, or credentials that the server does not know."""

    code = "UNAUTHENTICATED"


class PermissionDeniedError(BridgeError):
    """Known credentials that do not open this session."""

    code = "PERMISSION_DENIED"


class UnavailableError(BridgeError):
    """Nobody answers at the endpoint, or the server drains; of a set, that it was not made."""

    code = "UNAVAILABLE"


class DeadlineExceededError(BridgeError):
    """No answer within the time allowed, to a call that changes nothing."""

    code = "DEADLINE_EXCEEDED"


class UnknownOutcomeError(BridgeError):
    """The answer to a change was lost: it may or may not have been made. Read the variable before setting again."""

    code = "UNKNOWN_OUTCOME"


class LostSetsError(BridgeError):
    """Sets of this client that were acknowledged are lost: Redis goes on without them, after a failover or a restart. Told to `on_error` of its watches."""

    code = "LOST_SETS"


class ProtocolError(BridgeError):
    """The other end speaks, but not this protocol."""

    code = "PROTOCOL"


class UnsupportedError(BridgeError):
    """The server, or this version of the library, does not offer what was asked for."""

    code = "UNSUPPORTED"


class ClosedError(BridgeError):
    """The session was closed."""

    code = "CLOSED"


class AbortedError(BridgeError):
    """The watch was ended by its owner before it began."""

    code = "ABORTED"


class BufferOverflowError(BridgeError):
    """A watcher was too slow for its buffer and had asked for `overflow="error"`."""

    code = "BUFFER_OVERFLOW"


class SlowStreamError(BridgeError):
    """A stream that did not take its updates for too long was cut by the server; the client resumes it."""

    code = "SLOW_STREAM"


class WatcherError(BridgeError):
    """What a watcher or a filter threw; `cause` is it."""

    code = "WATCHER_FAILED"


class WorkerError(BridgeError):
    """The thread of the synchronous face did not start, or died."""

    code = "WORKER_FAILED"


class StorageFullError(BridgeError):
    """The disk or memory of the server's engine is full: the change was not made. Free some, or delete variables; it goes on by itself."""

    code = "STORAGE_FULL"


class EngineUnavailableError(BridgeError):
    """The server's engine cannot be reached, or does not know what it kept: the change was not made."""

    code = "ENGINE_UNAVAILABLE"


class EngineInUseError(BridgeError):
    """Another server has the folder of this engine."""

    code = "ENGINE_IN_USE"


class EngineFormatError(BridgeError):
    """What is stored is of a newer version, or not ours."""

    code = "ENGINE_FORMAT"


class InternalError(BridgeError):
    """Our own mistake: the books of a watch do not balance, or an invariant broke. Please report it."""

    code = "INTERNAL"


ERROR_CLASSES: Tuple[Type[BridgeError], ...] = (
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
)
"""Every class that a code stands for, in the order of docs/errors.md."""

_CLASS_OF_CODE: Dict[str, Type[BridgeError]] = {error_class.code: error_class for error_class in ERROR_CLASSES}


def error_of(
    code: str,
    message: str,
    details: ErrorDetails = NO_DETAILS,
    cause: Optional[BaseException] = None,
) -> BridgeError:
    """The error of the class that its code belongs to; an unknown code of a newer server stays a `BridgeError` with that code."""
    known = _CLASS_OF_CODE.get(code)
    if known is None:
        return BridgeError(message, code=code, details=details, cause=cause)
    return known(message, details=details, cause=cause)


def error_of_rpc(
    status: Any,
    message: Optional[str],
    trailer: Union[str, bytes, None] = None,
    details: ErrorDetails = NO_DETAILS,
    cause: Optional[BaseException] = None,
) -> BridgeError:
    """
    The error that the end of a call stands for. `status` is a `grpc.StatusCode` or its number, `message` what `details()` of the call says,
    `trailer` the text of `bridge-error`: with it the class is exact; without it (a server that is not ours) it follows from the status.
    """
    if isinstance(trailer, bytes):
        trailer = trailer.decode("utf-8", "replace")
    code = trailer if trailer else code_of_status(status_number(status))
    return error_of(code, message or "", details, cause)


def status_number(status: Any) -> int:
    """Of a `grpc.StatusCode`, whose value is its number and its name, or of a number."""
    value = getattr(status, "value", status)
    return int(value[0] if isinstance(value, tuple) else value)


def again(error: BridgeError) -> BridgeError:
    """
    One of its own for each who is told: a traceback belongs to one raise. What stays with a watch or a connection would hold the frames of whoever
    it was raised to, and all that they know.
    """
    return type(error)(error.message, code=error.code, details=error.details, cause=error.__cause__)


def code_of_status(status: int) -> str:
    """The code of a failure that came without a trailer."""
    return _CODE_OF_STATUS.get(status, "PROTOCOL")


def code_of_sentence(sentence: str) -> str:
    """The code of a refusal that came with status OK and `success = false`, from a server that sends no trailer."""
    for pattern, code in _CODES_OF_SENTENCES:
        if pattern.search(sentence):
            return code
    return "INVALID_ARGUMENT"


_SHOWN_NAMES = 10

_CODE_OF_STATUS: Dict[int, str] = {
    1: "UNAVAILABLE",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "VARIABLE_NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "QUOTA_EXCEEDED",
    9: "VERSION_CONFLICT",
    10: "VERSION_CONFLICT",
    12: "UNSUPPORTED",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}

_CODES_OF_SENTENCES = (
    (re.compile("session not found", re.IGNORECASE), "SESSION_NOT_FOUND"),
    (re.compile("not found", re.IGNORECASE), "VARIABLE_NOT_FOUND"),
    (re.compile("already (exists|registered)", re.IGNORECASE), "ALREADY_EXISTS"),
    (re.compile("version.*(conflict|mismatch|expected)|(conflict|mismatch|expected).*version", re.IGNORECASE | re.DOTALL), "VERSION_CONFLICT"),
    (re.compile("constraint", re.IGNORECASE), "CONSTRAINT_VIOLATION"),
)

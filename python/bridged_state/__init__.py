"""Typed variables that processes of any language set and watch: the asynchronous client of a bridge server. `bridged_state.sync` is the same for scripts.

Path: the user -> [bridged_state] -> session. Everything public is named here; what begins with an underscore is not for users.
"""

import logging

from ._core.backoff import BackoffOptions
from .errors import (
    AbortedError,
    AlreadyExistsError,
    BatchRefusedError,
    BridgeError,
    BufferOverflowError,
    ClosedError,
    ConstraintViolationError,
    DeadlineExceededError,
    ErrorDetails,
    InternalError,
    InvalidArgumentError,
    InvalidConstraintError,
    InvalidNameError,
    InvalidOptionsError,
    InvalidTypeError,
    InvalidValueError,
    MessageTooLargeError,
    PermissionDeniedError,
    ProtocolError,
    QuotaExceededError,
    RefusedVariable,
    SessionNotFoundError,
    SlowStreamError,
    UnauthenticatedError,
    UnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
    VariablesNotFoundError,
    VersionConflictError,
    VersionNotFoundError,
    WatcherError,
    WatchNotFoundError,
    WorkerError,
)
from .session import SessionContext
from .types import (
    VARIABLE_TYPES,
    Embedding,
    OpaqueBinary,
    Tensor,
    VariableInfo,
    VariableUpdate,
    VersionedValue,
)
from .watch import Watch

__version__ = "0.1.0"

# Silent until the program asks for more.
logging.getLogger("bridged_state").addHandler(logging.NullHandler())

__all__ = [
    "VARIABLE_TYPES",
    "AbortedError",
    "AlreadyExistsError",
    "BackoffOptions",
    "BatchRefusedError",
    "BridgeError",
    "BufferOverflowError",
    "ClosedError",
    "ConstraintViolationError",
    "DeadlineExceededError",
    "Embedding",
    "ErrorDetails",
    "InternalError",
    "InvalidArgumentError",
    "InvalidConstraintError",
    "InvalidNameError",
    "InvalidOptionsError",
    "InvalidTypeError",
    "InvalidValueError",
    "MessageTooLargeError",
    "OpaqueBinary",
    "PermissionDeniedError",
    "ProtocolError",
    "QuotaExceededError",
    "RefusedVariable",
    "SessionContext",
    "SessionNotFoundError",
    "SlowStreamError",
    "Tensor",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownOutcomeError",
    "UnsupportedError",
    "VariableInfo",
    "VariableUpdate",
    "VariablesNotFoundError",
    "VersionConflictError",
    "VersionNotFoundError",
    "VersionedValue",
    "Watch",
    "WatchNotFoundError",
    "WatcherError",
    "WorkerError",
]

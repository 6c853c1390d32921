"""Typed variables that processes of any language set and watch: the asynchronous client of a bridge server. `bridged_state.sync` is the same for scripts.

Path: the user -> [bridged_state] -> session. Everything public is named here; what begins with an underscore is not for users.
"""

import logging

# Before gRPC is loaded.
from . import grpc_process as _grpc_process
from ._core.backoff import BackoffOptions
from .condition_wait import watch_for_condition
from .derived_variable import DerivedVariable, derive
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
    EngineFormatError,
    EngineInUseError,
    EngineUnavailableError,
    InternalError,
    InvalidArgumentError,
    InvalidConstraintError,
    InvalidNameError,
    InvalidOptionsError,
    InvalidTypeError,
    InvalidValueError,
    LostSetsError,
    MessageTooLargeError,
    PermissionDeniedError,
    ProtocolError,
    QuotaExceededError,
    RefusedVariable,
    SessionNotFoundError,
    SlowStreamError,
    StorageFullError,
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
from .reactive import ReactiveValue, ReactiveVariable, VariableGroup, combine, group, reactive
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
    "DerivedVariable",
    "ReactiveValue",
    "ReactiveVariable",
    "VariableGroup",
    "combine",
    "derive",
    "group",
    "reactive",
    "watch_for_condition",
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
    "EngineFormatError",
    "EngineInUseError",
    "EngineUnavailableError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidConstraintError",
    "InvalidNameError",
    "InvalidOptionsError",
    "InvalidTypeError",
    "InvalidValueError",
    "LostSetsError",
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
    "StorageFullError",
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

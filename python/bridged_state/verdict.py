"""What follows when a watch or a connection ends without our wish: the table of docs/errors.md. Path: carriers -> [verdict] -> connection. Pure."""

from typing import Any, Dict

from ._wire.messages import ERROR_TRAILER
from .errors import NO_DETAILS, BridgeError, ErrorDetails, error_of_rpc

PERMANENT = "permanent"
"""No later attempt can change it: who waits is told."""
RETRY = "retry"
"""This watch waits and is opened again; others are not disturbed."""
REJOIN = "rejoin"
"""The session is joined again, then as RETRY."""
RECONNECT = "reconnect"
"""The connection is made again, with all its watches."""

PERMANENT_CODES = frozenset(
    ("UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "INVALID_NAME", "INVALID_OPTIONS", "MESSAGE_TOO_LARGE")
)
"""Of a connection attempt."""

_LATER = frozenset(("VARIABLE_NOT_FOUND", "QUOTA_EXCEEDED", "DEADLINE_EXCEEDED", "VERSION_CONFLICT", "INTERNAL"))


def verdict_of(code: str, has_been_live: bool) -> str:
    if code == "UNAVAILABLE":
        return RECONNECT
    if code == "SESSION_NOT_FOUND":
        return REJOIN
    if code == "SLOW_STREAM":
        return RETRY
    return RETRY if has_been_live and code in _LATER else PERMANENT


def error_of_call(cause: Any, details: ErrorDetails = NO_DETAILS) -> BridgeError:
    """Of a `grpc.aio.AioRpcError`."""
    trailers = headers_of(cause.trailing_metadata())
    trailer = text_of(trailers.get(ERROR_TRAILER))
    return error_of_rpc(
        cause.code(),
        cause.details(),
        trailer,
        details,
        cause,
    )


def headers_of(metadata: Any) -> Dict[str, Any]:
    """Of what grpc says, pairs in every release of it, or nothing."""
    return {key: value for key, value in metadata or ()}


def text_of(value: object) -> str:
    """Of a header or trailer; '' where there is none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""

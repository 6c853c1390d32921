"""What users give a session, read at the edge: checked once, trusted inside. Path: the user -> [session options] -> session. Pure.

A sentence names the option, what was given and what it takes; a token is never shown.
"""

import json
import re
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from ._core.backoff import BackoffOptions
from ._core.describe_value import describe_value
from ._core.metadata import copy_metadata
from ._core.value_codec import normalize_value
from .errors import BridgeError, InvalidArgumentError, InvalidConstraintError, InvalidOptionsError, InvalidValueError
from .option_values import read_text, read_whole


def constraints_text(constraints: Optional[Mapping[str, Any]], name: str) -> str:
    if constraints is None:
        return ""
    if not isinstance(constraints, Mapping):
        raise InvalidConstraintError(
            f'variable "{name}": give constraints as a dict such as {{"min": 0}}, not {describe_value(constraints)}'
        )
    try:
        return json.dumps(normalize_value("map", dict(constraints), f'constraints of variable "{name}"'), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, BridgeError) as cause:
        raise InvalidConstraintError(f'variable "{name}": the constraints are no JSON: {cause}') from cause


def read_session_metadata(metadata: Any) -> Dict[str, str]:
    """A copy. Raises InvalidOptionsError that names the key."""
    try:
        return copy_metadata(metadata, "connect")
    except (InvalidArgumentError, InvalidValueError) as cause:
        raise InvalidOptionsError(cause.message) from cause


def read_source(source: Any) -> str:
    """Who sets, unless it is said."""
    return DEFAULT_SOURCE if source is None else read_text("source", source)


def read_ttl(ttl_ms: Any) -> int:
    """Raises InvalidArgumentError, as servers do."""
    return _as_argument(read_whole, "ttl_ms", ttl_ms, 0)


def read_version(version: Any) -> int:
    """Of a history. Raises InvalidArgumentError."""
    return _as_argument(read_whole, "version", version, 1)


def _as_argument(read: Callable[..., int], *given: Any) -> int:
    try:
        return read(*given)
    except InvalidOptionsError as cause:
        raise InvalidArgumentError(cause.message) from cause


def read_backoff(backoff: Any) -> BackoffOptions:
    """Raises InvalidOptionsError that names the part."""
    if backoff is None:
        return BackoffOptions()
    if not isinstance(backoff, BackoffOptions):
        raise InvalidOptionsError(f"backoff: give BackoffOptions(…), not {describe_value(backoff)}")
    least = {"factor": 1.0}
    most = {"jitter": 1.0}
    for name, value in vars(backoff).items():
        low, high = least.get(name, 0.0), most.get(name, 2.0**31 - 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise InvalidOptionsError(f"backoff.{name}: give a number from {low:g} to {high:.10g}, not {describe_value(value)}")
    return backoff


def read_token(token: Any) -> Optional[str]:
    """It goes in a header. A token is never shown."""
    if token is None:
        return None
    if not isinstance(token, str) or not token:
        raise InvalidOptionsError("token: give the token as a str, or leave it out")
    if not token.isascii() or not token.isprintable() or token != token.strip():
        raise InvalidOptionsError("token: it holds what no header can carry, such as a line's end: give the bare token")
    return token


def read_endpoints(endpoint: Any) -> Tuple[str, ...]:
    """One, or a list or tuple of them, each once. Raises InvalidOptionsError."""
    if not isinstance(endpoint, (list, tuple)):
        return (_read_endpoint("endpoint", endpoint),)
    if not endpoint:
        raise InvalidOptionsError(f'endpoint: the {type(endpoint).__name__} is empty: give at least one "host:port"')
    return tuple(dict.fromkeys(_read_endpoint(f"endpoint[{place}]", one) for place, one in enumerate(endpoint)))


def _read_endpoint(name: str, endpoint: Any) -> str:
    if not isinstance(endpoint, str) or not endpoint.strip():
        raise InvalidOptionsError(f'{name}: give "host:port", or a list of them, not {describe_value(endpoint)}')
    text = endpoint.strip()
    if text.startswith(_TARGETS_OF_GRPC):
        return text
    if "," in text:
        raise InvalidOptionsError(f"{name}: {describe_value(endpoint)} holds several: give them as a list")
    found = re.fullmatch(r"[^/\s]+:([0-9]{1,5})", text)
    if found is None or not 1 <= int(found[1]) <= 65_535:
        raise InvalidOptionsError(f'{name}: {describe_value(endpoint)} is none: write "host:port", such as "127.0.0.1:50051"')
    return text


DEFAULT_SOURCE = "python"

# Which it reads by itself.
_TARGETS_OF_GRPC = ("unix:", "unix-abstract:", "vsock:", "dns:", "ipv4:", "ipv6:", "xds:", "google-c2p:")

"""One value of an option, read at the edge. Path: the user -> [option values] -> session options, watch options, calls. Pure.

A sentence names the option, what was given and what it takes.
"""

from typing import Any

from ._core.describe_value import describe_value
from ._core.metadata import check_text
from ._core.plain_function import is_asynchronous
from .errors import InvalidArgumentError, InvalidOptionsError

MAX_PERIOD_MS = 2**31 - 1


def read_text(name: str, value: Any) -> str:
    """Of an option. Raises InvalidOptionsError for what no message can carry."""
    try:
        return check_text(value, name)
    except InvalidArgumentError as cause:
        raise InvalidOptionsError(cause.message) from cause


def read_bool(name: str, value: Any) -> bool:
    """Raises InvalidOptionsError: 'no' would be true."""
    if not isinstance(value, bool):
        raise InvalidOptionsError(f"{name}: give True or False, not {describe_value(value)}")
    return value


def read_whole(name: str, value: Any, least: int, most: int = 2**53 - 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        to = "" if most == 2**53 - 1 else f" to {most}"
        raise InvalidOptionsError(f"{name}: give a whole number from {least}{to}, not {describe_value(value)}")
    return value


def read_period(name: str, value: Any, least: float = 0) -> float:
    """Milliseconds. Raises InvalidOptionsError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= MAX_PERIOD_MS:
        raise InvalidOptionsError(f"{name}: give milliseconds from {least:g} to {MAX_PERIOD_MS}, not {describe_value(value)}")
    return float(value)


def check_timeout(timeout: Any) -> None:
    """Seconds. Raises InvalidOptionsError."""
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0):
        raise InvalidOptionsError(f"timeout: give seconds above 0, or None to wait for ever, not {describe_value(timeout)}")


def read_callback(name: str, value: Any, arguments: str) -> Any:
    """Raises InvalidOptionsError: what an asynchronous one would do nobody waits for."""
    if value is None:
        return None
    if not callable(value) or is_asynchronous(value):
        raise InvalidOptionsError(f"{name}: give a plain function of {arguments}, not {describe_value(value)}")
    return value

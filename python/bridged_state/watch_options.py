"""What a watch is asked with: read once, trusted inside. Path: the user -> [watch options] -> session, watch feed. Pure."""

import inspect
from typing import Any, Callable, Mapping, NamedTuple, Optional

from ._core.condition import check_condition
from ._core.describe_value import describe_value
from ._core.plain_function import is_asynchronous
from ._core.update_ring import OVERFLOWS
from .errors import BridgeError, InvalidOptionsError
from .option_values import read_bool, read_callback, read_period
from .types import VariableUpdate

MAX_BUFFER_LIMIT = 1_048_576
MIN_STALE_MS = 300
"""As in TypeScript: heartbeats come three times in it, at most every 100 ms."""
MISSING = ("fail", "wait")


class WatchOptions(NamedTuple):
    """Checked and complete."""

    include_initial: bool
    filter_fn: Optional[Callable[[Any, Any, VariableUpdate], Any]]
    condition: Optional[Mapping[str, Any]]
    debounce_ms: float
    throttle_ms: float
    waits_for_missing: bool
    buffer_limit: int
    overflow: str
    on_error: Optional[Callable[[BridgeError], Any]]
    on_state: Optional[Callable[[str], Any]]
    reconnect: bool
    max_wait_ms: float = 0.0
    conflate: bool = False
    atomic: bool = False
    stale_after_ms: float = 0.0
    on_synced: Optional[Callable[[], Any]] = None


def read_watch_options(
    *,
    include_initial: Any = False,
    filter_fn: Any = None,
    condition: Any = None,
    debounce_ms: Any = 0,
    max_wait_ms: Any = 0,
    throttle_ms: Any = 0,
    conflate: Any = False,
    missing: Any = "fail",
    buffer_limit: Any = 1024,
    overflow: Any = "conflate",
    atomic: Any = False,
    stale_after_ms: Any = 0,
    on_error: Any = None,
    on_state: Any = None,
    on_synced: Any = None,
    reconnect: Any = True,
) -> WatchOptions:
    """Raises InvalidOptionsError."""
    if missing not in MISSING:
        raise InvalidOptionsError(f"missing: give one of {', '.join(MISSING)}, not {describe_value(missing)}")
    if overflow not in OVERFLOWS:
        raise InvalidOptionsError(f"overflow: give one of {', '.join(OVERFLOWS)}, not {describe_value(overflow)}")
    if isinstance(buffer_limit, bool) or not isinstance(buffer_limit, int) or not 1 <= buffer_limit <= MAX_BUFFER_LIMIT:
        raise InvalidOptionsError(
            f"buffer_limit: give a whole number from 1 to {MAX_BUFFER_LIMIT}, not {describe_value(buffer_limit)}"
        )
    stale_after = read_period("stale_after_ms", stale_after_ms)
    if 0 < stale_after < MIN_STALE_MS:
        raise InvalidOptionsError(
            f"stale_after_ms: give 0 (never) or at least {MIN_STALE_MS}, not {describe_value(stale_after_ms)}"
        )
    return WatchOptions(
        include_initial=read_bool("include_initial", include_initial),
        filter_fn=_read_filter(filter_fn),
        condition=None if condition is None else check_condition(condition),
        debounce_ms=read_period("debounce_ms", debounce_ms),
        max_wait_ms=read_period("max_wait_ms", max_wait_ms),
        throttle_ms=read_period("throttle_ms", throttle_ms),
        conflate=read_bool("conflate", conflate),
        waits_for_missing=missing == "wait",
        buffer_limit=buffer_limit,
        overflow=overflow,
        atomic=read_bool("atomic", atomic),
        stale_after_ms=stale_after,
        on_error=read_callback("on_error", on_error, "one argument"),
        on_state=read_callback("on_state", on_state, "one argument"),
        on_synced=read_callback("on_synced", on_synced, "no argument"),
        reconnect=read_bool("reconnect", reconnect),
    )


def _read_filter(given: Any) -> Optional[Callable[[Any, Any, VariableUpdate], Any]]:
    """Called by how many arguments it takes: the update; old and new; or name, old and new."""
    if given is None:
        return None
    if not callable(given) or is_asynchronous(given):
        raise InvalidOptionsError(f"filter_fn: give a plain function such as lambda old, new: …, not {describe_value(given)}")
    try:
        all_of_them = inspect.signature(given).parameters.values()
        parameters = [one for one in all_of_them if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        needed = sum(one.default is one.empty for one in parameters) or len(parameters)
        if needed == 0 and any(one.kind is one.VAR_POSITIONAL for one in all_of_them):
            needed = 2
    except (TypeError, ValueError):
        needed = 2
    if needed == 1:
        return lambda _old, _new, update: given(update)
    if needed == 3:
        return lambda old, new, update: given(update.variable_name, old, new)
    if needed == 2:
        return lambda old, new, _update: given(old, new)
    raise InvalidOptionsError(
        f"filter_fn takes {needed} arguments: give a function of (update), of (old, new), or of (name, old, new)"
    )

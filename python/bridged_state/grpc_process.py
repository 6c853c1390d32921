"""What gRPC has once in a process, and what follows for forks and for several event loops. Path: connection -> [grpc process] -> gRPC.

A child that is forked while a channel stands cannot use gRPC. Each loop with a channel is woken for what came for any of them, and gRPC lets it be
reported as an error of that loop when another one was quicker, or when it was the end of a call whose loop is closed: it is none.
"""

import asyncio
import os
from typing import Any, Dict, Protocol
from weakref import WeakSet

from .errors import UnsupportedError

FORKED = (
    "the session was connected before this process was forked: close it before the fork and connect one in the child, "
    'or start that with "spawn" or "forkserver" of multiprocessing'
)
"""Of a session that a child inherits."""


class _Standing(Protocol):
    loop: asyncio.AbstractEventLoop
    is_inherited: bool


def enter(connection: _Standing) -> None:
    """It is going to make channels, until `leave`. Raises UnsupportedError in a child that was forked meanwhile from one that had some."""
    if _inherited:
        raise UnsupportedError(
            "this process was forked while a session was open, and gRPC does not work in it: close sessions before the fork, or start "
            'the process with "spawn" or "forkserver" of multiprocessing'
        )
    _standing.add(connection)
    # A user's own handler stays.
    if connection.loop.get_exception_handler() is None:
        connection.loop.set_exception_handler(_report)


def leave(connection: _Standing) -> None:
    _standing.discard(connection)


def _report(loop: asyncio.AbstractEventLoop, context: Dict[str, Any]) -> None:
    of_another_loop = isinstance(context.get("exception"), (BlockingIOError, RuntimeError)) and _POLLER in context.get("message", "")
    if not of_another_loop:
        loop.default_exception_handler(context)


def _handle_fork() -> None:
    """In the child."""
    for one in _standing:
        one.is_inherited = True
        if not one.loop.is_closed():
            _inherited.append(one)
    _standing.clear()


# gRPC's own handlers of a fork end the child by a segmentation fault where a loop with a channel runs in a thread (1.84). It asks when it is loaded.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

_POLLER = "PollerCompletionQueue._handle_events"
_standing: "WeakSet[_Standing]" = WeakSet()
# Held: their channels must not be collected in the child either.
_inherited: "list[_Standing]" = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_handle_fork)

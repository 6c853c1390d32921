"""What a life has started: each task is named, cancelled where chance says, and has to end as it should. Path: performer -> [followed tasks] -> asyncio.

What does not end in its time is a trouble, and so are an error that nothing explains and a cancellation that had no effect.
"""

import asyncio
import io
import traceback
from random import Random
from typing import Any, Callable, Coroutine, Dict, Set

from bridged_state import BridgeError

from life_history import History
from watched_life import OnPurpose

ALWAYS = frozenset(
    ("VARIABLE_NOT_FOUND", "VERSION_CONFLICT", "VERSION_NOT_FOUND", "ALREADY_EXISTS", "BATCH_REFUSED", "CLOSED", "BUFFER_OVERFLOW", "DEADLINE_EXCEEDED")
)
"""What a call may say though nothing was broken."""
IN_TROUBLE = ALWAYS | {"UNAVAILABLE", "UNKNOWN_OUTCOME", "LOST_SETS"}


class FollowedTasks:
    def __init__(self, history: History, random: Random) -> None:
        self._history = history
        self._random = random
        self._loop = asyncio.get_running_loop()
        # What runs, and what it is.
        self.running: Dict["asyncio.Task[Any]", str] = {}
        self._cancelled: Set["asyncio.Task[Any]"] = set()

    def follow(self, work: Coroutine[Any, Any, Any], what: str) -> "asyncio.Task[Any]":
        task = self._loop.create_task(work, name=what)
        self.running[task] = what
        task.add_done_callback(self._handle_end)
        return task

    def _handle_end(self, task: "asyncio.Task[Any]") -> None:
        what = self.running.pop(task)
        was_cancelled = task in self._cancelled
        self._cancelled.discard(task)
        if task.cancelled():
            if not was_cancelled:
                self._history.trouble("cancelled", f"{what} was cancelled by nobody")
            return
        error = task.exception()
        if was_cancelled:
            self._history.trouble("swallowed", f"{what} was cancelled and ended with {error!r}")
        elif isinstance(error, BridgeError):
            allowed = IN_TROUBLE if self._history.has_faults else ALWAYS
            if error.code not in allowed:
                self._history.trouble("error", f"{what}: {error.code} {error}")
        elif error is not None and not isinstance(error, OnPurpose):
            self._history.trouble("error", f"{what}: {error!r} {trace_of(error)}")

    def cancel(self, task: "asyncio.Task[Any]") -> None:
        if task.cancel():
            self._cancelled.add(task)

    async def settle(self, seconds: float, goes_on: Callable[["asyncio.Task[Any]"], bool]) -> None:
        """Until all that runs has ended but what goes on."""
        ends_at = self._loop.time() + seconds
        while self._loop.time() < ends_at:
            pending = [task for task in self.running if not goes_on(task)]
            if not pending:
                return
            await asyncio.wait(pending, timeout=0.05)
        for task, what in self.running.items():
            if not goes_on(task):
                self._history.trouble("stuck", f"{what} {_stack_of(task)}")


    def cancel_after(self, task: "asyncio.Task[Any]") -> None:
        """At any of its awaits."""
        chance = self._random.random()
        turns, seconds = self._random.randrange(14), 0.0 if chance < 0.6 else 0.03 * self._random.random()

        async def wait_and_cancel() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            if seconds:
                await asyncio.sleep(seconds)
            self.cancel(task)

        self.follow(wait_and_cancel(), "the one that cancels")


def trace_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)[-4:])


def _stack_of(task: "asyncio.Task[Any]") -> str:
    stack = io.StringIO()
    task.print_stack(file=stack)
    return stack.getvalue()

"""A value that shall stand at its variable: set, and set again while what keeps it from standing there passes by itself. Path: derived variable -> [written value] -> set.

Slow: one set at a time, less and less often. Closed: one that is on its way is waited for, and none comes behind it.
"""

import asyncio
import random
from typing import Any, Awaitable, Callable, Optional

from ._core.backoff import Backoff, BackoffOptions
from .errors import BridgeError

_AGAIN = BackoffOptions(base_ms=500, cap_ms=30_000)
# Codes of what is no fault of the value: the server or its engine is away or full, or the variable has yet to be registered.
_PASSING = frozenset(
    (
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "UNKNOWN_OUTCOME",
        "ENGINE_UNAVAILABLE",
        "STORAGE_FULL",
        "QUOTA_EXCEEDED",
        "VARIABLE_NOT_FOUND",
        "SESSION_NOT_FOUND",
    )
)


class WrittenValue:
    def __init__(self, set_once: Callable[[], Awaitable[Any]], tell: Callable[[BaseException], None]) -> None:
        self._set_once = set_once
        # Of a failure, once for what fails the same way again and again.
        self._tell = tell
        self._given_up: "asyncio.Future[None]" = asyncio.get_running_loop().create_future()

    def give_up(self) -> None:
        """Another value shall stand there, or none."""
        if not self._given_up.done():
            self._given_up.set_result(None)

    async def write(self) -> None:
        """Until it stands there, is refused for itself, or is given up."""
        told: Optional[str] = None
        backoff = Backoff(_AGAIN)
        while True:
            try:
                await self._set_once()
                return
            except BridgeError as error:
                if error.code != told:
                    self._tell(error)
                told = error.code
            if self._given_up.done() or told not in _PASSING:
                return
            await asyncio.wait([self._given_up], timeout=backoff.delay_ms(random.random()) / 1_000)
            if self._given_up.done():
                return
            backoff = backoff.next()

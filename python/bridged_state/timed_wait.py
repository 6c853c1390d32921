"""Waiting for a future of ours for so long. Path: connection, session calls -> [timed wait].

Not `asyncio.wait_for`, which before Python 3.12 takes the cancellation that comes in the turn of the answer for none: its task would go on.
"""

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float, future: "asyncio.Future[T]") -> T:
    """Its result. Raises asyncio.TimeoutError after so long; nobody else may wait for it."""
    timer = future.get_loop().call_later(seconds, _time_out, future)
    try:
        return await future
    finally:
        timer.cancel()


def _time_out(future: "asyncio.Future[T]") -> None:
    if not future.done():
        future.set_exception(asyncio.TimeoutError())

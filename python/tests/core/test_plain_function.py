"""What nobody waits for is found out, and leaves no warning."""

import asyncio
import functools
import gc
import warnings

from bridged_state._core.plain_function import is_asynchronous, was_awaitable


async def later(_: object = None) -> bool:
    return False


class Later:
    async def __call__(self) -> bool:
        return False


def test_functions_are_known() -> None:
    assert all(is_asynchronous(one) for one in (later, Later(), functools.partial(later, 1)))
    assert not any(is_asynchronous(one) for one in (len, lambda: later(), functools.partial(len), Later, None))


def test_what_was_said_is_known_and_dropped() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert was_awaitable(later())
        gc.collect()
    loop = asyncio.new_event_loop()
    assert was_awaitable(loop.create_future())
    loop.close()
    assert not any(was_awaitable(one) for one in (None, False, 1, [], later))

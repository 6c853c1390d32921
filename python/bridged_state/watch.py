"""A watch as its user holds it: an asynchronous iterator of updates. Path: watch feed -> [watch] -> the user's loop.

Leaving the loop in any way ends the watch: `break`, an exception, a cancelled task, `aclose()`, or when nobody holds it any more. Slow loop: what
waits is bounded by `buffer_limit`, and `overflow` decides. Ended: what waits is still given, then the loop ends or the reason is raised.
"""

import asyncio
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Coroutine, Dict, List, Mapping, NoReturn, Optional, Type

from .connection import Connection
from .errors import ClosedError, InvalidArgumentError, again
from .types import VariableUpdate
from .watch_feed import WatchFeed
from .watch_options import MAX_BUFFER_LIMIT

class Watch(AsyncIterator[VariableUpdate]):
    """
    Updates of some variables. It is registered as soon as it is made; `ready` waits for that. One loop in all: leaving it ends the watch, a second one
    raises InvalidArgumentError, and so do two tasks that wait for it. `async with` waits for `ready`, and ends it behind the block.
    """

    def __init__(self, connection: Connection, feed: WatchFeed) -> None:
        self._connection = connection
        self._feed = feed
        self._waiter: Optional["asyncio.Future[None]"] = None
        self._is_looped = False
        self._is_closed = False
        # The feed is held by the connection, and must not hold its watch: one that nobody holds ends.
        waker = _Waker()
        self._waker = waker
        feed.wake = waker.wake
        feed.wake_at = lambda moment_ms: _wake_at(connection, feed, waker, moment_ms)

    @property
    def state(self) -> str:
        """`connecting`, `live`, `stale`, `backoff`, `draining`, `stopped` or `failed`."""
        return self._feed.state

    @property
    def stats(self) -> Mapping[str, int]:
        """
        Counts of updates since the watch began: `received`, `delivered`, `filtered`, `rate_limited`, `duplicates`; `errors` of the filter and of
        values that could not be read; `reconnects`; and `buffered`: how many wait now.
        """
        return {**self._feed.stats, "buffered": self._feed.buffered, "reconnects": self._feed.reconnects}

    async def ready(self) -> None:
        """
        Until the server has registered the watch: a set made after that by anybody is seen.

        Raises:
            VariablesNotFoundError: with `missing="fail"`; `identifiers` names each.
            ClosedError: it has ended. Any other error: why it never was registered.
        """
        await self._until(lambda: self._feed.has_been_live)

    async def synced(self) -> None:
        """Until everything up to the registration has come, also into its buffer; anew after each break. Raises as `ready`."""
        await self._until(lambda: self._feed.is_synced)

    def __aiter__(self) -> "UpdateLoop":
        self._begin_loop()
        return UpdateLoop(self)

    def _begin_loop(self) -> None:
        if self._is_looped:
            raise InvalidArgumentError(
                f"{self._feed.subject} was iterated already, and one loop is all that a watch has: call watch_variables again"
            )
        self._check_loop()
        self._is_looped = True

    def __anext__(self) -> Coroutine[Any, Any, VariableUpdate]:
        return self._next()

    def batches(self) -> "UpdateBatches":
        """
        A loop over lists instead: at least one update, and all that wait. `async for updates in session.watch_variables(names, atomic=True).batches():`
        gets an atomic batch in one list. It has `aclose()`, for `contextlib.aclosing`.
        """
        self._begin_loop()
        return UpdateBatches(self)

    async def __aenter__(self) -> "Watch":
        await self.ready()
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends it: nothing is given any more, and the server's observer goes."""
        self._check_loop()
        self._close()

    def _close(self) -> None:
        # Also where its loop was left before, which ends it in a turn of its own.
        self._is_closed = True
        self._connection.remove(self._feed)
        self._waker.wake()

    def __del__(self) -> None:
        if not getattr(self, "_is_closed", True):
            self._is_closed = True
            _remove_soon(self._connection, self._feed)

    def _check_loop(self) -> None:
        if not self._connection.is_here:
            self._connection.check_place(self._feed.subject)

    async def _next(self, loop: object = None) -> VariableUpdate:
        """`loop` lives while the step does: nobody else may hold it, as in `await anext(aiter(watch))`."""
        feed = self._feed
        take = feed.take
        waker = self._waker
        while True:
            if not self._is_closed:
                update = take()
                if update is not None:
                    return update
            self._check_loop()
            if self._is_closed or feed.is_over:
                self._end()
            if waker.waiter is not None:
                raise InvalidArgumentError(f"{feed.subject} is iterated by two tasks: give each a watch of its own")
            waiter = waker.waiter = self._connection.loop.create_future()
            try:
                await waiter
            except BaseException:
                # The traceback holds this frame, and must not hold the loop: it was left.
                loop = None
                raise
            finally:
                waker.waiter = None

    async def _next_batch(self, limit: int, loop: object = None) -> List[VariableUpdate]:
        """At least one; as many as wait. `loop` as in `_next`."""
        step, loop = self._next(loop), None
        updates = [await step]
        take = self._feed.take
        while len(updates) < limit and not self._is_closed:
            update = take()
            if update is None:
                break
            updates.append(update)
        return updates

    def _give_up_waiting(self) -> bool:
        """The present step raises asyncio.TimeoutError, and the next goes on. False: it does not wait just now."""
        waiter = self._waker.waiter
        if waiter is None or waiter.done():
            return False
        waiter.set_exception(asyncio.TimeoutError())
        return True

    def _end(self) -> NoReturn:
        """Raises StopAsyncIteration, or the reason."""
        error = None if self._is_closed else self._feed.error
        self._close()
        if error is not None:
            raise again(error)
        raise StopAsyncIteration

    async def _until(self, is_so: Callable[[], bool]) -> None:
        self._check_loop()
        while not is_so():
            if self._feed.error is not None:
                raise again(self._feed.error)
            if self._feed.is_over or self._is_closed:
                raise ClosedError(f"{self._feed.subject} has ended")
            future: "asyncio.Future[None]" = self._connection.loop.create_future()
            self._waker.others[future] = None
            try:
                await future
            finally:
                self._waker.others.pop(future, None)


class UpdateLoop(AsyncIterator[VariableUpdate]):
    """Held by the loop, and by a step while that runs: when both let go of it, the watch is over."""

    __slots__ = ("_watch",)

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __aiter__(self) -> "UpdateLoop":
        return self

    def __anext__(self) -> Coroutine[Any, Any, VariableUpdate]:
        return self._watch._next(self)

    async def aclose(self) -> None:
        await self._watch.aclose()

    def __del__(self) -> None:
        watch = self._watch
        if not watch._is_closed:
            watch._is_closed = True
            _remove_soon(watch._connection, watch._feed)


class UpdateBatches(AsyncIterator[List[VariableUpdate]]):
    """Held by the loop alone, as `UpdateLoop`."""

    __slots__ = ("_watch", "_loop")

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._loop = UpdateLoop(watch)

    def __aiter__(self) -> "UpdateBatches":
        return self

    def __anext__(self) -> Coroutine[Any, Any, List[VariableUpdate]]:
        return self._watch._next_batch(MAX_BUFFER_LIMIT, self)

    async def aclose(self) -> None:
        await self._watch.aclose()


class _Waker:
    """Who waits for a feed, without the watch."""

    __slots__ = ("waiter", "others", "timer", "due_ms")

    def __init__(self) -> None:
        self.waiter: Optional["asyncio.Future[None]"] = None
        self.others: Dict["asyncio.Future[None]", None] = {}
        self.timer: Optional[asyncio.TimerHandle] = None
        self.due_ms = 0.0

    def wake(self) -> None:
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self.others:
            others, self.others = self.others, {}
            for other in others:
                if not other.done():
                    other.set_result(None)


def _wake_at(connection: Connection, feed: WatchFeed, waker: _Waker, moment_ms: Optional[float]) -> None:
    """One timer a watch, for the first of what is held; none when it is over, which the timer would hold until then."""
    if waker.timer is not None:
        if moment_ms is not None and waker.due_ms <= moment_ms:
            return
        waker.timer.cancel()
        waker.timer = None
    if moment_ms is None:
        return
    waker.due_ms = moment_ms

    def handle_due() -> None:
        waker.timer = None
        if not feed.is_over:
            feed.handle_due(connection.loop.time() * 1000.0)

    waker.timer = connection.loop.call_later(max(0.0, moment_ms / 1000.0 - connection.loop.time()), handle_due)


def _remove_soon(connection: Connection, feed: WatchFeed) -> None:
    """Of what was collected: that may be in any thread, and in the middle of anything."""
    try:
        connection.loop.call_soon_threadsafe(connection.remove, feed)
    except RuntimeError:
        # Its loop has ended, and everything with it.
        return

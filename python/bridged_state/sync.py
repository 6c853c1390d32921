"""The synchronous face, for scripts and notebooks: the asynchronous one on a thread of its own. Path: the user -> [sync] -> session on its loop.

Usable from any thread, and inside a running event loop. A call waits for its answer; Ctrl-C while it waits ends the call. Closed: the thread
ends; a process that does not close a session ends it with itself.
"""

import asyncio
import concurrent.futures
import os
import threading
from types import TracebackType
from typing import Any, Callable, Coroutine, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Type, TypeVar, Union

from . import session as asynchronous
from ._core.plain_function import ENDS_THE_PROGRAM
from .end_tasks import end_tasks
from .errors import ClosedError, DeadlineExceededError, InvalidArgumentError, WorkerError
from .grpc_process import FORKED
from .option_values import check_timeout
from .types import VariableInfo, VariableUpdate, VersionedValue
from .watch import Watch as AsyncWatch
from .watch_options import MAX_BUFFER_LIMIT

T = TypeVar("T")

# All that wait: an atomic batch is not torn. No more than a buffer holds.
_BATCH = MAX_BUFFER_LIMIT
_START_SECONDS = 10.0
_CLOSED = "the session was closed: connect another one"


class _LoopThread:
    """An event loop on a thread. Owner: one session."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self.is_ended = False
        # What is given to the loop is given before it is told to stop.
        self._giving = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="bridged_state", daemon=True)
        started = threading.Event()
        self._loop.call_soon(started.set)
        self._thread.start()
        if not started.wait(_START_SECONDS):
            raise WorkerError("the thread of the session did not start: try again when the machine is less busy")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            # By `end`, or by a callback that raised SystemExit: whoever waits is answered.
            with self._giving:
                self.is_ended = True
            try:
                self._end_tasks()
            finally:
                self._loop.close()

    def _end_tasks(self) -> None:
        """Whoever waits for one is told of its end in the turn after it, also where that has come already; those of grpc end in a turn of their own."""
        while True:
            try:
                self._loop.run_until_complete(_end(asyncio.all_tasks(self._loop)))
            except ENDS_THE_PROGRAM:
                # A callback once more, and the task that called it is over.
                continue
            if not asyncio.all_tasks(self._loop):
                return

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result. Whatever interrupts the wait cancels it."""
        try:
            future = self._give(work)
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ClosedError(_CLOSED) from None
        except BaseException:
            future.cancel()
            raise

    def wait_for_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Of what ends with the thread too: by another one, or by a callback that raised SystemExit."""
        try:
            self.wait_for(work)
        except ClosedError:
            if not self.is_ended:
                raise

    def _give(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        if os.getpid() != self._pid:
            raise ClosedError(FORKED)
        if threading.current_thread() is self._thread:
            raise InvalidArgumentError("a callback of a session runs on its thread and cannot wait for it: call it elsewhere")
        with self._giving:
            if self.is_ended:
                raise ClosedError(_CLOSED)
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run_soon(self, work: Any) -> None:
        """Without waiting; nothing where it has ended. Of what was collected: that may be in the middle of anything, so nothing is waited for."""
        if self.is_ended or os.getpid() != self._pid:
            return
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:
            return

    def end(self) -> None:
        if os.getpid() != self._pid:
            return
        with self._giving:
            if not self.is_ended:
                self.is_ended = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(_START_SECONDS)


class SessionContext:
    """
    `with sync.SessionContext.connect("host:port", "house") as session:`; the same methods as the asynchronous one, each waiting for its answer. Usable
    from any thread, and inside a running event loop; not from a callback of its own. In a forked child its methods raise ClosedError.
    """

    def __init__(self, inner: asynchronous.SessionContext) -> None:
        self._inner = inner
        self._thread: Optional[_LoopThread] = None
        self._is_closed = False
        # The first calls of several threads open it once, and a close waits for that.
        self._opening = threading.Lock()

    @classmethod
    def connect(cls, endpoint: Union[str, Sequence[str]], session_id: str = "default", **options: Any) -> "SessionContext":
        """Options as of the asynchronous `connect`. It is connected by `with`, by `open()`, or with the first call. Raises InvalidOptionsError."""
        return cls(asynchronous.SessionContext.connect(endpoint, session_id, **options))

    def open(self) -> "SessionContext":
        """Connects it, if it is not. Raises UnavailableError."""
        self._opened_thread()
        return self

    def _opened_thread(self) -> _LoopThread:
        thread = self._thread
        if thread is not None:
            return thread
        with self._opening:
            if self._is_closed:
                raise ClosedError(_CLOSED)
            if self._thread is not None:
                return self._thread
            thread = _LoopThread()
            try:
                thread.wait_for(_opened(self._inner))
            except BaseException:
                thread.end()
                self._is_closed = True
                raise
            self._thread = thread
            return thread

    def close(self) -> None:
        """Ends every watch and the thread, and what other threads wait for raises ClosedError. A second time it does nothing."""
        with self._opening:
            self._is_closed = True
            thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            thread.wait_for_end(self._inner.close())
        finally:
            thread.end()

    def __enter__(self) -> "SessionContext":
        return self.open()

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __del__(self) -> None:
        thread = getattr(self, "_thread", None)
        if thread is not None:
            inner = self._inner
            thread.run_soon(lambda: asyncio.ensure_future(_closed_and_ended(inner, thread)))

    @property
    def session_id(self) -> str:
        """As it was given to `connect`."""
        return self._inner.session_id

    @property
    def state(self) -> str:
        """`connecting`, `live`, `backoff`, `draining`, `failed` or `closed`."""
        # Also where it was never opened.
        return "closed" if self._is_closed else self._inner.state

    @property
    def transport(self) -> str:
        """`link` or `stream`: what carries the updates of this session."""
        return self._inner.transport

    @property
    def epoch(self) -> str:
        """The server's present life; '' where it has none."""
        return self._inner.epoch

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            thread = self._opened_thread()
        except BaseException:
            work.close()
            raise
        return thread.wait_for(work)

    def register_variable(self, name: str, type: str, initial_value: Any, **options: Any) -> str:
        """Returns its id. Options and errors as of the asynchronous one: `constraints`, `metadata`, `description`, `ttl_ms`, `source`."""
        return self._wait(self._inner.register_variable(name, type, initial_value, **options))

    def get_variable(self, identifier: str, *, bypass_cache: bool = False) -> Any:
        """Its present value. Raises VariablesNotFoundError."""
        return self._wait(self._inner.get_variable(identifier, bypass_cache=bypass_cache))

    def get_variable_info(self, identifier: str) -> VariableInfo:
        """Its value, version, type, constraints and metadata. Raises VariablesNotFoundError."""
        return self._wait(self._inner.get_variable_info(identifier))

    def get_variables(self, identifiers: Union[str, Iterable[str]]) -> Dict[str, Any]:
        """Values by the identifiers asked for; those that are missing are left out."""
        return self._wait(self._inner.get_variables(identifiers))

    def set_variable(self, identifier: str, value: Any, **options: Any) -> int:
        """Returns its version. Options and errors as of the asynchronous one: `metadata`, `source`, `expected_version`."""
        return self._wait(self._inner.set_variable(identifier, value, **options))

    def update_variables(self, updates: Mapping[str, Any], **options: Any) -> Dict[str, int]:
        """Versions by identifier. Options and errors as of the asynchronous one: `atomic`, `metadata`, `source`. Raises BatchRefusedError."""
        return self._wait(self._inner.update_variables(updates, **options))

    def list_variables(self, pattern: str = "") -> List[VariableInfo]:
        """Those whose name fits, in the order of registration; '' lists all."""
        return self._wait(self._inner.list_variables(pattern))

    def delete_variable(self, identifier: str) -> None:
        """Its watches are told `deleted`. Raises VariablesNotFoundError."""
        self._wait(self._inner.delete_variable(identifier))

    def history(self, identifier: str, limit: int = 0) -> List[VersionedValue]:
        """The entries that the server keeps, oldest first; `limit`: the newest so many, 0 = all. Raises VariablesNotFoundError."""
        return self._wait(self._inner.history(identifier, limit))

    def rollback(self, identifier: str, version: int) -> int:
        """Sets the value of that version again: returns the new version. Raises VersionNotFoundError."""
        return self._wait(self._inner.rollback(identifier, version))

    def watch_variables(
        self, names: Union[str, Iterable[str]], *, timeout: Optional[float] = None, **options: Any
    ) -> "Watch":
        """
        `for update in session.watch_variables(["temperature"], timeout=5): …`. `timeout`: seconds without an update after which the loop raises
        DeadlineExceededError; None waits for ever. Other options as of the asynchronous one; it is registered when this returns.
        """
        check_timeout(timeout)
        return Watch(self, self._wait(_registered(self._inner, "watch_variables", names, options)), timeout)

    def watch_variable(self, name: str, *, timeout: Optional[float] = None, **options: Any) -> "Watch":
        """Updates of one variable; options as of `watch_variables`."""
        check_timeout(timeout)
        return Watch(self, self._wait(_registered(self._inner, "watch_variable", name, options)), timeout)

    def watch_pattern(self, pattern: Union[str, Iterable[str]], *, timeout: Optional[float] = None, **options: Any) -> "Watch":
        """Updates of every variable whose name fits, now or later; options as of `watch_variables`."""
        check_timeout(timeout)
        return Watch(self, self._wait(_registered(self._inner, "watch_pattern", pattern, options)), timeout)


class Watch(Iterator[VariableUpdate]):
    """
    Updates, one after another: `VariableUpdate`. One loop in all; leaving it ends the watch, and `close()` does. The loop raises DeadlineExceededError
    when `timeout` seconds pass without an update: then the watch goes on, and so does another loop over it. It raises InvalidArgumentError for a
    second loop or thread, and what the asynchronous one raises.
    """

    def __init__(self, session: SessionContext, inner: AsyncWatch, timeout: Optional[float]) -> None:
        self._session = session
        self._inner = inner
        self._timeout = timeout
        # Put here by the thread, all that wait, and given one by one: the last first.
        self._taken: List[VariableUpdate] = []
        # Held by a thread twice where what interrupts it closes the watch.
        self._putting = threading.RLock()
        self._is_looped = False
        self._is_closed = False
        self._is_waiting = threading.Lock()

    @property
    def state(self) -> str:
        """`connecting`, `live`, `backoff`, `draining`, `stopped` or `failed`."""
        return self._inner.state

    @property
    def stats(self) -> Mapping[str, int]:
        """Counts since the watch began, as of the asynchronous one."""
        return self._inner.stats

    def __iter__(self) -> Iterator[VariableUpdate]:
        return self._begin_loop()

    def _begin_loop(self) -> "_Loop":
        if self._is_looped:
            raise InvalidArgumentError(
                "the watch was iterated already, and one loop is all that a watch has: call watch_variables again"
            )
        self._is_looped = True
        return _Loop(self)

    def __next__(self) -> VariableUpdate:
        return self._next()

    def _next(self) -> VariableUpdate:
        taken = self._taken
        if taken:
            return taken.pop()
        if self._is_closed:
            raise StopIteration
        if not self._is_waiting.acquire(blocking=False):
            raise InvalidArgumentError("the watch is iterated by two threads: give each a watch of its own")
        try:
            self._session._wait(self._fill())
        finally:
            self._is_waiting.release()
        # None, or another thread has closed it.
        if not self._taken or self._is_closed:
            self._is_closed = True
            raise StopIteration
        return self._taken.pop()

    async def _fill(self) -> None:
        """On the thread of the session. What has come is put where the next step finds it, also where this one is interrupted meanwhile."""
        if self._taken:
            return
        loop, inner, timeout = asyncio.get_running_loop(), self._inner, self._timeout
        timer: Optional[asyncio.Handle] = None

        def time_out() -> None:
            nonlocal timer
            if not inner._give_up_waiting():
                # It was woken: it has an update, or waits again.
                timer = loop.call_soon(time_out)

        if timeout is not None:
            timer = loop.call_later(timeout, time_out)
        try:
            updates = await inner._next_batch(_BATCH)
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:
            raise DeadlineExceededError(f"no update came within timeout={timeout} s: wait longer, or catch this and go on") from None
        finally:
            if timer is not None:
                timer.cancel()
        updates.reverse()
        with self._putting:
            if not self._is_closed:
                self._taken = updates

    def batches(self) -> Iterator[List[VariableUpdate]]:
        """A loop over lists instead: at least one update, and all that wait, as of the asynchronous one."""
        return _Batches(self._begin_loop(), self)

    def _next_batch(self) -> List[VariableUpdate]:
        update = self._next()
        with self._putting:
            taken, self._taken = self._taken, []
        return [update, *reversed(taken)]

    def close(self) -> None:
        """Ends it: nothing is given any more."""
        with self._putting:
            self._taken = []
            # Also where its loop was left before, which ends it without waiting.
            self._is_closed = True
        thread = self._session._thread
        if thread is not None:
            thread.wait_for_end(self._inner.aclose())

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._end_soon()

    def _end_soon(self) -> None:
        if getattr(self, "_is_closed", True):
            return
        self._is_closed = True
        self._taken = []
        thread = self._session._thread
        if thread is not None:
            thread.run_soon(self._inner._close)


class _Loop(Iterator[VariableUpdate]):
    """Held by the loop alone: when it lets go of it, the watch is over, unless its time was."""

    __slots__ = ("_watch", "_is_left")

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._is_left = False

    def __iter__(self) -> Iterator[VariableUpdate]:
        return self

    def __next__(self) -> VariableUpdate:
        return self.step(self._watch._next)

    def step(self, take: Callable[[], T]) -> T:
        if self._is_left:
            self._is_left = False
            self._watch._is_looped = True
        try:
            return take()
        except DeadlineExceededError:
            # By that, and not by its user.
            self._is_left = True
            self._watch._is_looped = False
            raise

    def __del__(self) -> None:
        if not self._is_left:
            self._watch._end_soon()


class _Batches(Iterator[List[VariableUpdate]]):
    """As `_Loop`, which it holds."""

    __slots__ = ("_loop", "_watch")

    def __init__(self, loop: _Loop, watch: Watch) -> None:
        self._loop = loop
        self._watch = watch

    def __iter__(self) -> Iterator[List[VariableUpdate]]:
        return self

    def __next__(self) -> List[VariableUpdate]:
        return self._loop.step(self._watch._next_batch)


async def _end(tasks: "Set[asyncio.Task[Any]]") -> None:
    await end_tasks(tasks)
    await asyncio.sleep(0)


async def _opened(inner: asynchronous.SessionContext) -> None:
    await inner


async def _closed_and_ended(inner: asynchronous.SessionContext, thread: _LoopThread) -> None:
    await inner.close()
    thread.end()


async def _registered(inner: asynchronous.SessionContext, method: str, target: Any, options: Dict[str, Any]) -> AsyncWatch:
    watch: AsyncWatch = getattr(inner, method)(target, **options)
    if options.get("missing", "fail") == "fail":
        await watch.ready()
    return watch


__all__ = ["SessionContext", "Watch"]

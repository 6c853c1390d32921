"""Reads one watch by a task of its own, for whoever keeps its values: what all of reactive has in common. Path: watch -> [watch reader] -> reactive values.

Slow callbacks: they run on the loop, and what comes meanwhile conflates as the watch says. Closed: `close` ends the watch and the task, and nothing is
called any more; with the session it ends by itself. What a callback raises goes to `on_error`.
"""

import asyncio
import inspect
import logging
from types import TracebackType
from typing import Any, Awaitable, Callable, Dict, FrozenSet, List, Optional, Sequence, Set, Tuple, Type, TypeVar

from ._core.plain_function import ENDS_THE_PROGRAM
from .errors import BridgeError, ClosedError, InvalidArgumentError
from .session import SessionContext
from .types import VariableUpdate
from .watch import Watch

logger = logging.getLogger("bridged_state")

OnError = Callable[[BaseException], Any]
Unsubscribe = Callable[[], None]
Self = TypeVar("Self", bound="WatchReader")


class WatchReader:
    """Reads one watch until its end."""

    def __init__(self, session: SessionContext, names: Sequence[str], on_error: Optional[OnError]) -> None:
        self.session = session
        # As they were given: names or ids, and one may be there twice.
        self.names: Tuple[str, ...] = tuple(names)
        self._on_error = on_error
        self._watch: Optional[Watch] = None
        self._task: Optional["asyncio.Task[None]"] = None
        self._pending: List[VariableUpdate] = []
        self._is_flushing = False
        self._is_closed = False
        self._asked = frozenset(self.names)
        # Names whose present value has not come; with none left it is ready.
        self._unknown = set(self._asked)
        self._ready: Optional["asyncio.Future[None]"] = None
        self._subscribers: Dict[object, Callable[..., Any]] = {}
        self._setting: Set["asyncio.Future[Any]"] = set()
        # What callbacks do by themselves; held, because a loop holds no task. Not waited for: two may each close what the other is of.
        self._calling: Set["asyncio.Future[Any]"] = set()

    async def _open(self: Self) -> Self:
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        self._watch = self.session.watch_variables(
            self.names, include_initial=True, atomic=len(self._unknown) > 1, on_error=self._handle_trouble
        )
        self._task = loop.create_task(self._read(self._watch), name=f"bridged_state {', '.join(self.names[:3])}")
        try:
            await asyncio.shield(self._ready)
        except BaseException:
            await self.close()
            raise
        return self

    @property
    def is_closed(self) -> bool:
        """By `close`, with its session, or because its watch failed: `on_error` was told why."""
        return self._is_closed

    async def close(self) -> None:
        """Nothing is called any more when this returns, and what was being set is answered. A second time it does nothing."""
        self._end()
        if self._watch is not None:
            await self._watch.aclose()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        # Not by `gather`, which cancels what it waits for where the caller is cancelled.
        if self._setting:
            await asyncio.wait(list(self._setting))

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    def _end(self) -> None:
        self._is_closed = True
        self._pending.clear()
        self._subscribers.clear()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(ClosedError(f"{subject_of(self.names)} was closed before its values had come"))
            # Told to whoever waits; nobody may.
            self._ready.exception()

    async def _read(self, watch: Watch) -> None:
        try:
            async for update in watch:
                self._pending.append(update)
                if not self._is_flushing:
                    # What came together is seen together: an atomic batch is one message, and its updates are read in one turn.
                    self._is_flushing = True
                    asyncio.get_running_loop().call_soon(self._flush)
            self._flush()
        except BridgeError as error:
            self._flush()
            self._handle_failure(error)
        finally:
            self._end()

    def _handle_trouble(self, error: BaseException) -> None:
        """Told by its watch, which goes on."""
        self._tell(error)

    def _handle_failure(self, error: BridgeError) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)

    def _flush(self) -> None:
        self._is_flushing = False
        updates, self._pending = self._pending, []
        if not updates or self._is_closed:
            return
        for update in updates:
            self._unknown.difference_update(self._names_of(update))
        self._take(updates)
        if self._ready is not None and not self._ready.done() and not self._unknown:
            self._ready.set_result(None)

    def _take(self, updates: List[VariableUpdate]) -> None:
        raise NotImplementedError

    def _names_of(self, update: VariableUpdate) -> FrozenSet[str]:
        """As its user calls it: by name, by id, or by both."""
        return self._asked.intersection((update.variable_name, update.variable_id))

    def _subscribe(self, callback: Callable[..., Any], what: str) -> Unsubscribe:
        if not callable(callback):
            raise InvalidArgumentError(f"on_change of {subject_of(self.names)}: give a function {what}")
        if self._is_closed:
            raise ClosedError(f"{subject_of(self.names)} was closed: open another")
        key = object()
        self._subscribers[key] = callback
        return lambda: None if self._subscribers.pop(key, None) is None else None

    def _call_all(self, *arguments: Any) -> None:
        for key, callback in list(self._subscribers.items()):
            # One before it may have closed it, or unsubscribed the next.
            if key in self._subscribers:
                self._call(callback, *arguments)

    def _call(self, callback: Callable[..., Any], *arguments: Any) -> None:
        try:
            result = callback(*arguments)
        except ENDS_THE_PROGRAM:
            raise
        except BaseException as error:
            self._tell(error)
            return
        if inspect.isawaitable(result):
            self._follow(result, self._calling)

    def _set(self, name: str, value: Any, **options: Any) -> None:
        """Without waiting."""
        self._follow(self.session.set_variable(name, value, **options), self._setting)

    def _follow(self, work: Awaitable[Any], among: "Set[asyncio.Future[Any]]") -> None:
        """Its failure is told."""
        task = asyncio.ensure_future(work)
        among.add(task)

        def handle_end(_task: "asyncio.Future[Any]") -> None:
            among.discard(task)
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self._tell(error)

        task.add_done_callback(handle_end)

    def _tell(self, error: BaseException) -> None:
        if self._on_error is None:
            logger.warning("%s: %s", subject_of(self.names), error)
            return
        try:
            self._on_error(error)
        except ENDS_THE_PROGRAM:
            raise
        except BaseException as second:
            logger.warning("on_error of %s raised %r", subject_of(self.names), second)


def subject_of(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in list(names)[:3])
    return shown if len(names) <= 3 else f"{shown}, …"

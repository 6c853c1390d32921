"""Updates as programs want them: a variable that knows its value, several as one, a value computed of others. Path: watch -> [reactive] -> your callbacks.

Each reads one watch by a task of its own. Slow callbacks: they run on the loop, and what comes meanwhile conflates as the watch says. Closed: `close`
ends the watch and the task, and nothing is called any more; with the session they end by themselves. What a callback raises goes to `on_error`.
"""

import asyncio
import inspect
import logging
from types import TracebackType
from typing import Any, Awaitable, Callable, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Set, Tuple, Type, TypeVar, Union

from ._core.condition import NO_VALUE, Condition, check_condition, meets
from ._core.plain_function import ENDS_THE_PROGRAM, was_awaitable
from .errors import (
    BridgeError,
    ClosedError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    VariablesNotFoundError,
)
from .session import SessionContext
from .types import VariableUpdate
from .watch import Watch, check_timeout, read_name_list, read_names

logger = logging.getLogger("bridged_state")

OnError = Callable[[BaseException], Any]
Unsubscribe = Callable[[], None]
Self = TypeVar("Self", bound="_Reader")

# Of the metadata of a derived variable's set: how many derived variables were set one because of the other.
DEPTH_KEY = "derived-depth"
# A chain that is longer goes in a circle that does not settle.
MAX_DEPTH = 32


class _Reader:
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
            self.names, include_initial=True, atomic=len(self._unknown) > 1, on_error=self._tell
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
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*self._setting, return_exceptions=True)

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
            self._ready.set_exception(ClosedError(f"{_subject(self.names)} was closed before its values had come"))
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
            raise InvalidArgumentError(f"on_change of {_subject(self.names)}: give a function {what}")
        if self._is_closed:
            raise ClosedError(f"{_subject(self.names)} was closed: open another")
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
            logger.warning("%s: %s", _subject(self.names), error)
            return
        try:
            self._on_error(error)
        except ENDS_THE_PROGRAM:
            raise
        except BaseException as second:
            logger.warning("on_error of %s raised %r", _subject(self.names), second)


class ReactiveValue(_Reader):
    """A value that is computed of others and known at once; it cannot be set."""

    def __init__(
        self,
        session: SessionContext,
        names: Sequence[str],
        compute: Callable[..., Any],
        on_error: Optional[OnError] = None,
    ) -> None:
        super().__init__(session, names, on_error)
        self._compute = compute
        self._inputs: Dict[str, Any] = {}
        self._value: Any = None

    @property
    def value(self) -> Any:
        """The present one; None while one of its variables is gone, and after `compute` raised, which `on_error` is told."""
        return self._value

    def on_change(self, callback: Callable[[Any, Any], Any]) -> Unsubscribe:
        """`callback(old, new)` at each change of the value; returns what ends that."""
        return self._subscribe(callback, "(old, new)")

    def _take(self, updates: List[VariableUpdate]) -> None:
        for update in updates:
            self._inputs.update(dict.fromkeys(self._names_of(update), None if update.deleted else update.value))
        if any(name not in self._inputs for name in self.names):
            return
        values = [self._inputs[name] for name in self.names]
        old, self._value = self._value, None if any(value is None for value in values) else self._computed(values)
        is_other = old is not self._value and not _same(old, self._value)
        if is_other:
            self._call_all(old, self._value)
        self._handle_computed(is_other, updates)

    def _computed(self, values: List[Any]) -> Any:
        try:
            value = self._compute(*values)
            if not was_awaitable(value):
                return value
            raise InvalidArgumentError(f"the function over {_subject(self.names)} is asynchronous: give a plain one")
        except ENDS_THE_PROGRAM:
            raise
        except BaseException as error:
            self._tell(error)
            return None

    def _handle_computed(self, is_other: bool, updates: Sequence[VariableUpdate]) -> None:
        """For a class that does more with it. `is_other`: than the one before."""


class ReactiveVariable(_Reader):
    """
    A variable that knows its present value: `async with await reactive(session, "fan") as fan: fan.value = True`. Assigning sets it without waiting,
    and what refuses that goes to `on_error`; `await fan.set(True)` waits.
    """

    def __init__(self, session: SessionContext, name: str, on_error: Optional[OnError] = None) -> None:
        super().__init__(session, read_names([name], "reactive"), on_error)
        self.name = name
        self._value: Any = None
        self._version = 0
        self._is_deleted = False

    @property
    def value(self) -> Any:
        """
        The present one; None when it was deleted. Assigning sets it without waiting. Raises ClosedError once it is closed, and InvalidArgumentError
        outside of its session's loop.
        """
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        if self._is_closed:
            raise ClosedError(f'"{self.name}" was closed: open another')
        self.session._usable()
        self._set(self.name, value)

    @property
    def version(self) -> int:
        """Of the present value."""
        return self._version

    @property
    def is_deleted(self) -> bool:
        """Deleted, expired, or gone with its session."""
        return self._is_deleted

    async def set(self, value: Any, **options: Any) -> int:
        """As `set_variable` of its session, with its options and errors: returns the version."""
        return await self.session.set_variable(self.name, value, **options)

    def on_change(self, callback: Callable[[Any, Any, VariableUpdate], Any]) -> Unsubscribe:
        """`callback(old, new, update)` at each change, the deletion too; returns what ends that."""
        return self._subscribe(callback, "(old, new, update)")

    async def map(self, compute: Callable[[Any], Any]) -> ReactiveValue:
        """The value of `compute(value)`, which follows it; with an end of its own. What `compute` raises goes to `on_error`."""
        return await combine(self.session, [self.name], compute, self._on_error)

    def _take(self, updates: List[VariableUpdate]) -> None:
        for update in updates:
            old = self._value
            self._version = update.version
            self._is_deleted = update.deleted is not None
            self._value = None if self._is_deleted else update.value
            if not update.is_initial:
                self._call_all(old, self._value, update)


class VariableGroup(_Reader):
    """Several variables as one: what came together, such as an atomic batch, is seen together."""

    def __init__(self, session: SessionContext, names: Union[str, Iterable[str]], on_error: Optional[OnError] = None) -> None:
        super().__init__(session, read_names(names, "group"), on_error)
        self._values: Dict[str, Any] = {}

    @property
    def values(self) -> Mapping[str, Any]:
        """By name; those that are gone are left out."""
        return dict(self._values)

    def __getitem__(self, name: str) -> Any:
        """The present value of one. Raises KeyError while it is gone."""
        return self._values[name]

    async def set(self, values: Mapping[str, Any], *, atomic: bool = True) -> Dict[str, int]:
        """Sets some of them: versions by name. Raises InvalidArgumentError for one that is not of this group, and as `update_variables`."""
        strange = [name for name in values if name not in self.names]
        if strange:
            raise InvalidArgumentError(f'"{strange[0]}" is not of {_subject(self.names)}: set it by the session')
        return await self.session.update_variables(values, atomic=atomic)

    def on_change(self, callback: Callable[[FrozenSet[str], Mapping[str, Any]], Any]) -> Unsubscribe:
        """`callback(changed, values)`: the names that changed, and the values of all; returns what ends that."""
        return self._subscribe(callback, "(changed, values)")

    def _take(self, updates: List[VariableUpdate]) -> None:
        changed: Set[str] = set()
        for update in updates:
            names = self._names_of(update)
            for name in names:
                if update.deleted:
                    self._values.pop(name, None)
                else:
                    self._values[name] = update.value
            if not update.is_initial:
                changed.update(names)
        if changed:
            self._call_all(frozenset(changed), self.values)


class DerivedVariable(ReactiveValue):
    """A value that is computed of others and written to a variable of its own; `derive` makes one."""

    def __init__(
        self,
        session: SessionContext,
        target: str,
        names: Sequence[str],
        compute: Callable[..., Any],
        on_error: Optional[OnError] = None,
    ) -> None:
        super().__init__(session, names, compute, on_error)
        self.target = target

    async def _define(self) -> "DerivedVariable":
        derived = _DERIVED.setdefault(self.session, {})
        cycle = _cycle_of(derived, self.target, self.names)
        if cycle is not None:
            raise InvalidArgumentError(f"derived variables would follow one another in a circle: {' -> '.join(cycle)}: leave one of them out")
        if self.target in derived:
            raise InvalidArgumentError(f'"{self.target}" is derived already: close that one first')
        derived[self.target] = self.names
        try:
            return await self._open()
        except BaseException:
            derived.pop(self.target, None)
            raise

    def _end(self) -> None:
        derived = _DERIVED.get(self.session)
        if derived is not None and derived.get(self.target) is self.names:
            del derived[self.target]
            if not derived:
                del _DERIVED[self.session]
        super()._end()

    def _handle_computed(self, is_other: bool, updates: Sequence[VariableUpdate]) -> None:
        # A server that lost its state has lost what was written, too.
        if not is_other and not any(update.resync for update in updates):
            return
        if self._value is None or self._is_closed:
            return
        depth = 1 + max(_depth_of(update) for update in updates)
        if depth > MAX_DEPTH:
            # Through other processes too: each passes on how long the chain is.
            self._tell(
                InternalError(
                    f'"{self.target}" was not set: {MAX_DEPTH} derived variables were set one because of the other, so they go in a circle that does not settle'
                )
            )
            return
        self._set(self.target, self._value, source="derived", metadata={DEPTH_KEY: str(depth)})


async def reactive(session: SessionContext, name: str, on_error: Optional[OnError] = None) -> ReactiveVariable:
    """
    The variable, once its present value is known.

    Args:
        name: its name or id.
        on_error: told what a callback raises, what refuses an assignment, and why its watch ends; without it they are logged.

    Raises:
        VariablesNotFoundError: `identifiers` names it.
    """
    return await ReactiveVariable(session, name, on_error)._open()


async def group(session: SessionContext, names: Union[str, Iterable[str]], on_error: Optional[OnError] = None) -> VariableGroup:
    """Several as one, once the present value of each is known. `on_error` as of `reactive`. Raises VariablesNotFoundError."""
    return await VariableGroup(session, names, on_error)._open()


async def combine(
    session: SessionContext, names: Union[str, Iterable[str]], compute: Callable[..., Any], on_error: Optional[OnError] = None
) -> ReactiveValue:
    """
    `compute(*values)`, in the order of the names, which follows all of them; computed once for what came together, such as an atomic batch.
    `on_error` as of `reactive`, also told what `compute` raises. Raises VariablesNotFoundError.
    """
    _check_function(compute, "combine")
    return await ReactiveValue(session, read_name_list(names, "combine"), compute, on_error)._open()


async def derive(
    session: SessionContext,
    target: str,
    names: Union[str, Iterable[str]],
    compute: Callable[..., Any],
    on_error: Optional[OnError] = None,
) -> DerivedVariable:
    """
    Sets `target` to `compute(*values)` whenever one of the names changes, and again when a server has lost its state. Raises InvalidArgumentError where derived variables of this session would
    follow one another in a circle, and names it; one through other processes that does not settle is stopped after MAX_DEPTH sets, and told.
    """
    _check_function(compute, "derive")
    read_names([target], "derive")
    return await DerivedVariable(session, target, read_name_list(names, "derive"), compute, on_error)._define()


async def watch_for_condition(
    session: SessionContext,
    names: Union[str, Iterable[str]],
    condition: Union[Condition, Callable[..., Any]],
    timeout: Optional[float] = None,
) -> Dict[str, Any]:
    """
    The values by name as soon as the condition holds: a function of the values in the order of the names, or data such as `{"gt": 30}` that each of
    them meets. An atomic batch is looked at as a whole, every other change by itself. `timeout`: seconds. Raises DeadlineExceededError, VariablesNotFoundError, and what the function raises.
    """
    check_timeout(timeout)
    wanted = read_name_list(names, "watch_for_condition")
    asked = None if callable(condition) else check_condition(condition, "watch_for_condition")

    def holds(olds: Sequence[Any], values: Sequence[Any]) -> bool:
        if asked is not None:
            return all(meets(asked, old, value) for old, value in zip(olds, values))
        assert callable(condition)
        met = condition(*values)
        if was_awaitable(met):
            raise InvalidArgumentError("the condition of watch_for_condition is asynchronous: give a plain function")
        return bool(met)

    async def follow() -> Dict[str, Any]:
        waiting = _Waiting(session, wanted, holds)
        try:
            await waiting._open()
            return await waiting.outcome
        finally:
            await waiting.close()

    try:
        return await asyncio.wait_for(follow(), timeout)
    except asyncio.TimeoutError:
        raise DeadlineExceededError(f"{_subject(wanted)} did not meet the condition within {timeout} s") from None


class _Waiting(_Reader):
    def __init__(
        self, session: SessionContext, names: Sequence[str], holds: Callable[[Sequence[Any], Sequence[Any]], bool]
    ) -> None:
        super().__init__(session, names, self._fail)
        self._holds = holds
        self._values: Dict[str, Any] = {}
        self._olds: Dict[str, Any] = {}
        self.outcome: "asyncio.Future[Dict[str, Any]]" = asyncio.get_running_loop().create_future()

    def _take(self, updates: List[VariableUpdate]) -> None:
        for place, update in enumerate(updates):
            names = self._names_of(update)
            if update.deleted:
                self._fail(VariablesNotFoundError.of(sorted(names)))
                return
            self._olds.update(dict.fromkeys(names, NO_VALUE if update.is_initial else update.old_value))
            self._values.update(dict.fromkeys(names, update.value))
            # Those of an atomic batch share a revision; servers of the published contract alone have none.
            following = updates[place + 1] if place + 1 < len(updates) else None
            is_whole = update.revision == 0 or following is None or following.revision != update.revision
            if is_whole and self._look():
                return

    def _look(self) -> bool:
        """Whether it is settled."""
        if self.outcome.done():
            return True
        if any(name not in self._values for name in self.names):
            return False
        try:
            if not self._holds([self._olds[name] for name in self.names], [self._values[name] for name in self.names]):
                return False
        except ENDS_THE_PROGRAM:
            raise
        except BaseException as error:
            self._fail(error)
            return True
        self.outcome.set_result({name: self._values[name] for name in self.names})
        return True

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, StopIteration):
            # No future takes it; coroutines say this too.
            error = RuntimeError("the condition of watch_for_condition raised StopIteration").with_traceback(error.__traceback__)
        if not self.outcome.done():
            self.outcome.set_exception(error)
            # Whoever waits may have gone.
            self.outcome.exception()

    def _handle_failure(self, error: BridgeError) -> None:
        super()._handle_failure(error)
        self._fail(error)

    def _end(self) -> None:
        super()._end()
        self._fail(ClosedError(f"the watch of {_subject(self.names)} ended before the condition was met: open another"))


# Of each session: what its derived variables are computed of, by their targets.
_DERIVED: Dict[SessionContext, Dict[str, Tuple[str, ...]]] = {}


def _cycle_of(derived: Mapping[str, Tuple[str, ...]], target: str, names: Sequence[str]) -> Optional[List[str]]:
    """From the target back to it, in the order in which one is set because of the other."""
    paths: List[List[str]] = [[target, name] for name in names]
    seen = set()
    while paths:
        path = paths.pop()
        if path[-1] == target:
            return path[::-1]
        if path[-1] not in seen:
            seen.add(path[-1])
            paths.extend([*path, name] for name in derived.get(path[-1], ()))
    return None


def _depth_of(update: VariableUpdate) -> int:
    text = update.metadata.get(DEPTH_KEY, "")
    return int(text) if update.source == "derived" and text.isdecimal() and len(text) < 6 else 0


def _same(one: Any, other: Any) -> bool:
    try:
        # NaN is NaN, as where variables are set.
        return type(one) is type(other) and bool(one == other or (one != one and other != other))
    except Exception:
        # Arrays have no one truth.
        return False


def _check_function(compute: Any, what: str) -> None:
    if not callable(compute):
        raise InvalidArgumentError(f"{what}: give a function of the values, not {compute!r}")


def _subject(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in list(names)[:3])
    return shown if len(names) <= 3 else f"{shown}, …"

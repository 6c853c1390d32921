"""Variables as programs want them: one that knows its value, several as one, a value computed of others. Path: watch reader -> [reactive] -> your callbacks.

Slow callbacks: they run on the loop, and what comes meanwhile conflates as the watch says. Closed: as the reader is.
"""

from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Set, Union

from ._core.plain_function import ENDS_THE_PROGRAM, was_awaitable
from .errors import ClosedError, InvalidArgumentError
from .session import SessionContext
from .types import VariableUpdate
from .variable_names import read_name_list, read_names
from .watch_reader import OnError, Unsubscribe, WatchReader, subject_of


class ReactiveValue(WatchReader):
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
            raise InvalidArgumentError(f"the function over {subject_of(self.names)} is asynchronous: give a plain one")
        except ENDS_THE_PROGRAM:
            raise
        except BaseException as error:
            self._tell(error)
            return None

    def _handle_computed(self, is_other: bool, updates: Sequence[VariableUpdate]) -> None:
        """For a class that does more with it. `is_other`: than the one before."""


class ReactiveVariable(WatchReader):
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


class VariableGroup(WatchReader):
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
            raise InvalidArgumentError(f'"{strange[0]}" is not of {subject_of(self.names)}: set it by the session')
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
    check_function(compute, "combine")
    return await ReactiveValue(session, read_name_list(names, "combine"), compute, on_error)._open()


def _same(one: Any, other: Any) -> bool:
    try:
        # NaN is NaN, as where variables are set.
        return type(one) is type(other) and bool(one == other or (one != one and other != other))
    except Exception:
        # Arrays have no one truth.
        return False


def check_function(compute: Any, what: str) -> None:
    if not callable(compute):
        raise InvalidArgumentError(f"{what}: give a function of the values, not {compute!r}")

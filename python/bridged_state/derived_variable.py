"""A variable whose value is computed of others, and set: `derive`. Path: reactive value -> [derived variable] -> session.

Of one session they cannot follow one another in a circle; through other processes, one that does not settle is stopped.
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from .errors import InternalError, InvalidArgumentError, LostSetsError
from .reactive import ReactiveValue, check_function
from .session import SessionContext
from .types import VariableUpdate
from .variable_names import read_name_list, read_names
from .watch_reader import OnError
from .written_value import WrittenValue

# Of the metadata of a derived variable's set: how many derived variables were set one because of the other.
DEPTH_KEY = "derived-depth"
# A chain that is longer goes in a circle that does not settle.
MAX_DEPTH = 32
# Of each session: what its derived variables are computed of, by their targets.
_DERIVED: Dict[SessionContext, Dict[str, Tuple[str, ...]]] = {}


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
        self._depth = 0
        self._written: Optional[WrittenValue] = None

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
        if self._written is not None:
            self._written.give_up()
        super()._end()

    def _handle_trouble(self, error: BaseException) -> None:
        super()._handle_trouble(error)
        # What was written may be among them.
        if isinstance(error, LostSetsError):
            self._write()

    def _handle_computed(self, is_other: bool, updates: Sequence[VariableUpdate]) -> None:
        # A server that lost its state has lost what was written, too.
        if not is_other and not any(update.resync for update in updates):
            return
        self._depth = max(_depth_of(update) for update in updates)
        self._write()

    def _write(self) -> None:
        if self._written is not None:
            self._written.give_up()
        if self._value is None or self._is_closed:
            return
        if self._depth >= MAX_DEPTH:
            # Through other processes too: each passes on how long the chain is.
            self._tell(
                InternalError(
                    f'"{self.target}" was not set: {MAX_DEPTH} derived variables were set one because of the other, so they go in a circle that does not settle'
                )
            )
            return
        value, metadata = self._value, {DEPTH_KEY: str(self._depth + 1)}
        self._written = WrittenValue(
            lambda: self.session.set_variable(self.target, value, source="derived", metadata=metadata), self._tell
        )
        self._follow(self._written.write(), self._setting)


async def derive(
    session: SessionContext,
    target: str,
    names: Union[str, Iterable[str]],
    compute: Callable[..., Any],
    on_error: Optional[OnError] = None,
) -> DerivedVariable:
    """
    Sets `target` to `compute(*values)` whenever one of the names changes, and again when a server has lost its state. A set that fails for what passes by itself, such as a
    server that is away or a target that is not registered yet, is told and made again until it stands or the value is another. Raises InvalidArgumentError where derived variables of this session would
    follow one another in a circle, and names it; one through other processes that does not settle is stopped after MAX_DEPTH sets, and told.
    """
    check_function(compute, "derive")
    read_names([target], "derive")
    return await DerivedVariable(session, target, read_name_list(names, "derive"), compute, on_error)._define()


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

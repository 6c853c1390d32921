"""Waiting until variables are as a program wants them. Path: watch reader -> [condition wait] -> whoever waits."""

import asyncio
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Union

from ._core.condition import NO_VALUE, Condition, check_condition, meets
from ._core.plain_function import ENDS_THE_PROGRAM, was_awaitable
from .errors import BridgeError, ClosedError, DeadlineExceededError, InvalidArgumentError, VariablesNotFoundError
from .option_values import check_timeout
from .session import SessionContext
from .types import VariableUpdate
from .variable_names import read_name_list
from .watch_reader import WatchReader, subject_of


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

    waiting = _Waiting(session, wanted, holds)
    timer = None if timeout is None else asyncio.get_running_loop().call_later(timeout, waiting.time_out, timeout)
    try:
        await waiting._open()
        return await waiting.outcome
    finally:
        if timer is not None:
            timer.cancel()
        await waiting.close()


class _Waiting(WatchReader):
    def __init__(
        self, session: SessionContext, names: Sequence[str], holds: Callable[[Sequence[Any], Sequence[Any]], bool]
    ) -> None:
        # What ends its watch is heard as its end; anything else leaves it waiting.
        super().__init__(session, names, lambda _error: None)
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

    def time_out(self, seconds: float) -> None:
        self._handle_failure(DeadlineExceededError(f"{subject_of(self.names)} did not meet the condition within {seconds} s"))

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
        self._fail(ClosedError(f"the watch of {subject_of(self.names)} ended before the condition was met: open another"))

"""Sets that go by the link, and who waits for them. Path: session -> [link sets] -> link session, and their outcomes back.

They are formed when they are called, and go in their turn among all changes of the session. Slow server: each waits for its own time. Full:
QuotaExceededError. No link will come: `fail_all` says what became of each.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ._core.change_order import LINK, Turn
from ._core.link_events import SetResult
from ._core.link_session import LinkSession, LinkSet
from ._core.set_queue import QueuedSet
from .errors import (
    BridgeError,
    ErrorDetails,
    QuotaExceededError,
    SessionNotFoundError,
    UnavailableError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from .connection import Connection


class _Asked:
    """Sets that one caller waits for: told once, when the outcome of each is there. Their turn is over when each is made, or will not be."""

    __slots__ = ("sets", "outcomes", "left", "under_way", "told", "turn", "is_pushed")

    def __init__(self, sets: Sequence[QueuedSet], told: "asyncio.Future[None]") -> None:
        self.sets = sets
        # Of each a version, or an error.
        self.outcomes: List[Any] = [None] * len(sets)
        self.left = len(sets)
        self.under_way = len(sets)
        self.told = told
        self.turn: Optional[Turn] = None
        self.is_pushed = False

    def put(self, place: int, outcome: Any) -> None:
        """The first of each counts."""
        if self.outcomes[place] is not None:
            return
        self.outcomes[place] = outcome
        self.left -= 1
        if self.left == 0 and not self.told.done():
            self.told.set_result(None)


class LinkSets:
    def __init__(self, connection: "Connection", session: LinkSession, wake_writer: Callable[[], None]) -> None:
        self._connection = connection
        self._loop = connection.loop
        self._session = session
        # There is something to send.
        self._wake_writer = wake_writer
        # Of the sets whose callers wait.
        self._held_bytes = 0
        # By sequence, until it is made or will not be: who asked for it, and at which place.
        self._sets: Dict[int, Tuple[_Asked, int]] = {}

    async def set(
        self, identifier: str, value: Any, source: str, metadata: Mapping[str, str], expected_version: int
    ) -> int:
        try:
            return await self._set(identifier, value, source, metadata, expected_version)
        except SessionNotFoundError:
            # The server refused, so nothing was done.
            await self._connection.rejoin()
            return await self._set(identifier, value, source, metadata, expected_version)

    async def _set(
        self, identifier: str, value: Any, source: str, metadata: Mapping[str, str], expected_version: int
    ) -> int:
        self._connection.check()
        one = self._session.form(LinkSet(identifier, value, None, expected_version), source, metadata)
        outcome = (await self._results((one,), False))[0]
        if isinstance(outcome, BaseException):
            raise outcome
        version: int = outcome
        return version

    async def set_all(
        self, values: Mapping[str, Any], atomic: bool, source: str, metadata: Mapping[str, str]
    ) -> List[Any]:
        """A version or an error for each."""
        outcomes = dict(zip(values, await self._set_all(values, atomic, source, metadata)))
        lost = {identifier: values[identifier] for identifier, outcome in outcomes.items() if isinstance(outcome, SessionNotFoundError)}
        if lost:
            await self._connection.rejoin()
            outcomes.update(zip(lost, await self._set_all(lost, atomic, source, metadata)))
        return list(outcomes.values())

    async def _set_all(
        self, values: Mapping[str, Any], atomic: bool, source: str, metadata: Mapping[str, str]
    ) -> List[Any]:
        self._connection.check()
        sets = [LinkSet(identifier, value) for identifier, value in values.items()]
        if atomic:
            return await self._results(self._session.form_batch(sets, source, metadata), True)
        # One that cannot travel: none is sent.
        return await self._results([self._session.form(one, source, metadata) for one in sets], False)

    async def _results(self, sets: Sequence[QueuedSet], is_batch: bool) -> List[Any]:
        """Of each set a version or an error. They go when their turn has come. Raises QuotaExceededError."""
        size = sum(one.size for one in sets)
        if self._held_bytes > 0 and self._held_bytes + size > _MOST_HELD_BYTES:
            raise QuotaExceededError(
                f"sets of {self._held_bytes} bytes wait to be made already, of {_MOST_HELD_BYTES} at most: await your sets before you start more"
            )
        self._held_bytes += size
        try:
            return await self._outcomes(sets, is_batch)
        finally:
            self._held_bytes -= size

    async def _outcomes(self, sets: Sequence[QueuedSet], is_batch: bool) -> List[Any]:
        asked = _Asked(sets, self._loop.create_future())
        order = self._connection.order
        asked.turn = order.enter_now(LINK)
        if asked.turn is None:
            asked.turn = order.enter(LINK, "", lambda: self._push_late(asked, is_batch))
        else:
            self._push(asked, is_batch)
        timeout = self._connection.options.call_timeout_ms / 1000.0
        timer = self._loop.call_later(timeout, self._time_out, asked)
        try:
            await asked.told
            return asked.outcomes
        except asyncio.CancelledError:
            self._give_up(asked)
            raise
        finally:
            timer.cancel()

    def _push(self, asked: _Asked, is_batch: bool) -> None:
        asked.is_pushed = True
        for place, one in enumerate(asked.sets):
            self._sets[one.sequence] = (asked, place)
            if not is_batch:
                self._session.push((one,))
        if is_batch:
            self._session.push(asked.sets)
        self._wake_writer()

    def _push_late(self, asked: _Asked, is_batch: bool) -> None:
        """What was called before took until now."""
        subject = f'variable "{asked.sets[0].identifier}"'
        try:
            self._connection.check()
            if not self._connection.uses_link:
                raise UnavailableError(f"{subject}: the server that came meanwhile has no link: it was not set")
        except BridgeError as error:
            for place in range(len(asked.sets)):
                asked.put(place, error)
            self._loop.call_soon(self._leave, asked)
            return
        self._push(asked, is_batch)

    def _give_up(self, asked: _Asked) -> List[bool]:
        """Of each whether it will not be made. Those that may be have their turn until that is known."""
        if not asked.is_pushed:
            self._leave(asked)
            return [True] * len(asked.sets)
        will_not = []
        for one in asked.sets:
            was_waiting = self._session.cancel_set(one.sequence)
            will_not.append(was_waiting)
            if was_waiting:
                self._end(one.sequence)
        return will_not

    def _time_out(self, asked: _Asked) -> None:
        for place, (one, will_not) in enumerate(zip(asked.sets, self._give_up(asked))):
            subject, details = f'variable "{one.identifier}"', ErrorDetails(identifiers=(one.identifier,))
            if not will_not:
                outcome: BridgeError = UnknownOutcomeError(
                    f"{subject}: the answer to its set did not come in time: it may or may not have been made, so read before you repeat it",
                    details=details,
                )
            elif asked.is_pushed:
                why = self._connection.last_words
                outcome = UnavailableError(f"{subject}: no link to the server came in time{why}: it was not set", details=details)
            else:
                outcome = UnavailableError(
                    f"{subject}: what was called before it was not answered in time: it was not set", details=details
                )
            asked.put(place, outcome)

    def _end(self, sequence: int) -> Optional[Tuple[_Asked, int]]:
        """It is made, or will not be."""
        found = self._sets.pop(sequence, None)
        if found is not None:
            asked = found[0]
            asked.under_way -= 1
            if asked.under_way == 0:
                self._leave(asked)
        return found

    def _leave(self, asked: _Asked) -> None:
        if asked.turn is not None:
            self._connection.order.leave(asked.turn)

    def fail_all(self) -> None:
        """No link will come."""
        for event in self._session.fail_sets():
            if isinstance(event, SetResult):
                self.settle(event)

    def settle(self, result: SetResult) -> None:
        found = self._end(result.sequence)
        if found is not None:
            found[0].put(found[1], result.version if result.error is None else result.error)


_MOST_HELD_BYTES = 256 * 1024 * 1024

"""Sets that go by the link, and who waits for them. Path: session -> [link sets] -> link session, and their outcomes back.

They are formed when they are called, and go in their turn among all changes of the session. Slow server: each waits for its own time. Full:
QuotaExceededError. No link will come: `fail_all` says what became of each.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence

from ._core.change_order import LINK, Turn
from ._core.link_events import SetResult, SetsMade
from ._core.link_session import LinkSession, LinkSet
from ._core.set_queue import QueuedSet
from .errors import (
    BridgeError,
    ErrorDetails,
    QuotaExceededError,
    UnavailableError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from .connection import Connection


class _Asked:
    """Sets that one caller waits for: told once, when the outcome of each is there. Their turn is over when each is made, or will not be."""

    __slots__ = ("sets", "first", "outcomes", "left", "under_way", "told", "due_at", "turn", "is_pushed")

    def __init__(self, sets: Sequence[QueuedSet], told: "asyncio.Future[None]", due_at: float) -> None:
        self.sets = sets
        # Their numbers follow one another.
        self.first = sets[0].sequence
        # Of each a version, or an error.
        self.outcomes: List[Any] = [None] * len(sets)
        self.left = len(sets)
        self.under_way = len(sets)
        self.told = told
        # By the loop's clock.
        self.due_at = due_at
        self.turn: Optional[Turn] = None
        self.is_pushed = False


class LinkSets:
    def __init__(self, connection: "Connection", session: LinkSession, wake_writer: Callable[[], None]) -> None:
        self._connection = connection
        self._loop = connection.loop
        self._session = session
        self._seconds = connection.options.call_timeout_ms / 1000.0
        # There is something to send.
        self._wake_writer = wake_writer
        # Of the sets whose callers wait.
        self._held_bytes = 0
        # By sequence, until it is made or will not be.
        self._sets: Dict[int, _Asked] = {}
        # Those that are not told, the first that was asked first: all are given the same time, so one timer serves them.
        self._waiting: Dict[_Asked, None] = {}
        self._timer: Optional[asyncio.TimerHandle] = None

    async def set(
        self, identifier: str, value: Any, source: str, metadata: Mapping[str, str], expected_version: int
    ) -> int:
        self._connection.check()
        one = self._session.form(identifier, value, None, expected_version, source, metadata)
        outcome = (await self._outcomes((one,), False))[0]
        if isinstance(outcome, BaseException):
            raise outcome
        version: int = outcome
        return version

    async def set_all(
        self, values: Mapping[str, Any], atomic: bool, source: str, metadata: Mapping[str, str]
    ) -> List[Any]:
        """A version or an error for each."""
        self._connection.check()
        if atomic:
            sets = [LinkSet(identifier, value) for identifier, value in values.items()]
            return await self._outcomes(self._session.form_batch(sets, source, metadata), True)
        # One that cannot travel: none is sent.
        return await self._outcomes(self._session.form_each(values, source, metadata), False)

    async def _outcomes(self, sets: Sequence[QueuedSet], is_batch: bool) -> List[Any]:
        """Of each set a version or an error. They go when their turn has come. Raises QuotaExceededError."""
        size = 0
        for one in sets:
            size += one.size
        if self._held_bytes > 0 and self._held_bytes + size > _MOST_HELD_BYTES:
            raise QuotaExceededError(
                f"sets of {self._held_bytes} bytes wait to be made already, of {_MOST_HELD_BYTES} at most: await your sets before you start more"
            )
        self._held_bytes += size
        try:
            asked = _Asked(sets, self._loop.create_future(), self._loop.time() + self._seconds)
            self._waiting[asked] = None
            order = self._connection.order
            asked.turn = order.enter_now(LINK)
            if asked.turn is None:
                asked.turn = order.enter(LINK, "", lambda: self._push_late(asked, is_batch))
            else:
                self._push(asked, is_batch)
            if self._timer is None:
                self._timer = self._loop.call_at(asked.due_at, self._handle_due)
            try:
                await asked.told
            except asyncio.CancelledError:
                self._waiting.pop(asked, None)
                self._give_up(asked)
                raise
            return asked.outcomes
        finally:
            self._held_bytes -= size

    def _push(self, asked: _Asked, is_batch: bool) -> None:
        asked.is_pushed = True
        for one in asked.sets:
            self._sets[one.sequence] = asked
        if is_batch:
            self._session.push(asked.sets)
        else:
            self._session.push_each(asked.sets)
        self._wake_writer()

    def _push_late(self, asked: _Asked, is_batch: bool) -> None:
        """What was called before took until now."""
        subject = f'variable "{asked.sets[0].identifier}"'
        try:
            self._connection.check()
            if not self._connection.uses_link:
                raise UnavailableError(f"{subject}: the server that came meanwhile has no link: it was not set")
            self._session.check_formed(asked.sets, is_batch)
        except BridgeError as error:
            for place in range(len(asked.sets)):
                self._put(asked, place, error)
            self._loop.call_soon(self._leave, asked)
            return
        self._push(asked, is_batch)

    def _handle_due(self) -> None:
        """The time of the first is up, unless it was told meanwhile."""
        self._timer = None
        now = self._loop.time()
        while self._waiting:
            first = next(iter(self._waiting))
            if first.due_at > now:
                self._timer = self._loop.call_at(first.due_at, self._handle_due)
                return
            del self._waiting[first]
            self._time_out(first)

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
            self._put(asked, place, outcome)

    def _put(self, asked: _Asked, place: int, outcome: Any) -> None:
        """The first of each counts."""
        if asked.outcomes[place] is not None:
            return
        asked.outcomes[place] = outcome
        asked.left -= 1
        if asked.left == 0:
            self._tell(asked)

    def _tell(self, asked: _Asked) -> None:
        self._waiting.pop(asked, None)
        if not asked.told.done():
            asked.told.set_result(None)

    def _end(self, sequence: int) -> Optional[_Asked]:
        """It is made, or will not be."""
        asked = self._sets.pop(sequence, None)
        if asked is not None:
            asked.under_way -= 1
            if asked.under_way == 0:
                self._leave(asked)
        return asked

    def _leave(self, asked: _Asked) -> None:
        if asked.turn is not None:
            self._connection.order.leave(asked.turn)

    def fail_all(self) -> None:
        """No link will come."""
        for event in self._session.fail_sets():
            if isinstance(event, SetResult):
                self.settle(event.sequence, event.version if event.error is None else event.error)
        if self._timer is not None and not self._waiting:
            self._timer.cancel()
            self._timer = None

    def settle_made(self, made: SetsMade) -> None:
        # As `settle` of each, without three calls for each.
        take = self._sets.pop
        for sequence, version in zip(made.sequences, made.versions):
            asked = take(sequence, None)
            if asked is None:
                continue
            asked.under_way -= 1
            if asked.under_way == 0:
                self._leave(asked)
            outcomes, place = asked.outcomes, sequence - asked.first
            if outcomes[place] is None:
                outcomes[place] = version
                asked.left -= 1
                if asked.left == 0:
                    self._tell(asked)

    def settle(self, sequence: int, outcome: Any) -> None:
        """A version, or an error."""
        asked = self._end(sequence)
        if asked is not None:
            self._put(asked, sequence - asked.first, outcome)


_MOST_HELD_BYTES = 256 * 1024 * 1024

"""Everything of one session on one stream: `StreamLink.Open`. Path: connection -> [link carrier] -> grpc.aio, and back -> watch feeds, sets.

One call a connection, ended explicitly. What is asked within a turn of the event loop goes in one message. Slow server: the link session keeps
what waits; a set waits for its own time. Silence: after a heartbeat that did not come the server is asked by a call, and no answer breaks the link.
"""

import asyncio
import logging
import os
import random
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import grpc
import grpc.aio

from ._core.change_order import LINK, Turn
from ._core.epoch_text import is_same_life
from ._core.link_events import (
    Draining,
    Ended,
    EpochChange,
    KeptOut,
    Registered,
    Servers,
    SetResult,
    Synced,
    Update,
    Welcome,
)
from ._core.link_session import FromRevision, LinkSession, LinkSet, Resume
from ._core.set_queue import QueuedSet
from ._wire.messages import LINK_PATH
from .end_tasks import end_tasks
from .errors import (
    BridgeError,
    ErrorDetails,
    LostSetsError,
    MessageTooLargeError,
    QuotaExceededError,
    SessionNotFoundError,
    UnavailableError,
    UnknownOutcomeError,
)
from .verdict import PERMANENT, REJOIN, error_of_call, verdict_of
from .watch_feed import WatchFeed

if TYPE_CHECKING:
    from .connection import Connection

logger = logging.getLogger("bridged_state")


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


class LinkCarrier:
    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._loop = connection.loop
        options = connection.options
        self.session = LinkSession(options.session_id, os.urandom(16), options.max_message_bytes)
        self._heartbeat_ms = 0
        self._ask_for_heartbeats()
        self.session.set_spacing(options.spacing_ms)
        # The server that was asked last has said that it has no link.
        self.is_unsupported = False
        self.error: Optional[BridgeError] = None
        self._feeds: Dict[int, WatchFeed] = {}
        self._numbers: Dict[WatchFeed, int] = {}
        # Of feeds that a break ended, until they are watched again.
        self._former: Dict[WatchFeed, int] = {}
        self._resumes: Dict[int, bool] = {}
        self._next_feed = 0
        # Of the sets whose callers wait.
        self._held_bytes = 0
        # By sequence, until it is made or will not be: who asked for it, and at which place.
        self._sets: Dict[int, Tuple[_Asked, int]] = {}
        self._call: Optional[Any] = None
        self._has_work = asyncio.Event()
        self._last_word = 0.0
        self._spread_ms: Optional[float] = None
        self._is_closing = False

    # --- watches

    def add(self, feed: WatchFeed) -> None:
        if feed.is_over or feed in self._numbers:
            return
        connection = self._connection
        former = self._former.pop(feed, None)
        feed.handle_position(None if former is None else self.session.resume_of(former))
        self._take_epoch()
        request = feed.request(self.session.said_epoch, True)
        number = self._next_feed
        self._next_feed += 1
        self._feeds[number] = feed
        self._numbers[feed] = number
        self._resumes[number] = isinstance(request.resume, FromRevision)

        def ask(resume: Optional[Resume]) -> None:
            self.session.watch(
                number,
                request.identifiers,
                request.patterns,
                include_initial=True,
                wait_missing=request.waits,
                wants_mark=True,
                condition=feed.condition,
                resume=resume,
                atomic=feed.options.atomic,
                unseen_initial=resume is not None and request.unseen_initial,
            )

        try:
            try:
                ask(request.resume)
            except MessageTooLargeError:
                # It was opened without the versions of its variables, and comes back without them: with their present values.
                if request.resume is None:
                    raise
                ask(None)
        except BridgeError as error:
            self._forget(number)
            connection.feeds.pop(feed, None)
            feed.handle_failure(error)
            return
        if former is not None:
            self.session.unwatch(former)
        self._ask_for_heartbeats()
        self._has_work.set()

    def _ask_for_heartbeats(self) -> None:
        heartbeat_ms = self._connection.freshness.heartbeat_ms
        if heartbeat_ms != self._heartbeat_ms:
            self._heartbeat_ms = heartbeat_ms
            self.session.set_heartbeat(heartbeat_ms)

    def remove(self, feed: WatchFeed) -> None:
        self._former.pop(feed, None)
        number = self._numbers.get(feed)
        if number is None:
            return
        self._forget(number)
        self.session.unwatch(number)
        self._has_work.set()

    def _forget(self, number: int) -> None:
        feed = self._feeds.pop(number, None)
        self._resumes.pop(number, None)
        if feed is not None:
            self._numbers.pop(feed, None)

    # --- sets

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
        one = self.session.form(LinkSet(identifier, value, None, expected_version), source, metadata)
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
            return await self._results(self.session.form_batch(sets, source, metadata), True)
        # One that cannot travel: none is sent.
        return await self._results([self.session.form(one, source, metadata) for one in sets], False)

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
                self.session.push((one,))
        if is_batch:
            self.session.push(asked.sets)
        self._has_work.set()

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
            was_waiting = self.session.cancel_set(one.sequence)
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

    def fail_sets(self) -> None:
        """No link will come."""
        for event in self.session.fail_sets():
            if isinstance(event, SetResult):
                self._settle(event)

    def _settle(self, result: SetResult) -> None:
        found = self._end(result.sequence)
        if found is not None:
            found[0].put(found[1], result.version if result.error is None else result.error)

    def _take_epoch(self) -> None:
        """Revisions to resume from are of the epoch that the last link said, where the state goes on in the same life."""
        if not self.session.is_welcome and not is_same_life(self.session.epoch, self._connection.epoch):
            self.session.epoch = self._connection.epoch

    # --- one stream

    async def run(self, when_it_stands: Callable[[], None]) -> Optional[float]:
        """Until the stream ends. Returns over how many milliseconds a draining server wants its clients to return; raises nothing of the call."""
        self.error = None
        self.is_unsupported = False
        self._spread_ms = None
        self._is_closing = False
        session = self.session
        self._ask_for_heartbeats()
        self._take_epoch()
        session.max_request_bytes = self._connection.max_request_bytes
        open_call = self._connection.channel().stream_stream(LINK_PATH)
        call = self._call = open_call(metadata=self._connection.headers)
        self._last_word = self._loop.time()
        self._has_work.set()
        writer = self._loop.create_task(self._write(call))
        watchdog = self._loop.create_task(self._watch_silence(call))
        try:
            while True:
                data = await call.read()
                if data is grpc.aio.EOF:
                    break
                self._last_word = self._loop.time()
                self._connection.freshness.handle_word()
                self._handle(data, when_it_stands)
            await self._read_end(call)
        except grpc.aio.AioRpcError as cause:
            self._handle_end(cause.code(), cause)
        except BridgeError as error:
            self.error = error
        except asyncio.CancelledError:
            # The watchdog has said why it ended the call; anybody else ends this task, as a loop does that ends all of its tasks.
            if self.error is None or self._is_closing:
                raise
        finally:
            self._call = None
            call.cancel()
            await end_tasks([writer, watchdog])
        return self._spread_ms

    async def close(self) -> None:
        """Says what is still to be said, then ends the stream."""
        self._is_closing = True
        call = self._call
        if call is None or not self.session.is_welcome:
            return
        for number in list(self._feeds):
            self.session.unwatch(number)
        try:
            await asyncio.wait_for(self._finish(call), 1.0)
        except (asyncio.TimeoutError, grpc.RpcError, asyncio.InvalidStateError):
            logger.debug("the link to %s did not end in time", self._connection.endpoint)

    async def _finish(self, call: Any) -> None:
        self._has_work.set()
        # The writer takes it in its turn; what was set before the close is answered.
        while (self.session.unanswered or self._has_work.is_set()) and not call.done():
            await asyncio.sleep(0.005)
        await call.done_writing()

    async def _write(self, call: Any) -> None:
        try:
            while True:
                await self._has_work.wait()
                self._has_work.clear()
                message = self.session.take_message()
                while message is not None:
                    await call.write(message)
                    message = self.session.take_message()
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The reader hears why.
            return

    async def _watch_silence(self, call: Any) -> None:
        connection = self._connection
        # As its heartbeats were asked for: others that it tells of later do not hurry it.
        has_others = connection.has_others
        while True:
            allowed = connection.silence_s(has_others)
            due = self._last_word + (allowed if self.session.is_welcome else connection.options.attempt_timeout_ms / 1000.0)
            now = self._loop.time()
            if now < due:
                # It may be welcome before.
                await asyncio.sleep(min(due - now, allowed))
                continue
            last_word = self._last_word
            if self.session.is_welcome and await connection.probe():
                # It answers calls: its heartbeats are late, and a link that stays silent is no link.
                if self._loop.time() - self._last_word < connection.late_s():
                    await asyncio.sleep(min(1.0, allowed))
                    continue
            if self._last_word != last_word:
                continue
            self.error = connection.silent("link")
            call.cancel()
            return

    async def _read_end(self, call: Any) -> None:
        code = await call.code()
        cause = None
        if code != grpc.StatusCode.OK:
            cause = grpc.aio.AioRpcError(
                code, await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
            )
        self._handle_end(code, cause)

    def _handle_end(self, code: grpc.StatusCode, cause: Optional[grpc.aio.AioRpcError]) -> None:
        if self.error is not None:
            return
        if code == grpc.StatusCode.UNIMPLEMENTED and not self.session.is_welcome:
            self.is_unsupported = True
            return
        endpoint = self._connection.endpoint
        if cause is None:
            self.error = UnavailableError(f"the server at {endpoint} ended the link")
            return
        error = error_of_call(cause)
        if code not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            error = UnavailableError(f"the link to {endpoint} broke: {error.message}", cause=cause)
        self.error = error

    def _handle(self, data: bytes, when_it_stands: Callable[[], None]) -> None:
        feeds = self._feeds
        for event in self.session.handle_message(data, self._loop.time()):
            kind = type(event)
            if kind is Update:
                feed = feeds.get(event.variable.linked.number)  # type: ignore[union-attr]
                if feed is not None:
                    feed.handle_update(event)  # type: ignore[arg-type]
                    if feed.is_over:
                        self._drop(feed)
            elif isinstance(event, SetResult):
                self._settle(event)
            elif isinstance(event, Welcome):
                if event.epoch:
                    self._connection.epoch = event.epoch
                when_it_stands()
                if event.lost:
                    error = LostSetsError(
                        "sets that were acknowledged are lost: the server goes on without them, so set again what has to hold"
                    )
                    for one in list(feeds.values()):
                        one.tell_error(error)
            elif isinstance(event, EpochChange):
                for one in list(feeds.values()):
                    one.handle_epoch(event.epoch)
            elif isinstance(event, Registered):
                feed = feeds.get(event.feed)
                if feed is not None:
                    feed.handle_registered(self.session.epoch, self.session.asks_conditions)
            elif isinstance(event, Synced):
                feed = feeds.get(event.feed)
                if feed is not None:
                    feed.handle_synced()
            elif isinstance(event, Ended):
                self._handle_ended(event)
            elif isinstance(event, KeptOut):
                feed = feeds.get(event.feed)
                if feed is not None:
                    feed.handle_kept(event.variable_id, event.version)
            elif isinstance(event, Servers):
                self._connection.handle_servers(event.endpoints)
            elif isinstance(event, Draining):
                self._spread_ms = float(event.spread_ms)
        if self.session.has_waiting_sets:
            self._has_work.set()

    def _drop(self, feed: WatchFeed) -> None:
        """It ended by itself."""
        self._connection.feeds.pop(feed, None)
        self.remove(feed)

    def _handle_ended(self, event: Ended) -> None:
        feed = self._feeds.get(event.feed)
        if feed is None:
            return
        was_from_revision = self._resumes.get(event.feed, False)
        self._forget(event.feed)
        connection = self._connection
        if event.code == "" and event.status == 0:
            connection.feeds.pop(feed, None)
            feed.handle_nothing_left()
            return
        verdict = verdict_of(event.error.code, feed.has_been_live)
        if was_from_revision and event.status == grpc.StatusCode.ABORTED.value[0]:
            # The server does not remember what went since: asked again with versions.
            self.add(feed)
            return
        if verdict == PERMANENT:
            connection.refuse(feed, event.error)
            return
        if event.error.code == "VARIABLE_NOT_FOUND":
            feed.wait_for_missing()
        feed.handle_break("backoff")
        feed.tell_error(event.error)
        connection.spawn(self._return(feed, verdict == REJOIN))

    async def _return(self, feed: WatchFeed, rejoins: bool) -> None:
        await asyncio.sleep(0.05 + 0.2 * random.random())
        if rejoins:
            try:
                await self._connection.rejoin()
            except BridgeError as error:
                # Asked again all the same: the server says again that it has no session, or the connection breaks and brings every feed back.
                logger.debug("%s: the session was not joined: %s", feed.subject, error)
        if feed in self._connection.feeds and self._connection.carrier is self:
            self.add(feed)

    def handle_break(self) -> None:
        """The stream is gone: its feeds wait for the next one."""
        self.session.handle_break()
        self._former = {feed: number for feed, number in self._numbers.items() if not feed.is_over}
        self._feeds.clear()
        self._numbers.clear()
        self._resumes.clear()


_MOST_HELD_BYTES = 256 * 1024 * 1024

"""Everything of one session on one stream: `StreamLink.Open`. Path: connection -> [link carrier] -> grpc.aio, and back -> watch feeds, link sets.

One call a connection, ended explicitly. What is asked within a turn of the event loop goes in one message. Slow server: the link session keeps
what waits; a set waits for its own time. Silence: after a heartbeat that did not come the server is asked by a call, and no answer breaks the link.
"""

import asyncio
import logging
import os
import random
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional

import grpc
import grpc.aio

from ._core.epoch_text import is_same_life
from ._core.link_events import (
    Draining,
    Ended,
    EpochChange,
    KeptOut,
    Registered,
    Servers,
    SetResult,
    SetsMade,
    Synced,
    Update,
    Welcome,
)
from ._core.link_session import FromRevision, LinkSession, Resume
from ._wire.messages import LINK_PATH
from .end_tasks import end_tasks
from .errors import BridgeError, LostSetsError, MessageTooLargeError, SessionNotFoundError, UnavailableError
from .link_sets import LinkSets
from .verdict import PERMANENT, REJOIN, error_of_call, verdict_of
from .watch_feed import WatchFeed

if TYPE_CHECKING:
    from .connection import Connection

logger = logging.getLogger("bridged_state")


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
        # The server ended it because its session is no more.
        self.is_of_session = False
        self._feeds: Dict[int, WatchFeed] = {}
        self._numbers: Dict[WatchFeed, int] = {}
        # Of feeds that a break ended, until they are watched again.
        self._former: Dict[WatchFeed, int] = {}
        self._resumes: Dict[int, bool] = {}
        self._next_feed = 0
        self._call: Optional[Any] = None
        # The writer waits for something to send; None while it takes what there is.
        self._idle: Optional["asyncio.Future[None]"] = None
        self.sets = LinkSets(connection, self.session, self._wake_writer)
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
        self._wake_writer()

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
        self._wake_writer()

    def _forget(self, number: int) -> None:
        feed = self._feeds.pop(number, None)
        self._resumes.pop(number, None)
        if feed is not None:
            self._numbers.pop(feed, None)

    def _take_epoch(self) -> None:
        """Revisions to resume from are of the epoch that the last link said, where the state goes on in the same life."""
        if not self.session.is_welcome and not is_same_life(self.session.epoch, self._connection.epoch):
            self.session.epoch = self._connection.epoch

    # --- one stream

    async def run(self, when_it_stands: Callable[[], None]) -> Optional[float]:
        """Until the stream ends. Returns over how many milliseconds a draining server wants its clients to return; raises nothing of the call."""
        self.error = None
        self.is_unsupported = False
        self.is_of_session = False
        self._spread_ms = None
        self._is_closing = False
        session = self.session
        self._ask_for_heartbeats()
        self._take_epoch()
        session.max_request_bytes = self._connection.max_request_bytes
        open_call = self._connection.channel().stream_stream(LINK_PATH)
        call = self._call = open_call(metadata=self._connection.headers)
        self._last_word = self._loop.time()
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
        self._wake_writer()
        # The writer takes it in its turn; what was set before the close is answered.
        while (self.session.unanswered or self._is_writing) and not call.done():
            await asyncio.sleep(0.005)
        await call.done_writing()

    async def _write(self, call: Any) -> None:
        try:
            while True:
                message = self.session.take_message()
                if message is not None:
                    await call.write(message)
                    continue
                # No asyncio.Event: it asks which loop runs, by a system call.
                self._idle = self._loop.create_future()
                try:
                    await self._idle
                finally:
                    self._idle = None
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The reader hears why.
            return

    def _wake_writer(self) -> None:
        """There is something to send: all of this turn goes together."""
        idle = self._idle
        if idle is not None and not idle.done():
            idle.set_result(None)

    @property
    def _is_writing(self) -> bool:
        return self._idle is None or self._idle.done()

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
        self.is_of_session = isinstance(error, SessionNotFoundError)
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
            elif kind is SetsMade:
                self.sets.settle_made(event)  # type: ignore[arg-type]
            elif isinstance(event, SetResult):
                self.sets.settle(event.sequence, event.version if event.error is None else event.error)
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
            self._wake_writer()

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
            # Its session was ended, and it waits for what may come in another: with nothing left to wait for it is over by now.
            feed.handle_break("backoff")
            connection.spawn(self._return(feed, True))
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
        for event in self.session.handle_break(self.is_of_session):
            if isinstance(event, SetResult):
                self.sets.settle(event.sequence, event.version if event.error is None else event.error)
        # Those of the link before, too, where it breaks before they were watched again.
        former = {**self._former, **self._numbers}
        self._former = {feed: number for feed, number in former.items() if not feed.is_over}
        self._feeds.clear()
        self._numbers.clear()
        self._resumes.clear()


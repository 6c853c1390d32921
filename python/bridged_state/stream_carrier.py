"""One `WatchVariables` stream a watch, for servers without the link. Path: connection -> [stream carrier] -> grpc.aio -> watch feeds.

A stream is ended by UnwatchVariables and its token; cancelled only where the server has no such call, or does not end it in time. Silence: the
server is asked by a call, and no answer breaks the connection. Slow reader: the feed's buffer decides.
"""

import asyncio
import logging
import os
import random
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Set

import grpc
import grpc.aio

from ._core.link_events import LinkedFeed
from ._core.link_session import FromVersions
from ._wire.messages import (
    EPOCH_HEADER,
    METHODS,
    Message,
    UnwatchVariablesRequest,
    WatchVariablesRequest,
)
from .end_tasks import end_tasks
from .errors import BridgeError, MessageTooLargeError, UnavailableError, UnsupportedError
from .verdict import PERMANENT, RECONNECT, REJOIN, error_of_call, headers_of, text_of, verdict_of
from .watch_feed import WatchFeed
from .wire_mapping import KIND_OF_TYPE, update_of

if TYPE_CHECKING:
    from .connection import Connection

logger = logging.getLogger("bridged_state")

MAX_WIRE_VERSION = 2**31 - 1
_END_SECONDS = 5.0


class _Stream:
    """One watch's stream."""

    def __init__(self, feed: WatchFeed) -> None:
        self.feed = feed
        self.token = os.urandom(12).hex()
        self.call: Optional[Any] = None
        self.task: Optional["asyncio.Task[None]"] = None
        self.is_unwatched = False
        # Identifiers of which nothing has come yet, by a server that does not say when the watch is synced.
        self.untold: Set[str] = set()


class StreamCarrier:
    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._loop = connection.loop
        self.error: Optional[BridgeError] = None
        self._streams: Dict[WatchFeed, _Stream] = {}
        # Ends `run`.
        self._broken: "asyncio.Future[None]" = self._loop.create_future()
        self._can_unwatch = True
        self._last_word = 0.0
        # Opens a stream on the present channel.
        self._open: Optional[Any] = None
        # Its connection is gone: what comes until `handle_break` is of the next one, which asks for all feeds.
        self._is_ending = False

    def add(self, feed: WatchFeed) -> None:
        if feed.is_over or feed in self._streams or self._is_ending:
            return
        if feed.patterns and not self._connection.epoch:
            self._connection.refuse(
                feed,
                UnsupportedError(
                    f"{feed.subject}: the server knows only the published contract, which has no patterns: watch names, or use a bridged-state server"
                ),
            )
            return
        stream = _Stream(feed)
        self._streams[feed] = stream
        stream.task = self._connection.spawn(self._carry(stream))

    def remove(self, feed: WatchFeed) -> None:
        stream = self._streams.pop(feed, None)
        if stream is None or stream.task is None:
            return
        stream.is_unwatched = True
        self._connection.spawn(self._unwatch(stream))

    async def run(self, when_it_stands: Callable[[], None]) -> Optional[float]:
        self.error = None
        self._last_word = self._loop.time()
        self._broken = self._loop.create_future()
        watchdog = self._loop.create_task(self._watch_silence())
        when_it_stands()
        try:
            await self._broken
        finally:
            self._is_ending = True
            await end_tasks([watchdog])
            await self._end_all()
        return None

    async def close(self) -> None:
        unwatching = []
        for feed in list(self._streams):
            stream = self._streams.pop(feed)
            stream.is_unwatched = True
            # The connection ends those that take longer.
            unwatching.append(self._connection.spawn(self._unwatch(stream)))
        if unwatching:
            await asyncio.wait(unwatching, timeout=1.0)

    def handle_break(self) -> None:
        """Its streams have ended with `run`."""
        self._is_ending = False

    async def _end_all(self) -> None:
        streams, self._streams = list(self._streams.values()), {}
        self._open = None
        await end_tasks([stream.task for stream in streams if stream.task is not None])

    def _break(self, error: BridgeError) -> None:
        if not self._broken.done():
            self.error = error
            self._broken.set_result(None)

    async def _watch_silence(self) -> None:
        connection = self._connection
        has_others = connection.has_others
        while True:
            now = self._loop.time()
            due = self._last_word + connection.silence_s(has_others)
            if now < due:
                await asyncio.sleep(due - now)
            elif await connection.probe():
                self._last_word = self._loop.time()
            else:
                self._break(connection.silent("connection"))
                return

    async def _carry(self, stream: _Stream) -> None:
        """Until it is over, or its connection. An error of ours breaks that: no watch is left without a stream."""
        try:
            await self._carry_on(stream)
        except Exception as cause:
            logger.exception("the stream of %s broke by an error of ours", stream.feed.subject)
            self._break(UnavailableError(f"the stream of {stream.feed.subject} broke: {cause!r}", cause=cause))

    async def _carry_on(self, stream: _Stream) -> None:
        """Opens it, and again."""
        feed = stream.feed
        failures = 0
        while not feed.is_over and self._streams.get(feed) is stream:
            error = await self._carry_once(stream)
            if stream.is_unwatched or feed.is_over or self._streams.get(feed) is not stream:
                break
            if error is None:
                if not self._connection.epoch:
                    # Ended with OK: none of its variables is left.
                    self._forget(feed)
                    feed.handle_nothing_left()
                    return
                # Its session was ended, and it waits for what may come in another: with nothing left to wait for it is over by now.
                verdict = REJOIN
                feed.handle_break("backoff")
            else:
                verdict = verdict_of(error.code, feed.has_been_live)
                if verdict == RECONNECT:
                    self._break(error)
                    return
                if verdict == PERMANENT:
                    self._streams.pop(feed, None)
                    self._connection.refuse(feed, error)
                    return
                if error.code == "VARIABLE_NOT_FOUND":
                    feed.wait_for_missing()
                feed.handle_break("backoff")
                feed.tell_error(error)
            failures += 1
            stream.token = os.urandom(12).hex()
            await asyncio.sleep(min(5.0, 0.1 * 2 ** min(failures, 6)) * random.random())
            if verdict == REJOIN:
                try:
                    await self._connection.rejoin()
                except BridgeError as cause:
                    self._break(cause)
                    return

    def _forget(self, feed: WatchFeed) -> None:
        self._streams.pop(feed, None)
        self._connection.feeds.pop(feed, None)

    async def _carry_once(self, stream: _Stream) -> Optional[BridgeError]:
        """One stream from its opening to its end. Returns why it ended; None for OK."""
        connection, feed = self._connection, stream.feed
        if self._open is None:
            method = METHODS["WatchVariables"]
            self._open = connection.channel().unary_stream(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
        request = self._request(stream)
        if request.ByteSize() > connection.max_request_bytes:
            # It was opened without the versions of its variables, and comes back without them: with their present values.
            request.ClearField("resume")
            request.ClearField("resume_epoch")
        size = request.ByteSize()
        if size > connection.max_request_bytes:
            return MessageTooLargeError.of("WatchVariables", "request", size, connection.max_request_bytes)
        call = stream.call = self._open(request, metadata=connection.headers)
        linked = LinkedFeed(0, False)
        try:
            is_registered = False
            if connection.epoch:
                # Our server sends its headers when the watch is registered, before anything has changed.
                seconds = connection.options.attempt_timeout_ms / 1000.0
                headers = headers_of(await asyncio.wait_for(asyncio.shield(call.initial_metadata()), seconds))
                epoch = text_of(headers.get(EPOCH_HEADER))
                # A refused watch has no headers, and its end follows.
                if epoch:
                    is_registered = True
                    feed.handle_registered(epoch)
            else:
                # Another may send them with its first message only.
                connection.spawn(self._when_headers_come(stream, call))
            while True:
                message = await call.read()
                if message is grpc.aio.EOF:
                    break
                self._last_word = self._loop.time()
                connection.freshness.handle_word()
                if not is_registered:
                    is_registered = True
                    if feed.state != "live":
                        feed.handle_registered(connection.epoch)
                self._handle(stream, message, linked)
                if feed.is_over:
                    return None
            code = await call.code()
            if code == grpc.StatusCode.OK:
                return None
            return error_of_call(
                grpc.aio.AioRpcError(
                    code, await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
                )
            )
        except grpc.aio.AioRpcError as cause:
            return error_of_call(cause)
        except asyncio.TimeoutError:
            return UnavailableError(f"{feed.subject}: the server did not register it in time")
        finally:
            stream.call = None
            if not call.done():
                call.cancel()

    async def _when_headers_come(self, stream: _Stream, call: Any) -> None:
        try:
            await call.initial_metadata()
        except grpc.RpcError:
            return
        if not call.done() and stream.call is call and stream.feed.state != "live":
            stream.feed.handle_registered("")

    def _request(self, stream: _Stream) -> Message:
        connection, feed = self._connection, stream.feed
        asked = feed.request(connection.epoch, False)
        stream.untold = set() if connection.epoch else set(asked.identifiers)
        options = {"watch_token": stream.token, "synced": "1", "old_value": "none"}
        if asked.waits:
            options["missing"] = "wait"
        if asked.unseen_initial:
            options["unseen"] = "initial"
        if feed.options.atomic:
            options["atomic"] = "1"
        request = WatchVariablesRequest(
            session_id=connection.options.session_id,
            variable_identifiers=asked.identifiers,
            include_initial_values=True,
            options=options,
            patterns=asked.patterns,
            heartbeat_ms=connection.freshness.heartbeat_ms,
        )
        if isinstance(asked.resume, FromVersions):
            request.resume_epoch = asked.resume.epoch
            for id, version in asked.resume.versions.items():
                request.resume[id] = min(version, MAX_WIRE_VERSION)
        return request

    def _handle(self, stream: _Stream, message: Message, linked: LinkedFeed) -> None:
        feed = stream.feed
        kind = KIND_OF_TYPE.get(message.update_type)
        if kind is not None:
            feed.handle_update(update_of(message, kind, linked), message.epoch)
            if feed.is_over:
                self._forget(feed)
            elif stream.untold:
                # Each is told at first: the last of them is the mark.
                stream.untold -= {message.variable_id, message.variable.id, message.variable.name}
                if not stream.untold:
                    feed.handle_synced()
        elif message.update_type == "synced":
            feed.handle_synced()

    async def _unwatch(self, stream: _Stream) -> None:
        """The server ends the stream; where it does not, we do."""
        task, call = stream.task, stream.call
        if task is None:
            return
        if call is not None and not call.done() and self._can_unwatch:
            request = UnwatchVariablesRequest(session_id=self._connection.options.session_id, watch_token=stream.token)
            try:
                await asyncio.wait_for(self._connection.calls.call("UnwatchVariables", request), _END_SECONDS)
                await asyncio.wait([task], timeout=_END_SECONDS)
            except BridgeError as error:
                if error.code == "UNSUPPORTED":
                    self._can_unwatch = False
            except asyncio.TimeoutError:
                logger.debug("%s was not ended by the server in time", stream.feed.subject)
        await end_tasks([task])

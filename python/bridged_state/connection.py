"""One session's way to its server: a channel, calls, and the unit that reconnects. Path: session -> [connection] -> gRPC.

One task stands for all of it: it joins the session, lets a carrier bring the updates until that breaks, and comes back by the backoff; watches
return together. An endpoint that is not reached costs no wait while others are left. Slow: every attempt, probe and call has a deadline. Full:
nothing waits here but calls, each for its own time. Closed: `close` ends the task and the channel, and what waited for them fails with ClosedError.
"""

import asyncio
import logging
import os
import random
from typing import Any, Callable, Coroutine, Dict, List, Optional, Sequence, Tuple, Union

import grpc
import grpc.aio

from ._core.backoff import Backoff
from ._core.carrier_choice import CarrierChoice
from ._core.change_order import ALONE, REGISTER, ChangeOrder, Turn
from ._core.endpoint_list import parse_endpoint_list
from ._core.endpoint_rotation import EndpointRotation
from ._core.patience import Patience
from ._wire.messages import (
    EPOCH_HEADER,
    ERROR_TRAILER,
    MAX_MESSAGE_HEADER,
    METHODS,
    SERVERS_HEADER,
    BatchGetVariablesRequest,
    InitializeSessionRequest,
    Message,
    PingRequest,
)
from . import grpc_process
from .errors import (
    BridgeError,
    ClosedError,
    ErrorDetails,
    InvalidArgumentError,
    MessageTooLargeError,
    SessionNotFoundError,
    UnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
    VariablesNotFoundError,
    code_of_sentence,
    error_of,
)
from .connect_failure import why_none_connected
from .connection_options import ConnectionOptions, channel_to
from .end_tasks import end_tasks
from .freshness import Freshness
from .link_carrier import LinkCarrier
from .stream_carrier import StreamCarrier
from .verdict import PERMANENT_CODES, error_of_call, headers_of, text_of
from .watch_feed import WatchFeed

logger = logging.getLogger("bridged_state")

_ANSWER_BYTES = 2 * 1024 * 1024
# A change whose caller's time is up keeps its turn so long, unless its answer comes or its connection is given up.
_KEPT_SECONDS = 60.0

Metadata = Tuple[Tuple[str, Union[str, bytes]], ...]


class Connection:
    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.state = "connecting"
        self.epoch = ""
        self.max_request_bytes = options.max_message_bytes
        self.feeds: Dict[WatchFeed, None] = {}
        self.headers: Metadata = () if options.token is None else (("authorization", f"Bearer {options.token}"),)
        # Of the carrier that stands; the link outlives its streams, with the sets that are not answered.
        self.carrier: Union[LinkCarrier, StreamCarrier, None] = None
        self.link: Optional[LinkCarrier] = None
        self.streams: Optional[StreamCarrier] = None
        self._choice = CarrierChoice(options.transport)
        # By what sets go, until another carrier stands.
        self.uses_link = False
        self._rotation = EndpointRotation(options.endpoints)
        # Until then attempts share the time for connecting.
        self._has_been_live = False
        self._patience = Patience(options.heartbeat_ms, options.probe_timeout_ms)
        # When the present connection began to stand, by the loop; None where it does not.
        self._stands_since: Optional[float] = None
        self.freshness = Freshness(self.loop, self._patience.heartbeat_ms(self.has_others))
        self.on_state: Callable[[str], None] = lambda _state: None
        self.background: Dict["asyncio.Task[Any]", None] = {}
        self._channel: Optional[grpc.aio.Channel] = None
        self._calls: Dict[str, Any] = {}
        self._waiting: List["asyncio.Future[None]"] = []
        self._failure: Optional[BridgeError] = None
        self._last_error: Optional[BridgeError] = None
        # Of the last error.
        self._failed_endpoint = ""
        self._task: Optional["asyncio.Task[None]"] = None
        self._closing: Optional["asyncio.Task[None]"] = None
        # Of all changes, by the link and by calls.
        self.order = ChangeOrder()
        self._pid = os.getpid()

    # --- life

    def check_place(self, subject: str) -> None:
        """Raises ClosedError in a forked child, and InvalidArgumentError outside of the loop that it belongs to."""
        if os.getpid() != self._pid:
            raise ClosedError(grpc_process.FORKED)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise InvalidArgumentError(
                "no event loop runs here: call it in the loop of the session, or use bridged_state.sync"
            ) from None
        if loop is not self.loop:
            raise InvalidArgumentError(
                f"{subject} belongs to another event loop: use it in the loop where the session was connected, or connect another one"
            )

    async def open(self) -> None:
        """Until the first carrier stands. Raises what a later attempt cannot change, and UnavailableError after the time for connecting."""
        grpc_process.enter(self)
        self._task = self.loop.create_task(self._run(), name="bridged_state connection")
        try:
            await self._first_live(self.options.connect_timeout_ms / 1000.0)
        except BaseException:
            await self.close()
            raise

    async def _first_live(self, seconds: float) -> None:
        """Raises as `when_live`, with a reason found out in the last part of the time."""
        try:
            await self.when_live(0.7 * seconds)
            return
        except UnavailableError:
            if self._failure is not None:
                raise
        said = {} if self._last_error is None else {self._failed_endpoint: self._last_error.message}
        reason = self.spawn(why_none_connected(self._rotation.endpoints, self.options.tls, said, max(0.2, 0.15 * seconds)))
        try:
            await self.when_live(0.3 * seconds)
        except UnavailableError as error:
            if self._failure is not None:
                raise
            sentence = await reason
            if sentence is None:
                raise
            raise UnavailableError(sentence, cause=error.__cause__) from error.__cause__
        finally:
            reason.cancel()

    async def close(self) -> None:
        """To its end, also where the caller is cancelled; another call waits for the same."""
        if self._closing is None:
            self._closing = self.loop.create_task(self._close(), name="bridged_state close")
        if not self._closing.done():
            await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for feed in list(self.feeds):
            feed.stop()
        if self.carrier is not None and self.state == "live":
            await self.carrier.close()
        self.feeds.clear()
        self.freshness.close()
        self._failure = ClosedError("the session was closed: connect another one")
        self._become("closed")
        if self.link is not None:
            self.link.fail_sets()
        self._settle_waiting()
        task, self._task = self._task, None
        tasks: List["asyncio.Task[Any]"] = list(self.background)
        if task is not None:
            tasks.append(task)
        await end_tasks(tasks)
        await self._drop_channel()
        grpc_process.leave(self)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """A task that `close` ends."""
        task = self.loop.create_task(work)
        self.background[task] = None
        task.add_done_callback(lambda done: self.background.pop(done, None))
        return task

    async def when_live(self, seconds: float) -> None:
        """Raises why it never will be, or UnavailableError after so long."""
        if self._failure is not None:
            raise _again(self._failure)
        if self.state == "live":
            return
        waiting: "asyncio.Future[None]" = self.loop.create_future()
        self._waiting.append(waiting)
        try:
            await asyncio.wait_for(waiting, seconds)
        except asyncio.TimeoutError:
            cause = self._last_error
            said = "" if cause is None else f" ({cause.message})"
            raise UnavailableError(
                f"no bridge server answers at {' or '.join(self._rotation.endpoints)}{said}: start it, or check the endpoint", cause=cause
            ) from cause
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def check(self) -> None:
        """Raises why nothing will be made any more."""
        if self._failure is not None:
            raise _again(self._failure)

    # --- watches

    def add(self, feed: WatchFeed) -> None:
        if self._failure is not None:
            feed.handle_failure(_again(self._failure))
            return
        self.feeds[feed] = None
        self.freshness.add(feed)
        if self.carrier is not None:
            self.carrier.add(feed)

    def refuse(self, feed: WatchFeed, error: BridgeError) -> None:
        """The server has no such watch, for good."""
        if isinstance(error, VariablesNotFoundError) and not error.identifiers and not feed.patterns:
            self.spawn(self._refuse_missing(feed, error))
            return
        self._end(feed, error)

    def _end(self, feed: WatchFeed, error: BridgeError) -> None:
        if isinstance(error, VariablesNotFoundError) and feed.options.waits_for_missing and not self.epoch:
            error = UnsupportedError(
                f"watch of {', '.join(error.identifiers[:3])}: the server knows only the published contract, in which no watch waits for a "
                "variable: register it first, or use a bridged-state server",
                details=error.details,
                cause=error,
            )
        self.feeds.pop(feed, None)
        feed.handle_failure(error)

    async def _refuse_missing(self, feed: WatchFeed, error: BridgeError) -> None:
        """Its sentence names them for people: asked again, for programs."""
        wanted = list(feed.identifiers)
        missing: List[str] = []
        try:
            while wanted:
                request = BatchGetVariablesRequest(session_id=self.options.session_id, variable_identifiers=wanted)
                request.max_bytes = _ANSWER_BYTES
                answer = await self.call("GetVariables", request)
                missing.extend(answer.missing_variables)
                wanted = list(answer.remaining_identifiers)
        except BridgeError as cause:
            logger.debug("what %s misses was not found out: %s", feed.subject, cause)
        if missing:
            order = {identifier: place for place, identifier in enumerate(feed.identifiers)}
            error = VariablesNotFoundError.of(sorted(missing, key=lambda one: order.get(one, 0)))
        self._end(feed, error)

    def remove(self, feed: WatchFeed) -> None:
        """Nothing is told of it any more, and the server's observer goes."""
        feed.stop()
        self.freshness.remove(feed)
        if feed in self.feeds:
            del self.feeds[feed]
            if self.carrier is not None:
                self.carrier.remove(feed)

    # --- calls

    async def call(
        self,
        name: str,
        request: Message,
        *,
        identifiers: Sequence[str] = (),
    ) -> Message:
        """A read, which is made again when it was not made, or its answer was lost. Raises the error that its refusal stands for."""
        deadline = self.loop.time() + self.options.call_timeout_ms / 1000.0
        return await self._call(name, request, deadline, ErrorDetails(identifiers=tuple(identifiers)), None)

    async def change(
        self,
        name: str,
        request: Message,
        *,
        identifiers: Sequence[str] = (),
        registers: str = "",
        prepare: Optional[Callable[[], Coroutine[Any, Any, None]]] = None,
    ) -> Message:
        """
        A call that changes something, when its turn has come: those that were called before are made, or will not be. It keeps its turn until its own
        answer has come, also where the caller is cancelled or its time is up. `prepare` completes the request then. Raises as `call`,
        UnknownOutcomeError where its answer was lost, and UnavailableError where its turn did not come in time.
        """
        deadline = self.loop.time() + self.options.call_timeout_ms / 1000.0
        turn = await self._turn(name, registers, deadline)
        under_way: List[Any] = []
        try:
            if prepare is not None:
                await prepare()
            return await self._call(name, request, deadline, ErrorDetails(identifiers=tuple(identifiers)), under_way)
        finally:
            if under_way:
                under_way[0].add_done_callback(lambda _call: self.order.leave(turn))
            else:
                self.order.leave(turn)

    async def _turn(self, name: str, registers: str, deadline: float) -> Turn:
        begun: "asyncio.Future[None]" = self.loop.create_future()

        def begin() -> None:
            if not begun.done():
                begun.set_result(None)

        turn = self.order.enter(REGISTER if registers else ALONE, registers, begin)
        if begun.done():
            return turn
        try:
            await asyncio.wait_for(begun, deadline - self.loop.time())
        except asyncio.TimeoutError:
            self.order.leave(turn)
            raise UnavailableError(f"{name}: what was called before it was not answered in time: it was not made") from None
        except BaseException:
            self.order.leave(turn)
            raise
        return turn

    async def _call(
        self, name: str, request: Message, deadline: float, details: ErrorDetails, under_way: Optional[List[Any]]
    ) -> Message:
        """`under_way`: None of a read; else where a call is put that is left to its end."""
        changes = under_way is not None
        size = request.ByteSize()
        if size > self.max_request_bytes:
            raise MessageTooLargeError.of(name, "request", size, self.max_request_bytes)
        has_joined = False
        while True:
            await self.when_live(max(0.001, deadline - self.loop.time()))
            remaining = max(0.001, deadline - self.loop.time())
            try:
                return await self._call_once(name, request, remaining, details, under_way)
            except SessionNotFoundError:
                # By success = false.
                if has_joined or self.loop.time() >= deadline:
                    raise
                has_joined = True
                await self._rejoin_for(name)
            except grpc.aio.AioRpcError as cause:
                error = error_of_call(cause, details)
                is_over = self.loop.time() >= deadline
                was_made = self._may_be_made(cause)
                if not is_over and not has_joined and self._has_lost_session(error, cause):
                    has_joined = True
                    await self._rejoin_for(name)
                    continue
                if cause.code() == grpc.StatusCode.UNAVAILABLE and (not changes or not was_made):
                    self.check()
                    if is_over:
                        raise error from cause
                    await asyncio.sleep(min(0.05 + 0.1 * random.random(), remaining))
                    continue
                if changes and was_made:
                    raise UnknownOutcomeError(
                        f"{name}: the answer was lost ({cause.details()}): it may or may not have been made, "
                        "so read before you repeat it",
                        details=details,
                    ) from cause
                raise error from cause

    async def _call_once(
        self, name: str, request: Message, seconds: float, details: ErrorDetails, under_way: Optional[List[Any]]
    ) -> Message:
        extra = 0.0 if under_way is None else _KEPT_SECONDS
        call = self._multicallable(name)(request, timeout=seconds + extra, metadata=self.headers)
        response = await self._answer_of(call, seconds, under_way)
        if getattr(response, "success", True) is False:
            code = text_of(headers_of(await call.trailing_metadata()).get(ERROR_TRAILER))
            # An answer to a batch says why by variable, unless it is about all of them.
            sentence = getattr(response, "error_message", None)
            if sentence is not None or code == "SESSION_NOT_FOUND":
                raise error_of(code or code_of_sentence(sentence or ""), sentence or f"session {self.options.session_id!r} is not there", details)
        return response

    async def _answer_of(self, call: Any, seconds: Optional[float] = None, under_way: Optional[List[Any]] = None) -> Message:
        """
        Of a call on the present channel. Raises AioRpcError, UNAVAILABLE where the channel was given up meanwhile. A call whose caller is cancelled goes
        to its end: the reset of a stream that is being answered ends the whole connection at some servers.
        """
        ended: "asyncio.Future[None]" = self.loop.create_future()

        def end(_call: Any = None) -> None:
            if not ended.done():
                ended.set_result(None)

        call.add_done_callback(end)
        timer = None if under_way is None or seconds is None else self.loop.call_later(seconds, end)
        try:
            await ended
        finally:
            if timer is not None:
                timer.cancel()
            if under_way is not None and not call.done():
                under_way.append(call)
        if not call.done():
            raise _ended_here(grpc.StatusCode.DEADLINE_EXCEEDED, "no answer came in time")
        try:
            return await call
        except asyncio.CancelledError:
            # A channel that closes cancels its calls, and grpc tells who waits for one as if its own task were cancelled.
            if not call.cancelled():
                raise
            raise _ended_here(grpc.StatusCode.UNAVAILABLE, "the connection was given up before the answer came") from None

    def _multicallable(self, name: str) -> Any:
        if self._channel is None:
            raise UnavailableError(f"there is no connection to {self.endpoint}")
        made = self._calls.get(name)
        if made is None:
            method = METHODS[name]
            made = self._calls[name] = self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
        return made

    @staticmethod
    def _may_be_made(cause: grpc.aio.AioRpcError) -> bool:
        """Whether the server may have taken the call whose answer did not come."""
        if ERROR_TRAILER in headers_of(cause.trailing_metadata()):
            return False
        said = cause.details() or ""
        if cause.code() == grpc.StatusCode.UNAVAILABLE:
            return not said.startswith(("failed to connect", "Endpoint closing", "connections to all"))
        return cause.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL)

    def _has_lost_session(self, error: BridgeError, cause: grpc.aio.AioRpcError) -> bool:
        if isinstance(error, SessionNotFoundError):
            return True
        if cause.code() != grpc.StatusCode.NOT_FOUND or self.epoch:
            return False
        # A server that is not ours: its status does not say what was not found.
        said = (cause.details() or "").lower()
        return "session" in said

    async def _rejoin_for(self, name: str) -> None:
        """For a call that was refused: nothing was done. Raises BridgeError where waiting would not help."""
        try:
            await self.rejoin()
        except UnavailableError as broken:
            # It goes by the next connection.
            logger.debug("%s: the session was not joined: %s", name, broken)

    async def rejoin(self) -> None:
        """The server has lost the session. Raises BridgeError."""
        if self._channel is None:
            return
        try:
            await self._join(self.options.attempt_timeout_ms)
        except grpc.aio.AioRpcError as cause:
            raise error_of_call(cause) from cause

    @property
    def last_words(self) -> str:
        """Why there is no connection, for sentences."""
        return "" if self._last_error is None else f" ({self._last_error.message})"

    @property
    def endpoint(self) -> str:
        """The one that is connected, or tried next."""
        return self._rotation.current

    def handle_servers(self, servers: Sequence[str]) -> None:
        """Where the servers over this state are reached; nothing where nobody says it."""
        self._rotation.handle_servers(servers)
        self.freshness.ask_for(self._patience.heartbeat_ms(self.has_others))
        logger.debug("%s is connected, the endpoints are %s", self.endpoint, ", ".join(self._rotation.endpoints))

    # --- the unit that reconnects

    async def _run(self) -> None:
        backoff = Backoff(self.options.backoff)
        failures = 0
        spread_ms: Optional[float] = None
        while True:
            try:
                self._make_channel()
                await self._join(self._attempt_ms())
                carrier = await self._carrier()
                self.carrier = carrier
                for feed in list(self.feeds):
                    carrier.add(feed)
                self._stands_since = self.loop.time()
                spread_ms = await carrier.run(self._when_carrier_stands)
                self._last_error = carrier.error
            except asyncio.CancelledError:
                raise
            except grpc.aio.AioRpcError as cause:
                self._last_error = error_of_call(cause)
            except BridgeError as cause:
                self._last_error = cause
            except Exception as cause:
                # A cancellation that grpc took for the end of its call.
                if self.state == "closed":
                    return
                logger.exception("the connection to %s broke by an error of ours", self.endpoint)
                self._last_error = UnavailableError(f"the connection to {self.endpoint} broke: {cause!r}", cause=cause)
            error = self._last_error
            endpoint = self._failed_endpoint = self.endpoint
            carrier_gone, self.carrier = self.carrier, None
            if carrier_gone is not None:
                carrier_gone.handle_break()
            await self._drop_channel()
            if self.state == "closed":
                return
            has_stood, stood_ms = self._stands_since is not None, self._stands_for_ms()
            self._stands_since = None
            was_live = self.state == "live"
            if error is not None and error.code in PERMANENT_CODES:
                self._fail(error)
                return
            if isinstance(carrier_gone, LinkCarrier) and carrier_gone.is_unsupported:
                self.uses_link = False
                if not self._choice.handle_no_link(endpoint, self.epoch):
                    self._fail(UnsupportedError(f'{endpoint} has no StreamLink: use transport "auto" or "stream"'))
                    return
                # Sets that wait for it: the endpoint before had links.
                carrier_gone.fail_sets()
                continue
            if has_stood and was_live:
                backoff = backoff.after_live(stood_ms)
                if stood_ms >= self.options.backoff.reset_after_ms:
                    failures = 0
                    self._rotation.handle_lasting()
            if 0 < self.options.max_attempts <= failures:
                self._fail(error or UnavailableError(f"{endpoint} was not reached"))
                return
            self._become("draining" if spread_ms is not None else "backoff")
            logger.info("the connection to %s broke: %s", endpoint, error)
            for feed in list(self.feeds):
                feed.handle_break(self.state)
                if not feed.options.reconnect:
                    feed.handle_failure(
                        UnavailableError(f"{feed.subject}: the connection broke, and it asked not to reconnect", cause=error)
                    )
                    self.feeds.pop(feed, None)
            failures += 1
            delay_ms = 0.0 if spread_ms is None else spread_ms * random.random()
            spread_ms = None
            if not self._rotation.advance():
                delay_ms = max(delay_ms, backoff.delay_ms(random.random()))
                backoff = backoff.next()
            elif was_live:
                # Others lost it with us: they do not all come to the next in one moment.
                delay_ms = max(delay_ms, backoff.reset().delay_ms(random.random()))
            await asyncio.sleep(delay_ms / 1000.0)
            self._become("connecting")
            for feed in list(self.feeds):
                feed.handle_break("connecting")

    def _attempt_ms(self) -> float:
        """Of the time for the first connection each endpoint has its share: one that says nothing does not use it up for the others."""
        options = self.options
        if self._has_been_live or len(options.endpoints) == 1:
            return options.attempt_timeout_ms
        return min(options.attempt_timeout_ms, options.connect_timeout_ms / len(options.endpoints))

    async def _carrier(self) -> Union[LinkCarrier, StreamCarrier]:
        """Of the server that was joined."""
        if self._choice.takes_link(self.endpoint, self.epoch):
            if self.link is None:
                self.link = LinkCarrier(self)
            return self.link
        if self.streams is None:
            self.streams = StreamCarrier(self)
        return self.streams

    def _when_carrier_stands(self) -> None:
        self.uses_link = isinstance(self.carrier, LinkCarrier)
        self._has_been_live = True
        self._rotation.handle_reached()
        self._become("live")
        self._settle_waiting()

    def channel(self) -> grpc.aio.Channel:
        """The present one. Raises UnavailableError."""
        if self._channel is None:
            raise UnavailableError(f"there is no connection to {self.endpoint}")
        return self._channel

    # --- silence

    @property
    def has_others(self) -> bool:
        """Another server can go on."""
        return len(self._rotation.endpoints) > 1

    def silence_s(self, has_others: bool) -> float:
        """How long a server that was asked for its heartbeats may be silent before it is asked whether it lives, seconds."""
        return self._patience.silence_ms(has_others, self._stands_for_ms()) / 1000.0

    def late_s(self) -> float:
        """How long a link may be silent whose server answers calls, seconds."""
        return self._patience.late_ms() / 1000.0

    def silent(self, what: str) -> UnavailableError:
        """The server is left for its silence: why, for whoever waits."""
        self._patience.handle_silence(self._stands_for_ms())
        return UnavailableError(f"the {what} to {self.endpoint} went silent")

    def _stands_for_ms(self) -> float:
        return 0.0 if self._stands_since is None else (self.loop.time() - self._stands_since) * 1000.0

    async def probe(self) -> bool:
        """Whether the server answers within its time."""
        try:
            seconds = self._patience.answer_ms(self.has_others, self._stands_for_ms()) / 1000.0
            await self._answer_of(self._multicallable("Ping")(PingRequest(message="probe"), timeout=seconds, metadata=self.headers))
            return True
        except grpc.aio.AioRpcError as cause:
            # Any other status is an answer too.
            return cause.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        except UnavailableError:
            return False

    def _make_channel(self) -> None:
        self._channel = channel_to(self.endpoint, self.options)

    async def _drop_channel(self) -> None:
        channel, self._channel = self._channel, None
        self._calls.clear()
        if channel is not None:
            await channel.close()

    async def _join(self, timeout_ms: float) -> None:
        """Makes or joins the session."""
        options = self.options
        endpoint = self.endpoint
        request = InitializeSessionRequest(session_id=options.session_id, without_variables=True, metadata=options.metadata)
        call = self._multicallable("InitializeSession")(
            request, timeout=timeout_ms / 1000.0, metadata=self.headers, wait_for_ready=False
        )
        try:
            response = await self._answer_of(call)
        except grpc.aio.AioRpcError as cause:
            if cause.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise UnavailableError(
                    f"no bridge server answers at {endpoint} within {timeout_ms:g} ms", cause=cause
                ) from cause
            raise
        if not response.success:
            sentence = response.error_message
            code = text_of(headers_of(await call.trailing_metadata()).get(ERROR_TRAILER))
            raise error_of(code or code_of_sentence(sentence), sentence)
        headers = headers_of(await call.initial_metadata())
        self.epoch = text_of(headers.get(EPOCH_HEADER))
        servers = parse_endpoint_list(text_of(headers.get(SERVERS_HEADER)))
        if endpoint == self.endpoint and servers:
            self.handle_servers(servers)
        limit = text_of(headers.get(MAX_MESSAGE_HEADER))
        if limit.isdigit() and int(limit) > 0:
            self.max_request_bytes = min(int(limit), options.max_message_bytes)

    def _become(self, state: str) -> None:
        if state == self.state or self.state in ("closed", "failed"):
            return
        self.state = state
        self.on_state(state)

    def _fail(self, error: BridgeError) -> None:
        self._failure = error
        self._become("failed")
        for feed in list(self.feeds):
            feed.handle_failure(_again(error))
        self.feeds.clear()
        if self.link is not None:
            self.link.fail_sets()
        self._settle_waiting()

    def _settle_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if one.done():
                continue
            if self._failure is None:
                one.set_result(None)
            else:
                one.set_exception(_again(self._failure))


def _ended_here(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, nothing, nothing, details=details)


def _again(error: BridgeError) -> BridgeError:
    """One of its own for each who is told: a traceback belongs to one raise."""
    return type(error)(error.message, code=error.code, details=error.details, cause=error.__cause__ or error)

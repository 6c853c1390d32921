"""One session's way to its server: a channel, calls, and the unit that reconnects. Path: session -> [connection] -> gRPC.

One task stands for all of it: it joins the session, lets a carrier bring the updates until that breaks, and comes back by the backoff; watches
return together. An endpoint that is not reached costs no wait while others are left. Slow: every attempt, probe and call has a deadline. Full:
nothing waits here but calls, each for its own time. Closed: `close` ends the task and the channel, and what waited for them fails with ClosedError.
"""

import asyncio
import logging
import random
from threading import get_ident
from typing import Any, Callable, Coroutine, Dict, List, Optional, Sequence, Union

import grpc
import grpc.aio

from ._core.backoff import Backoff
from ._core.carrier_choice import CarrierChoice
from ._core.change_order import ChangeOrder
from ._core.endpoint_rotation import EndpointRotation
from ._core.patience import Patience
from ._wire.messages import BatchGetVariablesRequest, PingRequest
from . import grpc_process
from .errors import (
    BridgeError,
    ClosedError,
    InvalidArgumentError,
    UnavailableError,
    UnsupportedError,
    VariablesNotFoundError,
    again,
)
from .connect_failure import why_none_connected
from .connection_options import ConnectionOptions
from .end_tasks import end_tasks
from .freshness import Freshness
from .link_carrier import LinkCarrier
from .server_channel import Metadata, ServerChannel
from .session_calls import SessionCalls
from .session_contact import join_session
from .stream_carrier import StreamCarrier
from .timed_wait import within
from .verdict import PERMANENT_CODES, error_of_call
from .watch_feed import WatchFeed

logger = logging.getLogger("bridged_state")

_ANSWER_BYTES = 2 * 1024 * 1024
# Before a session that was ended is joined again, at most: others that were in it do so too.
_REJOIN_SECONDS = 0.05


class Connection:
    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self.state = "connecting"
        self.epoch = ""
        self.max_request_bytes = options.max_message_bytes
        self.feeds: Dict[WatchFeed, None] = {}
        # Of the carrier that stands; the link outlives its streams, with the sets that are not answered.
        self.carrier: Union[LinkCarrier, StreamCarrier, None] = None
        self.link: Optional[LinkCarrier] = None
        self.streams: Optional[StreamCarrier] = None
        self._choice = CarrierChoice(options.transport)
        # By what sets go, until another carrier stands.
        self.uses_link = False
        self._rotation = EndpointRotation(options.endpoints)
        self._channel = ServerChannel(options, self._rotation)
        # Until then attempts share the time for connecting.
        self._has_been_live = False
        self._patience = Patience(options.heartbeat_ms, options.probe_timeout_ms)
        # When the present connection began to stand, by the loop; None where it does not.
        self._stands_since: Optional[float] = None
        self.freshness = Freshness(self.loop, self._patience.heartbeat_ms(self.has_others))
        self.on_state: Callable[[str], None] = lambda _state: None
        self.background: Dict["asyncio.Task[Any]", None] = {}
        self._waiting: List["asyncio.Future[None]"] = []
        self._failure: Optional[BridgeError] = None
        self._last_error: Optional[BridgeError] = None
        # Of the last error.
        self._failed_endpoint = ""
        self._task: Optional["asyncio.Task[None]"] = None
        self._closing: Optional["asyncio.Task[None]"] = None
        # Of all changes, by the link and by calls.
        self.order = ChangeOrder()
        self.calls = SessionCalls(self, self._channel)
        # Of a process that was forked since.
        self.is_inherited = False

    # --- life

    @property
    def is_here(self) -> bool:
        """
        In its process and its thread, where its loop runs. Asked before each set and each wait of a watch: it makes no system call, as asking which
        loop runs does before Python 3.12. False: ask `check_place`.
        """
        return get_ident() == self._thread and not self.is_inherited and self.loop.is_running()

    def check_place(self, subject: str) -> None:
        """Raises ClosedError in a forked child, and InvalidArgumentError outside of the loop that it belongs to."""
        if self.is_here:
            return
        if self.is_inherited:
            raise ClosedError(grpc_process.FORKED)
        try:
            if asyncio.get_running_loop() is self.loop:
                # It goes on in another thread.
                self._thread = get_ident()
                return
        except RuntimeError:
            raise InvalidArgumentError(
                "no event loop runs here: call it in the loop of the session, or use bridged_state.sync"
            ) from None
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
            self.link.sets.fail_all()
        self._settle_waiting()
        task, self._task = self._task, None
        tasks: List["asyncio.Task[Any]"] = list(self.background)
        if task is not None:
            tasks.append(task)
        await end_tasks(tasks)
        await self._channel.close()
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
            raise again(self._failure)
        if self.state == "live":
            return
        waiting: "asyncio.Future[None]" = self.loop.create_future()
        self._waiting.append(waiting)
        try:
            await within(seconds, waiting)
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
            raise again(self._failure)

    # --- watches

    def add(self, feed: WatchFeed) -> None:
        if self._failure is not None:
            feed.handle_failure(again(self._failure))
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
                answer = await self.calls.call("GetVariables", request)
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

    # --- the session

    async def rejoin(self) -> None:
        """The server has lost the session. Raises BridgeError."""
        if not self._channel.is_open:
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
                self._channel.open()
                await self._join(self._attempt_ms())
                carrier = await self._carrier()
                self.carrier = carrier
                self._add_feeds(carrier)
                self._stands_since = self.loop.time()
                spread_ms = await carrier.run(self._when_carrier_stands)
                while isinstance(carrier, LinkCarrier) and carrier.is_of_session:
                    # The connection stands, and calls on it go on.
                    carrier.handle_break()
                    self._let_feeds_wait()
                    await asyncio.sleep(_REJOIN_SECONDS * random.random())
                    await self._join(self._attempt_ms())
                    self._add_feeds(carrier)
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
            await self._channel.close()
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
                carrier_gone.sets.fail_all()
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
            self._break_feeds(error)
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
            self._break_feeds(error)

    # Loops over feeds are not in the task, whose frame would hold the last of them.

    def _add_feeds(self, carrier: Union[LinkCarrier, StreamCarrier]) -> None:
        for feed in list(self.feeds):
            carrier.add(feed)

    def _let_feeds_wait(self) -> None:
        for feed in list(self.feeds):
            feed.handle_break("backoff")

    def _break_feeds(self, error: Optional[BridgeError]) -> None:
        for feed in list(self.feeds):
            feed.handle_break(self.state)
            if not feed.options.reconnect:
                feed.handle_failure(
                    UnavailableError(f"{feed.subject}: the connection broke, and it asked not to reconnect", cause=error)
                )
                self.feeds.pop(feed, None)

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
        return self._channel.present()

    @property
    def headers(self) -> Metadata:
        """Of every call."""
        return self._channel.headers

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
            await self._channel.answer_of(self._channel.call("Ping", PingRequest(message="probe"), seconds))
            return True
        except grpc.aio.AioRpcError as cause:
            # Any other status is an answer too.
            return cause.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        except UnavailableError:
            return False

    async def _join(self, timeout_ms: float) -> None:
        """Makes or joins the session."""
        joined = await join_session(self._channel, self.options, timeout_ms)
        self.epoch = joined.epoch
        # Not what one says that was left meanwhile.
        if joined.endpoint == self.endpoint and joined.servers:
            self.handle_servers(joined.servers)
        if joined.max_request_bytes > 0:
            self.max_request_bytes = min(joined.max_request_bytes, self.options.max_message_bytes)

    def _become(self, state: str) -> None:
        if state == self.state or self.state in ("closed", "failed"):
            return
        self.state = state
        self.on_state(state)

    def _fail(self, error: BridgeError) -> None:
        self._failure = error
        self._become("failed")
        for feed in list(self.feeds):
            feed.handle_failure(again(error))
        self.feeds.clear()
        if self.link is not None:
            self.link.sets.fail_all()
        self._settle_waiting()

    def _settle_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if one.done():
                continue
            if self._failure is None:
                one.set_result(None)
            else:
                one.set_exception(again(self._failure))

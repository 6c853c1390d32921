"""Calls of one session, made until they are answered or their time is up. Path: session -> [session calls] -> server channel.

A read is made again when its answer was lost; a change goes once, in its turn among all changes of the session, by the link and by calls. Slow, away:
each waits for its own time. Full, closed: as the connection says.
"""

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, Callable, Coroutine, List, Optional, Sequence

import grpc
import grpc.aio

from ._core.change_order import ALONE, REGISTER, Turn
from ._wire.messages import ERROR_TRAILER, Message
from .errors import (
    BridgeError,
    ErrorDetails,
    MessageTooLargeError,
    SessionNotFoundError,
    UnavailableError,
    UnknownOutcomeError,
    code_of_sentence,
    error_of,
)
from .server_channel import ServerChannel
from .timed_wait import within
from .verdict import error_of_call, headers_of, text_of

if TYPE_CHECKING:
    from .connection import Connection

logger = logging.getLogger("bridged_state")

# A change whose caller's time is up keeps its turn so long, unless its answer comes or its connection is given up.
_KEPT_SECONDS = 60.0


class SessionCalls:
    def __init__(self, connection: "Connection", channel: ServerChannel) -> None:
        self._connection = connection
        self._channel = channel
        self._loop = connection.loop
        self._seconds = connection.options.call_timeout_ms / 1000.0

    async def call(self, name: str, request: Message, *, identifiers: Sequence[str] = ()) -> Message:
        """A read, which is made again when it was not made, or its answer was lost. Raises the error that its refusal stands for."""
        deadline = self._loop.time() + self._seconds
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
        deadline = self._loop.time() + self._seconds
        order = self._connection.order
        turn = await self._turn(name, registers, deadline)
        under_way: List[Any] = []
        try:
            if prepare is not None:
                await prepare()
            return await self._call(name, request, deadline, ErrorDetails(identifiers=tuple(identifiers)), under_way)
        finally:
            if under_way:
                under_way[0].add_done_callback(lambda _call: order.leave(turn))
            else:
                order.leave(turn)

    async def _turn(self, name: str, registers: str, deadline: float) -> Turn:
        order = self._connection.order
        begun: "asyncio.Future[None]" = self._loop.create_future()

        def begin() -> None:
            if not begun.done():
                begun.set_result(None)

        turn = order.enter(REGISTER if registers else ALONE, registers, begin)
        if begun.done():
            return turn
        try:
            await within(deadline - self._loop.time(), begun)
        except asyncio.TimeoutError:
            order.leave(turn)
            raise UnavailableError(f"{name}: what was called before it was not answered in time: it was not made") from None
        except BaseException:
            order.leave(turn)
            raise
        return turn

    async def _call(
        self, name: str, request: Message, deadline: float, details: ErrorDetails, under_way: Optional[List[Any]]
    ) -> Message:
        """`under_way`: None of a read; else where a call is put that is left to its end."""
        connection = self._connection
        changes = under_way is not None
        size = request.ByteSize()
        if size > connection.max_request_bytes:
            raise MessageTooLargeError.of(name, "request", size, connection.max_request_bytes)
        has_joined = False
        while True:
            await connection.when_live(max(0.001, deadline - self._loop.time()))
            remaining = max(0.001, deadline - self._loop.time())
            try:
                return await self._call_once(name, request, remaining, details, under_way)
            except SessionNotFoundError:
                # By success = false.
                if has_joined or self._loop.time() >= deadline:
                    raise
                has_joined = True
                await self._rejoin_for(name)
            except grpc.aio.AioRpcError as cause:
                error = error_of_call(cause, details)
                is_over = self._loop.time() >= deadline
                was_made = _may_be_made(cause)
                if not is_over and not has_joined and self._has_lost_session(error, cause):
                    has_joined = True
                    await self._rejoin_for(name)
                    continue
                if cause.code() == grpc.StatusCode.UNAVAILABLE and (not changes or not was_made):
                    connection.check()
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
        call = self._channel.call(name, request, seconds + extra)
        response = await self._channel.answer_of(call, seconds, under_way)
        if getattr(response, "success", True) is False:
            code = text_of(headers_of(await call.trailing_metadata()).get(ERROR_TRAILER))
            # An answer to a batch says why by variable, unless it is about all of them.
            sentence = getattr(response, "error_message", None)
            if sentence is not None or code == "SESSION_NOT_FOUND":
                session_id = self._connection.options.session_id
                raise error_of(code or code_of_sentence(sentence or ""), sentence or f"session {session_id!r} is not there", details)
        return response

    def _has_lost_session(self, error: BridgeError, cause: grpc.aio.AioRpcError) -> bool:
        if isinstance(error, SessionNotFoundError):
            return True
        if cause.code() != grpc.StatusCode.NOT_FOUND or self._connection.epoch:
            return False
        # A server that is not ours: its status does not say what was not found.
        said = (cause.details() or "").lower()
        return "session" in said

    async def _rejoin_for(self, name: str) -> None:
        """For a call that was refused: nothing was done. Raises BridgeError where waiting would not help."""
        try:
            await self._connection.rejoin()
        except UnavailableError as broken:
            # It goes by the next connection.
            logger.debug("%s: the session was not joined: %s", name, broken)


def _may_be_made(cause: grpc.aio.AioRpcError) -> bool:
    """Whether the server may have taken the call whose answer did not come."""
    if ERROR_TRAILER in headers_of(cause.trailing_metadata()):
        return False
    said = cause.details() or ""
    if cause.code() == grpc.StatusCode.UNAVAILABLE:
        return not said.startswith(("failed to connect", "Endpoint closing", "connections to all"))
    return cause.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL)

"""The channel to the endpoint of now, and single calls on it. Path: connection, session calls -> [server channel] -> grpc.aio.

Slow: each call is given its time. Closed, or not open yet: a call raises UnavailableError; those that were under way end as UNAVAILABLE.
"""

import asyncio
from typing import Any, Dict, List, Optional, Tuple, Union

import grpc
import grpc.aio

from ._core.endpoint_rotation import EndpointRotation
from ._wire.messages import METHODS, Message
from .connection_options import ConnectionOptions, channel_to
from .errors import UnavailableError

Metadata = Tuple[Tuple[str, Union[str, bytes]], ...]


class ServerChannel:
    def __init__(self, options: ConnectionOptions, rotation: EndpointRotation) -> None:
        self.headers: Metadata = () if options.token is None else (("authorization", f"Bearer {options.token}"),)
        self._options = options
        self._rotation = rotation
        self._loop = asyncio.get_running_loop()
        self._channel: Optional[grpc.aio.Channel] = None
        self._methods: Dict[str, Any] = {}

    @property
    def endpoint(self) -> str:
        """The one that is connected, or tried next."""
        return self._rotation.current

    def open(self) -> None:
        self._channel = channel_to(self.endpoint, self._options)

    async def close(self) -> None:
        """Another may be opened then."""
        channel, self._channel = self._channel, None
        self._methods.clear()
        if channel is not None:
            await channel.close()

    @property
    def is_open(self) -> bool:
        return self._channel is not None

    def present(self) -> grpc.aio.Channel:
        """The one that is open. Raises UnavailableError."""
        if self._channel is None:
            raise UnavailableError(f"there is no connection to {self.endpoint}")
        return self._channel

    def call(self, name: str, request: Message, seconds: float) -> Any:
        """Begins it; `answer_of` waits for it. Raises UnavailableError."""
        channel = self.present()
        method = self._methods.get(name)
        if method is None:
            said = METHODS[name]
            method = self._methods[name] = channel.unary_unary(
                said.path,
                request_serializer=said.request.SerializeToString,
                response_deserializer=said.response.FromString,
            )
        return method(request, timeout=seconds, metadata=self.headers)

    async def answer_of(self, call: Any, seconds: Optional[float] = None, under_way: Optional[List[Any]] = None) -> Message:
        """
        Raises AioRpcError, UNAVAILABLE where the channel was closed meanwhile. A call whose caller is cancelled goes to its end: the reset of a stream
        that is being answered ends the whole connection at some servers. One that is not over after `seconds` is put into `under_way`.
        """
        ended: "asyncio.Future[None]" = self._loop.create_future()

        def end(_call: Any = None) -> None:
            if not ended.done():
                ended.set_result(None)

        call.add_done_callback(end)
        timer = None if under_way is None or seconds is None else self._loop.call_later(seconds, end)
        try:
            await ended
        finally:
            if timer is not None:
                timer.cancel()
            if under_way is not None and not call.done():
                under_way.append(call)
        if not call.done():
            raise _ended_here(grpc.StatusCode.DEADLINE_EXCEEDED, "no answer came in time")
        # Asked before it is awaited: a channel that closes cancels its calls, and grpc tells who waits for one as if its own task were cancelled.
        if call.cancelled():
            raise _ended_here(grpc.StatusCode.UNAVAILABLE, "the connection was given up before the answer came")
        return await call


def _ended_here(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, nothing, nothing, details=details)

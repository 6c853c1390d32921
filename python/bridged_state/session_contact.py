"""Does the server know the session? It is made or joined, and the server says what it is. Path: connection -> [session contact] -> server channel."""

from typing import NamedTuple, Sequence

import grpc
import grpc.aio

from ._core.endpoint_list import parse_endpoint_list
from ._wire.messages import EPOCH_HEADER, ERROR_TRAILER, MAX_MESSAGE_HEADER, SERVERS_HEADER, InitializeSessionRequest
from .connection_options import ConnectionOptions
from .errors import UnavailableError, code_of_sentence, error_of
from .server_channel import ServerChannel
from .verdict import headers_of, text_of


class Joined(NamedTuple):
    """What the server says of itself."""

    endpoint: str
    # Of its present life; '' where it has none.
    epoch: str
    # Where those over the same state are reached; empty where nobody says it.
    servers: Sequence[str]
    # It takes no larger request; 0 where it does not say.
    max_request_bytes: int


async def join_session(channel: ServerChannel, options: ConnectionOptions, timeout_ms: float) -> Joined:
    """Raises BridgeError, and AioRpcError as grpc says it."""
    endpoint = channel.endpoint
    request = InitializeSessionRequest(session_id=options.session_id, without_variables=True, metadata=options.metadata)
    call = channel.call("InitializeSession", request, timeout_ms / 1000.0)
    try:
        response = await channel.answer_of(call)
    except grpc.aio.AioRpcError as cause:
        if cause.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            raise UnavailableError(f"no bridge server answers at {endpoint} within {timeout_ms:g} ms", cause=cause) from cause
        raise
    if not response.success:
        sentence = response.error_message
        code = text_of(headers_of(await call.trailing_metadata()).get(ERROR_TRAILER))
        raise error_of(code or code_of_sentence(sentence), sentence)
    headers = headers_of(await call.initial_metadata())
    limit = text_of(headers.get(MAX_MESSAGE_HEADER))
    return Joined(
        endpoint=endpoint,
        epoch=text_of(headers.get(EPOCH_HEADER)),
        servers=parse_endpoint_list(text_of(headers.get(SERVERS_HEADER))),
        max_request_bytes=int(limit) if limit.isdigit() else 0,
    )

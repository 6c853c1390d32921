"""What a connection is told to be, checked and complete, and the channel that it asks of grpc. Path: session -> [connection options] -> connection."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import grpc
import grpc.aio

from ._core.backoff import BackoffOptions
from .tls_options import TlsOptions


class ConnectionOptions:
    def __init__(
        self,
        endpoints: Sequence[str],
        session_id: str,
        token: Optional[str],
        tls: Optional[TlsOptions],
        transport: str,
        backoff: BackoffOptions,
        max_attempts: int,
        connect_timeout_ms: float,
        call_timeout_ms: float,
        heartbeat_ms: Optional[int],
        probe_timeout_ms: Optional[float],
        max_message_bytes: int,
        metadata: Dict[str, str],
        spacing_ms: int = 0,
    ) -> None:
        self.endpoints = endpoints
        self.session_id = session_id
        self.token = token
        self.tls = tls
        self.transport = transport
        self.backoff = backoff
        self.max_attempts = max_attempts
        self.connect_timeout_ms = connect_timeout_ms
        self.call_timeout_ms = call_timeout_ms
        # Of a silent server; None: by whether there is another to go to.
        self.heartbeat_ms = heartbeat_ms
        self.probe_timeout_ms = probe_timeout_ms
        # Of one attempt, and of what opens.
        self.attempt_timeout_ms = ATTEMPT_TIMEOUT_MS if probe_timeout_ms is None else probe_timeout_ms
        self.max_message_bytes = max_message_bytes
        self.metadata = metadata
        self.spacing_ms = spacing_ms


ATTEMPT_TIMEOUT_MS = 5_000.0


def channel_to(endpoint: str, options: ConnectionOptions) -> grpc.aio.Channel:
    """Its owner closes it."""
    arguments: List[Tuple[str, Any]] = [
        # A new channel is a new connection, and what is broken is not kept.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", options.max_message_bytes),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    tls = options.tls
    if tls is None:
        return grpc.aio.insecure_channel(endpoint, options=arguments)
    if tls.server_name is not None:
        arguments.append(("grpc.ssl_target_name_override", tls.server_name))
    return grpc.aio.secure_channel(endpoint, tls.credentials, options=arguments)

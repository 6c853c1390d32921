"""The face of the package: one session of a bridge server, for asyncio. Path: the user -> [session] -> connection, watches.

A session belongs to the event loop and the process that connected it. Slow server: each call has its time. Closed: every call raises ClosedError.
"""

import logging
from types import TracebackType
from typing import Any, Callable, Dict, Generator, Iterable, List, Mapping, Optional, Sequence, Tuple, Type, Union

import grpc

from ._core.backoff import BackoffOptions
from ._core.condition import Condition
from ._core.describe_value import describe_value
from ._core.link_events import DELETED, EMPTY_METADATA, Update
from ._core.metadata import check_name, check_text, copy_metadata
from ._core.plain_function import ENDS_THE_PROGRAM
from ._core.value_codec import check_type
from ._wire.messages import Message
from . import variable_calls
from .batch_outcome import versions_of
from .cache import VariableCache
from .connection import Connection
from .connection_options import ConnectionOptions
from .errors import (
    BridgeError,
    ClosedError,
    InvalidArgumentError,
    InvalidOptionsError,
)
from .option_values import MAX_PERIOD_MS, read_bool, read_callback, read_period, read_text, read_whole
from .session_options import (
    DEFAULT_SOURCE,
    constraints_text,
    read_backoff,
    read_endpoints,
    read_session_metadata,
    read_source,
    read_token,
    read_ttl,
    read_version,
)
from .tls_options import read_tls
from .types import VariableInfo, VariableUpdate, VersionedValue
from .variable_names import check_identifier, read_names
from .watch import Watch
from .watch_feed import WatchFeed
from .watch_options import WatchOptions, read_watch_options
from .wire_mapping import encoded, info_of, value_of

logger = logging.getLogger("bridged_state")

TRANSPORTS = ("auto", "link", "stream")
DEFAULT_SPACING_MS = 4
MAX_SPACING_MS = 100
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class SessionContext:
    """
    A session of a bridge server. `async with SessionContext.connect("host:port", "house") as session:` connects it and closes it behind the
    block; `session = await SessionContext.connect(…)` connects one that its owner closes.

    It belongs to the event loop and the process that connected it: from another loop its methods raise InvalidArgumentError, in a forked child
    ClosedError, where a session can be connected only if none was open at the fork. While its connection is broken, calls wait for the next one, each for its own time; sets go once.
    """

    def __init__(self, options: ConnectionOptions, cache_ttl_ms: float, on_state: Optional[Callable[[str], Any]]) -> None:
        self._options = options
        self._on_state = on_state
        self._cache = VariableCache(cache_ttl_ms / 1000.0)
        self._connection: Optional[Connection] = None
        self._is_closed = False

    @classmethod
    def connect(
        cls,
        endpoint: Union[str, Sequence[str]],
        session_id: str = "default",
        *,
        token: Optional[str] = None,
        tls: Union[None, bool, Mapping[str, Any], grpc.ChannelCredentials] = None,
        transport: str = "auto",
        metadata: Optional[Mapping[str, str]] = None,
        cache_ttl_ms: float = 0,
        connect_timeout_ms: float = 5_000,
        call_timeout_ms: float = 10_000,
        heartbeat_ms: Optional[int] = None,
        probe_timeout_ms: Optional[float] = None,
        spacing_ms: int = DEFAULT_SPACING_MS,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        backoff: Optional[BackoffOptions] = None,
        max_attempts: int = 0,
        on_state: Optional[Callable[[str], Any]] = None,
    ) -> "SessionContext":
        """
        A session that is not connected yet: `async with` or `await` does that.

        Args:
            endpoint: `"host:port"`, or a list of those of servers over the same state: the next is tried at once when one fails. Servers that say
                where others live (`--advertise`) are followed there, whatever was given.
            session_id: its name; whoever connects first makes it.
            token: for servers with tokens; sent with every call, never shown.
            tls: True for the authorities that grpc knows, or `{"ca": …, "cert": …, "key": …, "server_name": …}` with PEM as bytes or text, or
                paths of files; or `grpc.ChannelCredentials`. None speaks without encryption.
            transport: `auto` takes the link and falls back to streams where a server has none; `link` and `stream` ask for one.
            metadata: kept with the session by the server, str to str.
            cache_ttl_ms: how long `get_variable` may give a value that it has read; live watches keep it fresh. 0 asks the server each time.
            connect_timeout_ms: for the first connection, from 1; of several endpoints each has its share.
            call_timeout_ms: for each call and each set, from 1.
            heartbeat_ms: the server may be silent so long, and half of that, before it is asked; from 100. None: 5,000, and 400 where there are several
                endpoints, or servers say where others live.
            probe_timeout_ms: for the answer then; without one the connection is made again. None: 5,000, and 1,000 where there are several.
            spacing_ms: over the link, how far apart the server sends messages of updates while they come, 0 to 100; the first after a pause goes at
                once, and so do answers. A message costs a Python process as much as twenty updates. 0 = each turn of the server.
            max_message_bytes: of the largest message taken or sent, 1,024 to 2,147,483,647.
            backoff: between attempts to return, once every endpoint has failed.
            max_attempts: failed attempts in a row after which the session fails; 0 = never.
            on_state: a plain function that is told `live`, `backoff` and the other states.

        Raises:
            InvalidOptionsError: at once, for what makes no sense.
            UnavailableError: from `async with` or `await`, when no server answers in time; its sentence says why.
            UnauthenticatedError, PermissionDeniedError: likewise, at once.
            UnsupportedError: likewise, for `transport="link"` at a server without links.
        """
        if not isinstance(session_id, str) or not session_id:
            raise InvalidOptionsError(f"session_id: give the session's name, not {describe_value(session_id)}")
        if transport not in TRANSPORTS:
            raise InvalidOptionsError(f"transport: give one of {', '.join(TRANSPORTS)}, not {describe_value(transport)}")
        read_text("session_id", session_id)
        options = ConnectionOptions(
            endpoints=read_endpoints(endpoint),
            session_id=session_id,
            token=read_token(token),
            tls=read_tls(tls),
            transport=transport,
            backoff=read_backoff(backoff),
            max_attempts=read_whole("max_attempts", max_attempts, 0),
            connect_timeout_ms=read_period("connect_timeout_ms", connect_timeout_ms, 1),
            call_timeout_ms=read_period("call_timeout_ms", call_timeout_ms, 1),
            heartbeat_ms=None if heartbeat_ms is None else read_whole("heartbeat_ms", heartbeat_ms, 100, MAX_PERIOD_MS),
            probe_timeout_ms=None if probe_timeout_ms is None else read_period("probe_timeout_ms", probe_timeout_ms, 1),
            max_message_bytes=read_whole("max_message_bytes", max_message_bytes, 1024, 2**31 - 1),
            metadata=read_session_metadata(metadata),
            spacing_ms=read_whole("spacing_ms", spacing_ms, 0, MAX_SPACING_MS),
        )
        return cls(options, read_period("cache_ttl_ms", cache_ttl_ms), read_callback("on_state", on_state, "one argument"))

    # --- life

    def __await__(self) -> Generator[Any, None, "SessionContext"]:
        return self._open().__await__()

    async def __aenter__(self) -> "SessionContext":
        return await self._open()

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    async def _open(self) -> "SessionContext":
        if self._is_closed:
            raise ClosedError("the session was closed: connect another one")
        if self._connection is not None:
            raise InvalidArgumentError("the session is connected already: connect another one")
        connection = self._connection = Connection(self._options)
        connection.on_state = self._handle_state
        try:
            await connection.open()
        except BaseException:
            self._is_closed = True
            raise
        return self

    async def close(self) -> None:
        """
        Ends every watch, waits for sets that are on their way, and lets go of the connection, also where the caller is cancelled meanwhile. A second
        time it does nothing.
        """
        connection = self._connection
        if connection is not None and connection.state != "closed":
            connection.check_place("the session")
        self._is_closed = True
        if connection is not None:
            await connection.close()

    @property
    def session_id(self) -> str:
        """As it was given to `connect`."""
        return self._options.session_id

    @property
    def state(self) -> str:
        """`connecting`, `live`, `backoff`, `draining`, `failed` or `closed`."""
        if self._is_closed:
            return "closed"
        return "connecting" if self._connection is None else self._connection.state

    @property
    def transport(self) -> str:
        """`link` or `stream`: what carries the updates of this session."""
        return "link" if self._connection is not None and self._connection.uses_link else "stream"

    @property
    def epoch(self) -> str:
        """The server's present life; '' where it has none."""
        return "" if self._connection is None else self._connection.epoch

    # --- variables

    async def register_variable(
        self,
        name: str,
        type: str,
        initial_value: Any,
        *,
        constraints: Optional[Mapping[str, Any]] = None,
        metadata: Optional[Mapping[str, str]] = None,
        description: str = "",
        ttl_ms: int = 0,
        source: Optional[str] = None,
    ) -> str:
        """
        Makes a variable, at version 1.

        Args:
            name: 1 to 256 characters without control characters.
            type: one of `VARIABLE_TYPES`.
            initial_value: of that type; nothing is converted.
            constraints: what values have to meet, such as `{"min": 0, "max": 1}`, `{"choices": ["eco", "boost"]}`, `{"dimensions": 3}`.
            metadata: of the variable, str to str.
            description: for people.
            ttl_ms: milliseconds after its last set until it expires; 0 = never.
            source: who registers; `python` when left out.

        Returns:
            Its id, which may stand for the name everywhere.

        Raises:
            AlreadyExistsError: the name is there.
            InvalidNameError, InvalidTypeError, InvalidValueError, InvalidConstraintError, ConstraintViolationError: what they say.
            QuotaExceededError: the server holds no more variables.
            UnknownOutcomeError: the answer was lost; it may or may not be registered.
        """
        connection = self._usable()
        check_name(name)
        check_type(type)
        return await variable_calls.register(
            connection,
            name,
            type,
            encoded(initial_value, type, f'variable "{name}"'),
            constraints=constraints_text(constraints, name),
            metadata=copy_metadata(metadata, f'variable "{name}"'),
            description=read_text("description", description),
            ttl_ms=read_ttl(ttl_ms),
            source=read_source(source),
        )

    async def get_variable(self, identifier: str, *, bypass_cache: bool = False) -> Any:
        """
        Its present value: float, int, str, bool, list, dict, `Embedding`, `Tensor` or `OpaqueBinary`.

        Args:
            identifier: its name or id.
            bypass_cache: asks the server whatever `cache_ttl_ms` of the session says.

        Raises:
            VariablesNotFoundError: `identifiers` names it.
        """
        connection = self._usable()
        check_identifier(identifier, "get_variable")
        read_bool("bypass_cache", bypass_cache)
        if self._cache.is_on and not bypass_cache:
            cached = self._cache.get(identifier, connection.loop.time())
            if cached is not None:
                return cached.value
        return self._keep(connection, await variable_calls.read(connection, identifier))

    async def get_variable_info(self, identifier: str) -> VariableInfo:
        """
        Its value, version, type, constraints and metadata.

        Raises:
            VariablesNotFoundError: `identifiers` names it.
        """
        check_identifier(identifier, "get_variable_info")
        return info_of(await variable_calls.read(self._usable(), identifier))

    async def get_variables(self, identifiers: Union[str, Iterable[str]]) -> Dict[str, Any]:
        """
        Values by the identifiers asked for and in their order, in one or a few calls; those that are missing are left out. An empty list gives an empty dict.
        """
        connection = self._usable()
        asked = read_names(identifiers, "get_variables", 0)
        values: Dict[str, Any] = {}
        async for page in variable_calls.read_several(connection, asked):
            for identifier, variable in page.items():
                values[identifier] = self._keep(connection, variable)
        # A map on the wire has no order.
        return {identifier: values[identifier] for identifier in asked if identifier in values}

    async def set_variable(
        self,
        identifier: str,
        value: Any,
        *,
        metadata: Optional[Mapping[str, str]] = None,
        source: Optional[str] = None,
        expected_version: int = 0,
    ) -> int:
        """
        Sets it. Changes of one session are made in the order of the calls. Over the link the sets of one turn of the event loop are one message, and
        made exactly once over breaks.

        Args:
            identifier: its name or id.
            value: of its type; nothing is converted, but that an int that a float holds exactly fits a float variable.
            metadata: of this change, str to str: watches are told it.
            source: who sets; `python` when left out.
            expected_version: the version that it has to have; 0 = any.

        Returns:
            Its version: the next one, or the present one where the value is equal, which nobody is told.

        Raises:
            VariablesNotFoundError: `identifiers` names it.
            InvalidValueError, ConstraintViolationError: the value is refused.
            VersionConflictError: it is at another version than `expected_version`.
            UnknownOutcomeError: the answer was lost; it may or may not be set.
        """
        connection = self._usable()
        # What nearly all are needs no more than this.
        if type(identifier) is not str or not identifier or not identifier.isascii():
            check_identifier(identifier, "set_variable")
        custom = EMPTY_METADATA if metadata is None else copy_metadata(metadata, f'variable "{identifier}"')
        who = DEFAULT_SOURCE if source is None else read_source(source)
        if type(expected_version) is not int or expected_version != 0:
            expected_version = read_whole("expected_version", expected_version, 0)
        link = connection.link
        if connection.uses_link and link is not None:
            version = await link.sets.set(identifier, value, who, custom, expected_version)
        else:
            version = await variable_calls.set_one(connection, identifier, value, who, custom, expected_version)
        self._cache.handle_set(identifier, version)
        return version

    async def update_variables(
        self,
        updates: Mapping[str, Any],
        *,
        atomic: bool = False,
        metadata: Optional[Mapping[str, str]] = None,
        source: Optional[str] = None,
    ) -> Dict[str, int]:
        """
        Sets several.

        Args:
            updates: values by name or id. An empty dict does nothing.
            atomic: all under one revision, or none; without it those that are not refused are set.
            metadata, source: of each change, as in `set_variable`.

        Returns:
            Versions by identifier.

        Raises:
            BatchRefusedError: `details.refused` says of each refused one why, `details.versions` what was set.
            UnknownOutcomeError: the answer was lost.
        """
        connection = self._usable()
        if not isinstance(updates, Mapping):
            raise InvalidArgumentError(
                f'update_variables: give a dict such as {{"fan": "on"}}, not {describe_value(updates)}'
            )
        for identifier in updates:
            # What nearly all are needs no more than this.
            if type(identifier) is not str or not identifier or not identifier.isascii():
                check_identifier(identifier, "update_variables")
        read_bool("atomic", atomic)
        if not updates:
            return {}
        custom = {} if metadata is None else copy_metadata(metadata, "update_variables")
        who = read_source(source)
        link = connection.link
        if connection.uses_link and link is not None:
            outcomes = dict(zip(updates, await link.sets.set_all(updates, atomic, who, custom)))
        else:
            outcomes = await variable_calls.set_several(connection, updates, atomic, who, custom)
        if self._cache.is_on:
            for identifier, outcome in outcomes.items():
                if isinstance(outcome, int):
                    self._cache.handle_set(identifier, outcome)
        return versions_of(outcomes, len(updates))

    async def list_variables(self, pattern: str = "") -> List[VariableInfo]:
        """
        Those whose name fits, in the order of registration.

        Args:
            pattern: `*` stands for any run of characters and `?` for one; `""` lists all.
        """
        connection = self._usable()
        check_text(pattern, "pattern")
        return await variable_calls.find(connection, pattern)

    async def delete_variable(self, identifier: str) -> None:
        """
        Deletes it; its watches are told `deleted`, and end when none of their variables is left.

        Raises:
            VariablesNotFoundError: `identifiers` names it.
            UnknownOutcomeError: the answer was lost.
        """
        connection = self._usable()
        check_identifier(identifier, "delete_variable")
        await variable_calls.delete(connection, identifier)
        self._cache.handle_deleted(identifier)

    async def history(self, identifier: str, limit: int = 0) -> List[VersionedValue]:
        """
        The entries that the server keeps, oldest first.

        Args:
            identifier: its name or id.
            limit: the newest so many; 0 = all.

        Raises:
            VariablesNotFoundError: `identifiers` names it.
        """
        connection = self._usable()
        check_identifier(identifier, "history")
        return await variable_calls.history(connection, identifier, read_whole("limit", limit, 0))

    async def rollback(self, identifier: str, version: int) -> int:
        """
        Sets the value of an earlier version again, as `python`.

        Returns:
            The new version that this makes.

        Raises:
            VersionNotFoundError: the history does not hold that version; `history` says which it does.
            VariablesNotFoundError: `identifiers` names it.
            UnknownOutcomeError: the answer was lost.
        """
        connection = self._usable()
        check_identifier(identifier, "rollback")
        made = await variable_calls.roll_back(connection, identifier, read_version(version), DEFAULT_SOURCE)
        self._cache.handle_set(identifier, made)
        return made

    # --- watches

    def watch_variables(
        self,
        names: Union[str, Iterable[str]],
        *,
        include_initial: bool = False,
        filter_fn: Optional[Callable[..., Any]] = None,
        condition: Optional[Condition] = None,
        debounce_ms: float = 0,
        max_wait_ms: float = 0,
        throttle_ms: float = 0,
        conflate: bool = False,
        missing: str = "fail",
        buffer_limit: int = 1024,
        overflow: str = "conflate",
        atomic: bool = False,
        stale_after_ms: float = 0,
        on_error: Optional[Callable[[BridgeError], Any]] = None,
        on_state: Optional[Callable[[str], Any]] = None,
        on_synced: Optional[Callable[[], Any]] = None,
        reconnect: bool = True,
    ) -> Watch:
        """
        Updates of variables: `async for update in session.watch_variables(["temperature"]): …`. It is registered as soon as it is made; leaving the
        loop in any way ends it.

        Args:
            names: names or ids; one may stand without a list.
            include_initial: the present values come first, with `is_initial`.
            filter_fn: a plain function of (update), (old, new) or (name, old, new) that lets an update through when it is true.
            condition: the same as data, such as `{"changedBy": 1.0}`, `{"crosses": 30}`, `{"and": […]}`; over the link the server asks it.
            debounce_ms: the newest of a variable, when it has been quiet so long; 0 = off.
            max_wait_ms: debouncing holds no update longer; 0 = no limit.
            throttle_ms: at most one of a variable in that time, the newest last; 0 = off.
            conflate: at most one of a variable a turn of the event loop, the newest.
            missing: `fail` raises VariablesNotFoundError; `wait` watches from their registration on.
            buffer_limit: updates that may wait for the loop, 1 to 1,048,576.
            overflow: when more wait: `conflate` keeps the newest of each variable, `drop-oldest` drops, both counted in `missed`; `error` ends the watch.
            atomic: the updates of a batch that was set atomically become ready in one turn, all or none, and are dropped together where the buffer is
                full; `batches()` gives them in one list.
            stale_after_ms: silence of the server after which the state is `stale`, until it is heard again; 0 = never, else from 300.
            on_error: a plain function that is told what went wrong and goes on, and why the watch ends.
            on_state: a plain function that is told `live`, `backoff` and the other states.
            on_synced: a plain function that is called when the watch has caught up, at first and after each break.
            reconnect: False ends it with the first break.

        Yields:
            VariableUpdate: of each variable in the order of its versions, none twice.

        Raises:
            InvalidArgumentError, InvalidOptionsError: at once.
            VariablesNotFoundError: from the loop; `identifiers` names each missing one.
            BufferOverflowError: from the loop, with `overflow="error"`.
            UnavailableError: from the loop, with `reconnect=False`, or after `max_attempts` of the session.
            ClosedError: at once, when the session was closed. A loop that runs then just ends.
        """
        connection = self._usable()
        options = read_watch_options(
            include_initial=include_initial,
            filter_fn=filter_fn,
            condition=condition,
            debounce_ms=debounce_ms,
            max_wait_ms=max_wait_ms,
            throttle_ms=throttle_ms,
            conflate=conflate,
            missing=missing,
            buffer_limit=buffer_limit,
            overflow=overflow,
            atomic=atomic,
            stale_after_ms=stale_after_ms,
            on_error=on_error,
            on_state=on_state,
            on_synced=on_synced,
            reconnect=reconnect,
        )
        return self._watch(connection, read_names(names, "watch_variables"), (), options)

    def watch_variable(self, name: str, **options: Any) -> Watch:
        """Updates of one variable; options as of `watch_variables`."""
        check_identifier(name, "watch_variable")
        return self.watch_variables([name], **options)

    def watch_pattern(
        self,
        pattern: Union[str, Iterable[str]],
        *,
        include_initial: bool = False,
        filter_fn: Optional[Callable[..., Any]] = None,
        condition: Optional[Condition] = None,
        debounce_ms: float = 0,
        max_wait_ms: float = 0,
        throttle_ms: float = 0,
        conflate: bool = False,
        buffer_limit: int = 1024,
        overflow: str = "conflate",
        atomic: bool = False,
        stale_after_ms: float = 0,
        on_error: Optional[Callable[[BridgeError], Any]] = None,
        on_state: Optional[Callable[[str], Any]] = None,
        on_synced: Optional[Callable[[], Any]] = None,
        reconnect: bool = True,
    ) -> Watch:
        """Updates of every variable whose name fits, now or later: `room/*`, or one of several. Options as of `watch_variables`; it ends by its owner alone."""
        connection = self._usable()
        options = read_watch_options(
            include_initial=include_initial,
            filter_fn=filter_fn,
            condition=condition,
            debounce_ms=debounce_ms,
            max_wait_ms=max_wait_ms,
            throttle_ms=throttle_ms,
            conflate=conflate,
            missing="wait",
            buffer_limit=buffer_limit,
            overflow=overflow,
            atomic=atomic,
            stale_after_ms=stale_after_ms,
            on_error=on_error,
            on_state=on_state,
            on_synced=on_synced,
            reconnect=reconnect,
        )
        return self._watch(connection, (), read_names(pattern, "watch_pattern"), options)

    def _watch(
        self, connection: Connection, names: Tuple[str, ...], patterns: Tuple[str, ...], options: WatchOptions
    ) -> Watch:
        feed = WatchFeed(names, patterns, options)
        if self._cache.is_on:
            feed.on_value = self._handle_value
        watch = Watch(connection, feed)
        connection.add(feed)
        return watch

    # --- inside

    def _usable(self) -> Connection:
        """Raises what makes a call impossible, at once."""
        if self._is_closed:
            raise ClosedError("the session was closed: connect another one")
        connection = self._connection
        if connection is None:
            raise ClosedError("the session is not connected: use `async with SessionContext.connect(…) as session:`")
        if not connection.is_here:
            connection.check_place("the session")
        return connection

    def _handle_state(self, state: str) -> None:
        if state != "live":
            self._cache.clear()
        if self._on_state is not None:
            try:
                self._on_state(state)
            except ENDS_THE_PROGRAM:
                raise
            except BaseException:
                logger.exception("on_state of session %s raised", self.session_id)

    def _handle_value(self, update: Update) -> None:
        connection = self._connection
        if update.kind == DELETED:
            for identifier in (update.variable.id, update.variable.name):
                self._cache.handle_deleted(identifier)
        elif connection is not None:
            self._cache.put(update.id, update.name, update.value, update.version, connection.loop.time())

    def _keep(self, connection: Connection, variable: Message) -> Any:
        """The value that was read."""
        value = value_of(variable)
        self._cache.put(variable.id, variable.name, value, variable.version, connection.loop.time())
        return value


__all__ = ["SessionContext", "VariableUpdate"]

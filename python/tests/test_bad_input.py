"""What makes no sense is refused with a class of ours and a sentence that names it, by the link and by streams alike, and changes nothing."""

import asyncio
import os
from array import array
from functools import partial
from typing import Any, Callable, Dict, List, Tuple, Type

import pytest
from servers import Server, asynchronous, until

from bridged_state import (
    BackoffOptions,
    BridgeError,
    ClosedError,
    InvalidArgumentError,
    InvalidConstraintError,
    InvalidNameError,
    InvalidOptionsError,
    InvalidTypeError,
    InvalidValueError,
    SessionContext,
    VariablesNotFoundError,
    VersionConflictError,
    VersionNotFoundError,
    WatcherError,
    reactive,
    sync,
    watch_for_condition,
)

HALF = "\ud800"
"""Half of a surrogate pair: no UTF-8 can say it."""

Refused = Tuple[Type[BaseException], str, Callable[[], Any]]


class NumpyScalar:
    """What of numpy's int64 a reader may see; numpy need not be here."""

    dtype = "int64"

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value

    def item(self) -> int:
        return self._value


async def check(refused: Dict[str, Refused]) -> None:
    for what, (error, fact, act) in refused.items():
        with pytest.raises(error) as caught:
            result = act()
            if asyncio.iscoroutine(result):
                await result
        assert fact in str(caught.value), (what, str(caught.value))


@asynchronous
async def test_values_that_are_none_of_their_variable(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        first: Dict[str, Any] = {"integer": 1, "float": 1.5, "string": "a", "boolean": True, "list": [1], "map": {"a": 1}}
        for type, value in first.items():
            await session.register_variable(type, type, value)
        holds_itself: List[Any] = []
        holds_itself.append(holds_itself)
        values: List[Tuple[str, Any, str]] = [
            ("integer", 1.5, "1.5"),
            ("integer", True, "true"),
            ("integer", "1", '"1"'),
            ("integer", float("inf"), "inf"),
            ("integer", float("nan"), "NaN"),
            ("integer", 10**5000, "4300 digits"),
            ("integer", None, "None"),
            ("integer", NumpyScalar(5), "item()"),
            ("float", "1", '"1"'),
            ("float", True, "true"),
            ("float", 10**400, "float"),
            ("float", 1j, "complex"),
            ("string", 5, "5"),
            ("string", b"x", "bytes"),
            ("string", HALF, "surrogate"),
            ("boolean", 1, "1"),
            ("list", {1, 2}, "set"),
            ("list", [object()], "[0]"),
            ("list", holds_itself, "holds itself"),
            ("map", {1: 2}, "key 1"),
            ("map", [], "map"),
            # What is meant for an embedding or a tensor alone.
            ("list", [float("nan")], "a list does not travel as binary"),
            ("list", array("d", [1.5]), "a list does not travel as binary"),
            ("map", {"shape": [1], "data": [float("inf")]}, "a map does not travel as binary"),
        ]
        for name, value, fact in values:
            with pytest.raises(InvalidValueError) as caught:
                await session.set_variable(name, value)
            message = caught.value.message
            assert f'"{name}"' in message and fact.lower() in message.lower(), message
        assert await session.get_variables(list(first)) == first
        # Whole numbers of any size up to 4,300 digits are none of these.
        for whole in (2**63, -(10**40), 5.0):
            await session.set_variable("integer", whole)
            assert await session.get_variable("integer") == whole


@asynchronous
async def test_arguments_that_make_no_sense(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("n", "integer", 1)
        x: Any = session

        async def asynchronous_filter(old: Any, new: Any) -> bool:
            return True

        await check(
            {
                "metadata value": (InvalidValueError, '"a" holds 1', lambda: x.set_variable("n", 2, metadata={"a": 1})),
                "metadata key": (InvalidValueError, "1 holds", lambda: x.set_variable("n", 2, metadata={1: "a"})),
                "metadata list": (InvalidValueError, "dict of strings", lambda: x.set_variable("n", 2, metadata=[("a", "b")])),
                "metadata entries": (
                    InvalidArgumentError,
                    "at most 16384",
                    lambda: x.update_variables({"n": 2}, metadata={str(number): "" for number in range(16_385)}),
                ),
                "metadata half": (InvalidValueError, "surrogate", lambda: x.set_variable("n", 2, metadata={"a": HALF})),
                "source": (InvalidOptionsError, "source: ", lambda: x.set_variable("n", 2, source=5)),
                "source half": (InvalidOptionsError, "surrogate", lambda: x.set_variable("n", 2, source=HALF)),
                "version": (InvalidOptionsError, "expected_version", lambda: x.set_variable("n", 2, expected_version=-1)),
                "version kind": (InvalidOptionsError, "expected_version", lambda: x.set_variable("n", 2, expected_version=1.0)),
                "misspelt": (TypeError, "expect_version", lambda: x.set_variable("n", 2, expect_version=1)),
                "misspelt watch": (TypeError, "include_inital", lambda: x.watch_variable("n", include_inital=True)),
                "name kind": (InvalidArgumentError, "not 5", lambda: x.get_variable(5)),
                "name half": (InvalidArgumentError, "surrogate", lambda: x.get_variable(HALF)),
                "watched half": (InvalidArgumentError, "surrogate", lambda: x.watch_variables([HALF])),
                "registered half": (InvalidNameError, "surrogate", lambda: x.register_variable(HALF, "integer", 1)),
                "bypass": (InvalidOptionsError, "bypass_cache", lambda: x.get_variable("n", bypass_cache="no")),
                "names kind": (InvalidArgumentError, "list of names", lambda: x.get_variables({"n": 1})),
                "no names": (InvalidArgumentError, "list of names", lambda: x.get_variables(None)),
                "no name": (InvalidNameError, "empty", lambda: x.register_variable("", "integer", 1)),
                "registered kind": (InvalidNameError, "not 5", lambda: x.register_variable(5, "integer", 1)),
                "description": (InvalidOptionsError, "description", lambda: x.register_variable("z", "integer", 1, description=5)),
                "rolled back": (InvalidArgumentError, "version", lambda: x.rollback("n", 0)),
                "long name": (InvalidNameError, "256", lambda: x.register_variable("n" * 300, "integer", 1)),
                "control": (InvalidNameError, "control", lambda: x.register_variable("a\nb", "integer", 1)),
                "type kind": (InvalidTypeError, "one of float", lambda: x.register_variable("z", int, 1)),
                "ttl": (InvalidArgumentError, "ttl_ms", lambda: x.register_variable("z", "integer", 1, ttl_ms=-1)),
                "constraints": (InvalidConstraintError, "dict", lambda: x.register_variable("z", "integer", 1, constraints=[1])),
                "updates kind": (InvalidArgumentError, "give a dict", lambda: x.update_variables([("n", 1)])),
                "updates key": (InvalidArgumentError, "not 1", lambda: x.update_variables({1: 1})),
                "atomic": (InvalidOptionsError, "atomic", lambda: x.update_variables({"n": 2}, atomic="no")),
                "limit": (InvalidOptionsError, "limit", lambda: x.history("n", -1)),
                "nobody": (VariablesNotFoundError, "nobody", lambda: x.history("nobody")),
                "rollback": (VersionNotFoundError, "99", lambda: x.rollback("n", 99)),
                "pattern": (InvalidArgumentError, "pattern", lambda: x.list_variables(5)),
                "nan": (InvalidOptionsError, "debounce_ms", lambda: x.watch_variables(["n"], debounce_ms=float("nan"))),
                "inf": (InvalidOptionsError, "throttle_ms", lambda: x.watch_variables(["n"], throttle_ms=float("inf"))),
                "negative": (InvalidOptionsError, "throttle_ms", lambda: x.watch_variables(["n"], throttle_ms=-1)),
                "text": (InvalidOptionsError, "debounce_ms", lambda: x.watch_variables(["n"], debounce_ms="5")),
                "filter": (InvalidOptionsError, "filter_fn", lambda: x.watch_variables(["n"], filter_fn=asynchronous_filter)),
                "filter of 4": (InvalidOptionsError, "4 arguments", lambda: x.watch_variables(["n"], filter_fn=lambda a, b, c, d: True)),
            }
        )
        await check(
            {
                f"timeout {timeout!r}": (InvalidOptionsError, "timeout", partial(watch_for_condition, x, "n", {"gt": 5}, timeout))
                for timeout in (0, -1, "5", True, float("nan"))
            }
        )
        for large in (2**31, 2**32 + 1, 2**53 - 1):
            with pytest.raises(VersionNotFoundError):
                await session.rollback("n", large)
            with pytest.raises(VersionConflictError):
                await session.set_variable("n", 2, expected_version=large)
            assert len(await session.history("n", large)) == 1
        # A name alone stands for a list of it.
        watch = x.watch_variables("n", include_initial=True)
        assert (await watch.__anext__()).value == 1
        await watch.aclose()
        assert await session.get_variables("n") == {"n": 1}
        assert [one.version for one in await session.history("n")] == [1]


@asynchronous
async def test_a_filter_that_nobody_can_wait_for_is_told_once(server: Server, session_id: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id) as session:
        await session.register_variable("n", "integer", 1)

        async def never(old: Any, new: Any) -> bool:
            return False

        class Asynchronous:
            async def __call__(self, old: Any, new: Any) -> bool:
                return False

        asynchronous_ones: List[Any] = [Asynchronous(), partial(never)]
        for refused in asynchronous_ones:
            with pytest.raises(InvalidOptionsError, match="filter_fn"):
                session.watch_variables(["n"], filter_fn=refused)
            with pytest.raises(InvalidOptionsError, match="on_state"):
                session.watch_variables(["n"], on_state=refused)
        errors: List[BridgeError] = []
        watch = session.watch_variables(["n"], filter_fn=lambda old, new: never(old, new), on_error=errors.append)
        await watch.ready()
        for value in (2, 3):
            await session.set_variable("n", value)
            assert (await watch.__anext__()).value == value
        assert [type(error) for error in errors] == [WatcherError] and "awaitable" in errors[0].message
        await watch.aclose()


@asynchronous
async def test_whatever_functions_raise_harms_nobody_else(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("n", "integer", 1)
        cancelled: "asyncio.Future[bool]" = asyncio.get_running_loop().create_future()
        cancelled.cancel()

        def ask(*_: Any) -> bool:
            return cancelled.result()

        told: List[BaseException] = []
        watch = session.watch_variables(["n"], filter_fn=ask, on_error=told.append, on_state=ask, on_synced=ask)
        other = session.watch_variables(["n"])
        variable = await reactive(session, "n", told.append)
        variable.on_change(ask)
        await asyncio.gather(watch.ready(), other.ready())
        await session.set_variable("n", 2)
        assert (await other.__anext__()).value == 2
        await until(lambda: len(told) == 2, "what both raised")
        assert {type(one) for one in told} == {WatcherError, asyncio.CancelledError}
        with pytest.raises(RuntimeError, match="StopIteration"):
            await watch_for_condition(session, "n", lambda _: next(iter([])), 10)
        assert session.state == "live"
        await variable.close()


def test_options_of_a_session_that_make_no_sense() -> None:
    connect: Any = SessionContext.connect
    refused: List[Tuple[str, Callable[[], Any]]] = [
        ("endpoint: .*localhost", lambda: connect("localhost")),
        ("endpoint: .*http", lambda: connect("http://localhost:1")),
        ("endpoint: .*65536", lambda: connect("localhost:65536")),
        ("endpoint: .*as a list", lambda: connect("a:1,b:2")),
        ("endpoint: .*5", lambda: connect(5)),
        ("endpoint: the list is empty", lambda: connect([])),
        ("endpoint: the tuple is empty", lambda: sync.SessionContext.connect(())),
        (r"endpoint\[1\]: .*None", lambda: connect(["a:1", None])),
        (r"endpoint\[1\]: .*b:c", lambda: connect(("a:1", "b:c"))),
        ("endpoint: ", lambda: connect({"a:1": 1})),
        ("session_id", lambda: connect("a:1", "")),
        ("session_id", lambda: connect("a:1", HALF)),
        ('connect: metadata "a"', lambda: connect("a:1", metadata={"a": 1})),
        ("connect: metadata has", lambda: connect("a:1", metadata={str(number): "" for number in range(16_385)})),
        ("max_message_bytes", lambda: connect("a:1", max_message_bytes=2**31)),
        ("heartbeat_ms", lambda: connect("a:1", heartbeat_ms=1)),
        ("heartbeat_ms", lambda: connect("a:1", heartbeat_ms=2**31)),
        ("spacing_ms", lambda: connect("a:1", spacing_ms=101)),
        ("call_timeout_ms", lambda: connect("a:1", call_timeout_ms=0)),
        ("max_attempts", lambda: connect("a:1", max_attempts=-1)),
        ("on_state", lambda: connect("a:1", on_state=5)),
        ("backoff", lambda: connect("a:1", backoff=5)),
        ("backoff.base_ms", lambda: connect("a:1", backoff=BackoffOptions(base_ms=-1))),
        ("backoff.jitter", lambda: connect("a:1", backoff=BackoffOptions(jitter=2))),
    ]
    for name, act in refused:
        with pytest.raises(InvalidOptionsError, match=f"^{name}"):
            act()
    with pytest.raises(TypeError, match="sesion"):
        connect("a:1", sesion="house")


@asynchronous
async def test_a_session_that_is_not_connected_or_connected_twice(server: Server, session_id: str) -> None:
    session = SessionContext.connect(server.endpoint, session_id)
    with pytest.raises(ClosedError, match="not connected"):
        await session.get_variable("n")
    async with session:
        with pytest.raises(InvalidArgumentError, match="connected already"):
            await session
    with pytest.raises(ClosedError):
        await session
    await session.close()


def test_a_forked_child_is_told(server: Server, session_id: str) -> None:
    with sync.SessionContext.connect(server.endpoint, session_id) as session:
        session.register_variable("n", "integer", 1)
        watch = session.watch_variables(["n"])
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            # Nothing of pytest runs in the child.
            said = []
            another = sync.SessionContext.connect(server.endpoint, session_id)
            acts = (lambda: session.get_variable("n"), lambda: session.set_variable("n", 2), lambda: next(watch), session.close)
            for act in (*acts, another.open):
                try:
                    act()
                    said.append("nothing")
                except BridgeError as error:
                    said.append(f"{error.code} {error.message}")
                except BaseException as error:
                    said.append(repr(error))
            os.write(writing, "\n".join(said).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as pipe:
            told = pipe.read().split("\n")
        assert all("forked" in one for one in told), told
        # gRPC does not work in it either.
        assert [one.split()[0] for one in told] == ["CLOSED"] * 4 + ["UNSUPPORTED"]
        assert session.get_variable("n") == 1

"""The promises over breaks: a server that is killed, a wire that is cut or goes silent, judged by what a watch was told."""

import asyncio
from typing import Any, Dict, List

import pytest
from servers import Server, Wire, asynchronous, take, until

from bridged_state import (
    BufferOverflowError,
    ClosedError,
    MessageTooLargeError,
    SessionContext,
    UnavailableError,
    UnknownOutcomeError,
    VariablesNotFoundError,
)

Updates = List[Any]


def judge(updates: Updates) -> None:
    """Versions rise, old and new chain, and what is missing was said to be."""
    last: Dict[str, Any] = {}
    for update in updates:
        before = last.get(update.variable_name)
        if before is not None:
            assert update.old_value == before.value, update
            if not update.resync or update.variable_id == before.variable_id:
                assert update.version == before.version + update.missed + 1, (before, update)
        last[update.variable_name] = update


@asynchronous
async def test_a_cut_wire_loses_and_repeats_nothing(server: Server, session_id: str, transport: str) -> None:
    async with Wire(server.port) as wire:
        async with SessionContext.connect(server.endpoint, session_id) as setter:
            await setter.register_variable("n", "integer", 0)
            async with SessionContext.connect(wire.endpoint, session_id, transport=transport) as session:
                states: List[str] = []
                watch = session.watch_variables(["n"], include_initial=True, on_state=states.append)
                seen = await take(watch, 1)
                for cut in range(3):
                    wire.cut()
                    for one in range(5):
                        await setter.set_variable("n", cut * 5 + one + 1)
                    seen += await take(watch, 5)
                assert [update.value for update in seen] == list(range(16))
                judge(seen)
                assert all(update.missed == 0 and not update.resync for update in seen)
                assert "backoff" in states and states[-1] == "live"
                await watch.aclose()
    await server.until_no_observer()


@asynchronous
async def test_a_killed_server_is_a_new_epoch(session_id: str, transport: str) -> None:
    first = Server()
    second = None
    try:
        async with SessionContext.connect(first.endpoint, session_id, transport=transport) as session:
            await session.register_variable("n", "integer", 0)
            watch = session.watch_variables(["n"], include_initial=True)
            seen = await take(watch, 1)
            await session.set_variable("n", 1)
            seen += await take(watch, 1)
            first.kill()
            await until(lambda: watch.state != "live", "the break")
            second = Server(port=first.port)
            await session.register_variable("n", "integer", 7)
            await session.set_variable("n", 8)
            seen += await take(watch, 2)
            assert [update.value for update in seen] == [0, 1, 7, 8]
            assert [update.resync for update in seen] == [False, False, True, False]
            assert [update.old_value for update in seen] == [None, 0, 1, 7]
            assert session.epoch == second.epoch
            await watch.aclose()
        await second.until_no_observer()
    finally:
        first.close()
        if second is not None:
            second.close()


@asynchronous
async def test_a_paused_server_is_left_and_found_again(session_id: str, transport: str) -> None:
    server = Server()
    try:
        options: Dict[str, Any] = dict(heartbeat_ms=200, probe_timeout_ms=500, transport=transport)
        async with SessionContext.connect(server.endpoint, session_id, **options) as session:
            await session.register_variable("n", "integer", 0)
            watch = session.watch_variables(["n"], include_initial=True)
            seen = await take(watch, 1)
            server.pause()
            await until(lambda: session.state != "live", "the end of the silent connection", 10)
            server.go_on()
            await session.set_variable("n", 1)
            seen += await take(watch, 1)
            assert [update.value for update in seen] == [0, 1]
            judge(seen)
            await watch.aclose()
    finally:
        server.close()


@asynchronous
async def test_a_silent_wire_is_replaced(server: Server, session_id: str, transport: str) -> None:
    async with Wire(server.port) as wire:
        options: Dict[str, Any] = dict(heartbeat_ms=200, probe_timeout_ms=500, transport=transport)
        async with SessionContext.connect(wire.endpoint, session_id, **options) as session:
            await session.register_variable("n", "integer", 0)
            watch = session.watch_variables(["n"], include_initial=True)
            seen = await take(watch, 1)
            wire.silence()
            await until(lambda: session.state != "live", "the end of the silent connection", 10)
            wire.cut()
            wire.speak()
            await session.set_variable("n", 1)
            seen += await take(watch, 1)
            judge(seen)
            await watch.aclose()


@asynchronous
async def test_calls_under_way_outlive_a_connection_that_is_given_up(server: Server, session_id: str, transport: str) -> None:
    async with Wire(server.port) as wire:
        options: Dict[str, Any] = dict(heartbeat_ms=200, probe_timeout_ms=500, transport=transport)
        async with SessionContext.connect(wire.endpoint, session_id, **options) as session:
            await session.register_variable("n", "integer", 0)
            wire.silence()
            reading = asyncio.ensure_future(session.get_variable("n"))
            registering = asyncio.ensure_future(session.register_variable("m", "integer", 0))
            await until(lambda: session.state != "live", "the end of the silent connection", 10)
            with pytest.raises(UnknownOutcomeError):
                await registering
            wire.cut()
            wire.speak()
            assert await reading == 0
            wire.silence()
            reading = asyncio.ensure_future(session.get_variable("n"))
            await asyncio.sleep(0)
        with pytest.raises(ClosedError):
            await reading


@asynchronous
async def test_sets_survive_cuts_exactly_once(server: Server, session_id: str) -> None:
    async with Wire(server.port) as wire:
        async with SessionContext.connect(wire.endpoint, session_id) as session:
            await session.register_variable("n", "integer", 0)
            versions: List[int] = []
            for burst in range(5):
                setting = [asyncio.ensure_future(session.set_variable("n", burst * 50 + one + 1)) for one in range(50)]
                await asyncio.sleep(0)
                wire.cut()
                versions += await asyncio.gather(*setting)
            assert versions == list(range(2, 252))


@asynchronous
async def test_deletion_ends_the_watch(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        for name in ("a", "b"):
            await session.register_variable(name, "integer", 1)
        watch = session.watch_variables(["a", "b"])
        await watch.ready()
        await session.delete_variable("a")
        await session.set_variable("b", 2)
        await session.delete_variable("b")
        seen = [update async for update in watch]
        assert [(one.variable_name, one.deleted, one.value, one.old_value) for one in seen] == [
            ("a", "deleted", None, 1),
            ("b", None, 2, 1),
            ("b", "deleted", None, 2),
        ]
        assert watch.state == "stopped"
    await server.until_no_observer()


@asynchronous
async def test_missing_names_fail_or_are_waited_for(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("there", "integer", 1)
        with pytest.raises(VariablesNotFoundError) as caught:
            async for _ in session.watch_variables(["gone", "there", "away"]):
                pass
        assert caught.value.identifiers == ("gone", "away")
        watch = session.watch_variables(["later"], missing="wait")
        await watch.ready()
        await session.register_variable("later", "integer", 1)
        await session.set_variable("later", 2)
        seen = await take(watch, 2)
        assert [(one.value, one.old_value, one.version) for one in seen] == [(1, None, 1), (2, 1, 2)]
        await watch.aclose()


@asynchronous
async def test_a_slow_loop_misses_exactly(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("n", "integer", 0)
        await session.register_variable("end", "integer", 0)
        for overflow in ("conflate", "drop-oldest"):
            watch = session.watch_variables(["n"], buffer_limit=3, overflow=overflow)
            await watch.ready()
            start = await session.get_variable("n")
            for one in range(20):
                await session.set_variable("n", start + one + 1)
            await until(lambda: watch.stats["received"] == 20, "all of them")
            seen = [await watch.__anext__() for _ in range(watch.stats["buffered"])]
            assert seen[-1].value == start + 20
            assert sum(one.missed + 1 for one in seen) == 20
            await watch.aclose()
        watch = session.watch_variables(["n"], buffer_limit=3, overflow="error")
        await watch.ready()
        for one in range(5):
            await session.set_variable("n", -1 - one)
        await until(lambda: watch.state == "failed", "the overflow")
        with pytest.raises(BufferOverflowError):
            async for _ in watch:
                pass


@asynchronous
@pytest.mark.parametrize("overflow", ["conflate", "drop-oldest", "error"])
async def test_a_watch_of_more_variables_than_its_buffer_holds_begins_with_each(
    server: Server, session_id: str, transport: str, overflow: str
) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        names = [f"v{number}" for number in range(40)]
        for name in names:
            await session.register_variable(name, "integer", 0)
        watch = session.watch_variables(names, include_initial=True, buffer_limit=8, overflow=overflow)
        await watch.ready()
        await session.set_variable("v39", 1)
        await until(lambda: watch.stats["received"] >= 41 or watch.state == "failed", "all of them")
        seen = [await watch.__anext__() for _ in range(watch.stats["buffered"])]
        assert sorted({one.variable_name for one in seen}) == sorted(names)
        assert seen[-1].value == 1
        assert all(one.missed == 0 for one in seen)
        await watch.aclose()


@asynchronous
async def test_filters_conditions_and_rates(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("n", "float", 0.0)
        watches = [
            session.watch_variables(["n"], condition={"changedBy": 2}),
            session.watch_variables(["n"], filter_fn=lambda old, new: abs(new - old) >= 2),
            session.watch_variables(["n"], filter_fn=lambda update: update.value >= 7),
            session.watch_variables(["n"], filter_fn=lambda name, old, new: name == "n" and new == 10),
            session.watch_variables(["n"], debounce_ms=300),
        ]
        throttled = session.watch_variables(["n"], throttle_ms=300)
        for watch in (*watches, throttled):
            await watch.ready()
        for value in (1.0, 3.0, 4.0, 7.0, 8.0, 10.0):
            await session.set_variable("n", value)
        seen = [[one.value for one in await take(watch, count)] for watch, count in zip(watches, (3, 3, 3, 1, 1))]
        assert seen == [[3.0, 7.0, 10.0], [3.0, 7.0, 10.0], [7.0, 8.0, 10.0], [10.0], [10.0]]
        updates = await take(throttled, 2)
        assert [one.value for one in updates] == [1.0, 10.0]
        judge(updates[:1])
        assert updates[1].old_value == 1.0 and updates[1].missed == 0
        for watch in (*watches, throttled):
            await watch.aclose()


@asynchronous
async def test_a_pattern_finds_what_comes_later(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("room/a", "integer", 1)
        watch = session.watch_pattern("room/*", include_initial=True)
        seen = await take(watch, 1)
        await session.register_variable("room/b", "integer", 5)
        await session.register_variable("hall", "integer", 5)
        await session.delete_variable("room/a")
        await session.set_variable("room/b", 6)
        seen += await take(watch, 3)
        assert [(one.variable_name, one.value, one.deleted) for one in seen] == [
            ("room/a", 1, None),
            ("room/b", 5, None),
            ("room/a", None, "deleted"),
            ("room/b", 6, None),
        ]
        await watch.aclose()


@asynchronous
async def test_a_pattern_that_was_never_in_step_begins_with_initial_values(
    server: Server, session_id: str, transport: str
) -> None:
    async with Wire(server.port) as wire:
        async with SessionContext.connect(server.endpoint, session_id) as setter:
            values = {f"long-{number}": "x" * 100_000 for number in range(40)}
            for name in values:
                await setter.register_variable(name, "string", "")
            for name, value in values.items():
                await setter.set_variable(name, value)
            async with SessionContext.connect(wire.endpoint, session_id, transport=transport) as session:
                wire.silence_after(1_000_000)
                watch = session.watch_pattern("long-*", include_initial=True)
                seen = await take(watch, 1)
                wire.cut()
                wire.speak()
                seen += await take(watch, len(values) - 1)
                assert {update.variable_name for update in seen} == set(values)
                assert all(update.is_initial and update.version == 2 and update.missed == 0 for update in seen)
                await setter.set_variable("long-0", "y")
                [last] = await take(watch, 1)
                assert (last.value, last.version, last.is_initial) == ("y", 3, False)
                await watch.aclose()
    await server.until_no_observer()


@asynchronous
async def test_a_watch_may_ask_not_to_return(server: Server, session_id: str, transport: str) -> None:
    async with Wire(server.port) as wire:
        async with SessionContext.connect(wire.endpoint, session_id, transport=transport) as session:
            await session.register_variable("n", "integer", 1)
            watch = session.watch_variables(["n"], reconnect=False)
            await watch.ready()
            wire.cut()
            with pytest.raises(UnavailableError):
                async for _ in watch:
                    pass


@asynchronous
async def test_a_watch_that_could_be_opened_comes_back(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id) as setter, Wire(server.port) as wire:
        names = [f"a name of about forty characters/{number:06}" for number in range(250)]
        await asyncio.gather(*(setter.register_variable(name, "integer", 0) for name in names))
        # Its versions beside its names are more than that.
        limit = 16 * 1024
        async with SessionContext.connect(wire.endpoint, session_id, transport=transport, max_message_bytes=limit) as session:
            # Over a link a watch with a condition comes back by versions.
            watch = session.watch_variables(names, condition={"gte": 0})
            await watch.synced()
            # Nobody is there until all are set.
            wire.target = 1
            wire.cut()
            for value in (1, 2, 3):
                await setter.set_variable(names[7], value)
            wire.target = server.port
            (update,) = await take(watch, 1)
            assert (update.old_value, update.value, update.missed, update.resync) == (0, 3, 2, True), "the request fitted: name more"
            await setter.set_variable(names[7], 4)
            (update,) = await take(watch, 1)
            assert (update.old_value, update.value, update.missed, update.resync) == (3, 4, 0, False)
            with pytest.raises(MessageTooLargeError):
                await session.watch_variables([*names, *(f"more/{name}" for name in names)], missing="wait").ready()

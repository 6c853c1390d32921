"""Options of a watch: whole atomic batches, at most so many, at most so late, stale, in step. Each means what the option of that name in TypeScript does."""

import asyncio
from typing import Any, Callable, Dict, List

import pytest
from servers import Server, Wire, asynchronous, take, until

from bridged_state import InvalidArgumentError, InvalidOptionsError, SessionContext, VariableUpdate, sync

NAMES = ["a", "b", "c"]


async def register(session: SessionContext) -> None:
    for name in NAMES:
        await session.register_variable(name, "integer", 0)


async def set_batches(session: SessionContext, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await session.update_variables({name: number for name in NAMES}, atomic=True)


@asynchronous
async def test_an_atomic_batch_is_one_list(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await register(session)
        watch = session.watch_variables(NAMES, atomic=True)
        await watch.ready()
        setting = asyncio.ensure_future(set_batches(session, 1, 100))
        seen: Dict[str, int] = {}
        count = 0
        async for updates in watch.batches():
            for update in updates:
                assert update.missed == 0 and update.old_value == update.value - 1
                seen[update.variable_name] = update.value
            count += len(updates)
            assert len(set(seen.values())) == 1, "half a batch was told"
            if seen["a"] == 100:
                break
        await setting
        assert count == 300
    await server.until_no_observer()


@asynchronous
async def test_an_atomic_batch_is_ready_in_one_turn(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await register(session)
        turn = [0]
        loop = asyncio.get_running_loop()

        def count_turns() -> None:
            turn[0] += 1
            if turn[0] > 0:
                loop.call_soon(count_turns)

        watch = session.watch_variables(NAMES, atomic=True)
        await watch.ready()
        count_turns()
        setting = asyncio.ensure_future(set_batches(session, 1, 20))
        turns: Dict[int, List[int]] = {}
        async for update in watch:
            turns.setdefault(update.value, []).append(turn[0])
            if update.value == 20 and len(turns[20]) == 3:
                break
        turn[0] = -(10**9)
        await setting
        assert all(len(set(at)) == 1 and len(at) == 3 for at in turns.values()), turns


@pytest.mark.parametrize("overflow", ["conflate", "drop-oldest"])
@asynchronous
async def test_a_full_buffer_tears_no_batch(server: Server, session_id: str, transport: str, overflow: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await register(session)
        watch = session.watch_variables(NAMES, atomic=True, buffer_limit=4, overflow=overflow)
        await watch.ready()
        probe = session.watch_variables(["c"])
        await probe.ready()
        seen: Dict[str, VariableUpdate] = {}
        counted = {name: 0 for name in NAMES}
        batches = watch.batches()
        for last in (30, 60):
            await set_batches(session, last - 29, last)
            await until(lambda: watch.stats["received"] == 3 * last, "all of them")
            updates = await batches.__anext__()
            for update in updates:
                seen[update.variable_name] = update
                counted[update.variable_name] += 1 + update.missed
            assert {one.value for one in seen.values()} == {last} and len(seen) == 3
            assert set(counted.values()) == {last}, counted
        await watch.aclose()
        await probe.aclose()


@asynchronous
async def test_batches_stay_whole_over_breaks(server: Server, session_id: str, transport: str) -> None:
    async with Wire(server.port) as wire:
        async with SessionContext.connect(server.endpoint, session_id) as setter:
            await register(setter)
            async with SessionContext.connect(wire.endpoint, session_id, transport=transport) as session:
                watch = session.watch_variables(NAMES, atomic=True)
                await watch.ready()
                setting = asyncio.ensure_future(set_batches(setter, 1, 400))
                seen: Dict[str, int] = {}
                versions: Dict[str, int] = {}
                cut = 0
                async for updates in watch.batches():
                    for update in updates:
                        assert update.version > versions.get(update.variable_name, 0)
                        versions[update.variable_name] = update.version
                        seen[update.variable_name] = update.value
                    assert len(set(seen.values())) == 1, "half a batch was told"
                    if seen["a"] > 60 * (cut + 1) and cut < 3:
                        cut += 1
                        wire.cut()
                    if seen["a"] == 400:
                        break
                await setting
                assert cut == 3


@asynchronous
async def test_conflate_gives_the_newest_of_a_turn(server: Server, session_id: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport="link") as session:
        await register(session)
        watch = session.watch_variables(["a"], conflate=True)
        await watch.ready()
        # Of one turn, so of one message.
        await asyncio.gather(*(session.set_variable("a", number) for number in range(1, 51)))
        last: Any = None
        count = 0
        async for update in watch:
            assert update.missed == 0 and (last is None or update.old_value == last)
            last, count = update.value, count + 1
            if last == 50:
                break
        assert count < 50
        assert watch.stats["rate_limited"] == 50 - count


@asynchronous
async def test_debouncing_holds_no_longer_than_max_wait_ms(server: Server, session_id: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id) as session:
        await register(session)
        watch = session.watch_variables(["a"], debounce_ms=60_000, max_wait_ms=100)
        await watch.ready()
        got: List[VariableUpdate] = []

        async def read() -> None:
            got.extend(await take(watch, 1))

        reading = asyncio.ensure_future(read())
        number = 0
        while not reading.done():
            number += 1
            await session.set_variable("a", number)
            await asyncio.sleep(0.005)
        await reading
        assert got[0].missed == 0 and 1 <= got[0].value <= number
        await watch.aclose()


@asynchronous
async def test_a_silent_server_makes_a_watch_stale(server: Server, session_id: str, transport: str) -> None:
    async with Wire(server.port) as wire:
        states: List[str] = []
        async with SessionContext.connect(wire.endpoint, session_id, transport=transport) as session:
            await register(session)
            watch = session.watch_variables(["a"], stale_after_ms=300, on_state=states.append)
            await watch.ready()
            other = session.watch_variables(["a"])
            await other.ready()
            # Heartbeats come often enough: silence of nobody's making is none.
            begun = asyncio.get_running_loop().time()
            await until(lambda: wire.last_word_at > begun + 0.3, "a heartbeat when a silence would have told")
            assert states == ["live"]
            wire.silence()
            await until(lambda: watch.state == "stale", "stale")
            assert other.state == "live"
            wire.speak()
            await until(lambda: watch.state == "live", "live again")
            assert states == ["live", "stale", "live"]
            await session.set_variable("a", 1)
            assert (await take(watch, 1))[0].value == 1
            await watch.aclose()
            await other.aclose()


@asynchronous
async def test_on_synced_is_called_at_first_and_after_each_break(server: Server, session_id: str, transport: str) -> None:
    async with Wire(server.port) as wire:
        synced: List[int] = []
        async with SessionContext.connect(wire.endpoint, session_id, transport=transport) as session:
            await register(session)
            watch = session.watch_variables(NAMES, include_initial=True, on_synced=lambda: synced.append(len(synced)))
            await until(lambda: synced == [0], "the first mark")
            assert watch.stats["buffered"] == 3
            wire.cut()
            await until(lambda: synced == [0, 1], "the mark after the break")
            await watch.aclose()


@asynchronous
async def test_options_that_make_no_sense_are_refused(server: Server, session_id: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id) as session:
        await register(session)
        wrong: Any = session
        refused: "Dict[str, Callable[[], Any]]" = {
            "atomic": lambda: wrong.watch_variables(["a"], atomic=1),
            "conflate": lambda: wrong.watch_pattern("a", conflate="yes"),
            "max_wait_ms": lambda: wrong.watch_variables(["a"], max_wait_ms=-1),
            "stale_after_ms": lambda: wrong.watch_variables(["a"], stale_after_ms=10),
            "on_synced": lambda: wrong.watch_variables(["a"], on_synced=5),
        }
        for name, act in refused.items():
            with pytest.raises(InvalidOptionsError, match=f"^{name}: "):
                act()
        watch = session.watch_variables(["a"])
        watch.batches()
        with pytest.raises(InvalidArgumentError, match="iterated already"):
            watch.batches()


def test_the_synchronous_face_has_batches(server: Server, session_id: str, transport: str) -> None:
    with sync.SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        for name in NAMES:
            session.register_variable(name, "integer", 0)
        watch = session.watch_variables(NAMES, atomic=True, timeout=10)
        for number in range(1, 20):
            session.update_variables({name: number for name in NAMES}, atomic=True)
        seen: Dict[str, int] = {}
        for updates in watch.batches():
            seen.update((update.variable_name, update.value) for update in updates)
            assert len(set(seen.values())) == 1
            if seen["a"] == 19:
                break

"""Changes of one session are made in the order of the calls, whatever carries them, and also behind one that nobody waits for any more."""

import asyncio
from typing import Any, List

import pytest
from servers import Server, Wire, asynchronous, take

from bridged_state import InvalidValueError, QuotaExceededError, SessionContext, UnavailableError, UnknownOutcomeError, link_sets


@asynchronous
async def test_calls_and_sets_keep_their_order(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        watch = session.watch_pattern("n")
        await watch.ready()
        outcomes = await asyncio.gather(
            session.register_variable("n", "integer", 0),
            *(session.set_variable("n", number) for number in range(1, 300)),
            session.rollback("n", 1),
            session.set_variable("n", 7),
            session.delete_variable("n"),
            session.register_variable("n", "string", "again"),
            session.update_variables({"n": "b"}),
            session.set_variable("n", "c"),
            session.rollback("n", 1),
        )
        assert outcomes[1:300] == list(range(2, 301))
        assert [outcomes[300], outcomes[301], outcomes[302]] == [301, 302, None]
        assert outcomes[304:] == [{"n": 2}, 3, 4]
        values: List[Any] = [update.value for update in await take(watch, 307)]
        assert values == [*range(300), 0, 7, None, "again", "b", "c", "again"]
        await watch.aclose()


@asynchronous
async def test_what_nobody_waits_for_keeps_its_place(server: Server, session_id: str, transport: str) -> None:
    async with Wire(server.port) as wire:
        options: Any = {"transport": transport, "call_timeout_ms": 400, "probe_timeout_ms": 10_000, "heartbeat_ms": 10_000}
        async with SessionContext.connect(wire.endpoint, session_id, **options) as session:
            async with SessionContext.connect(server.endpoint, session_id) as other:
                await session.register_variable("n", "integer", 0)
                watch = other.watch_variables(["n"])
                await watch.ready()
                wire.silence()
                late = asyncio.ensure_future(session.set_variable("n", 1))
                cancelled = asyncio.ensure_future(session.set_variable("n", 2))
                await asyncio.sleep(0.05)
                cancelled.cancel()
                behind = asyncio.ensure_future(session.rollback("n", 1))
                with pytest.raises(UnknownOutcomeError):
                    await late
                with pytest.raises(UnavailableError, match="was not made"):
                    await behind
                # Called while the server has the first still to make.
                last = asyncio.ensure_future(session.update_variables({"n": 3}))
                await asyncio.sleep(0.05)
                wire.speak()
                await last
                told = [update.value for update in await take(watch, 2 if transport == "stream" else 3)]
                # By calls the second had not begun when it was cancelled; by the link it was on its way.
                assert told == ([1, 3] if transport == "stream" else [1, 2, 3])
                assert (await session.history("n"))[-1].value == 3
                await watch.aclose()


@asynchronous
async def test_cancelled_calls_break_nothing(server: Server, session_id: str, transport: str) -> None:
    states: List[str] = []
    async with SessionContext.connect(server.endpoint, session_id, transport=transport, on_state=states.append) as session:
        await session.register_variable("n", "integer", 0)
        for number in range(150):
            call = session.set_variable("n", number) if number % 2 else session.get_variable("n")
            task = asyncio.ensure_future(call)
            await asyncio.sleep(0.0001 * (number % 20))
            task.cancel()
            await asyncio.wait([task])
        await session.set_variable("n", -1)
        assert await session.get_variable("n") == -1
        assert states == ["live"]


@asynchronous
async def test_numbers_that_their_variable_does_not_hold(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("float", "float", 0.5)
        await session.register_variable("integer", "integer", 0)
        await session.register_variable("string", "string", "a")
        for name, value in (("string", float("nan")), ("string", float("inf")), ("float", 2**53 + 1), ("float", 10**400), ("integer", float("inf"))):
            with pytest.raises(InvalidValueError, match=f'^variable "{name}"'):
                await session.set_variable(name, value)
        assert await session.get_variables(["float", "integer", "string"]) == {"float": 0.5, "integer": 0, "string": "a"}
        await asyncio.gather(
            session.set_variable("float", 2**60), session.set_variable("integer", 2**53 + 1), session.set_variable("float", float("-inf"))
        )
        assert await session.get_variables(["float", "integer"]) == {"float": float("-inf"), "integer": 2**53 + 1}
        assert [entry.value for entry in await session.history("float")] == [0.5, 2.0**60, float("-inf")]
        versions = await session.update_variables({"float": float("inf"), "integer": 2**53 + 3}, atomic=True)
        assert versions == {"float": 4, "integer": 3}


@asynchronous
async def test_what_waits_is_bounded(server: Server, session_id: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport="link") as session:
        await session.register_variable("m", "map", {})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(link_sets, "_MOST_HELD_BYTES", 100_000)
            sets = [session.set_variable("m", {"number": number, "text": "x" * 1_000}) for number in range(200)]
            outcomes = await asyncio.gather(*sets, return_exceptions=True)
            refused = [outcome for outcome in outcomes if isinstance(outcome, QuotaExceededError)]
            assert 100 <= len(refused) <= 110
            assert [outcome for outcome in outcomes if isinstance(outcome, int)] == list(range(2, 202 - len(refused)))
            assert await session.set_variable("m", {"text": "x" * 200_000}) == 202 - len(refused), "one alone may be larger"

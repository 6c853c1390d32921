"""Reactive helpers over a real server, by the link and by streams."""

import asyncio
import os
import sys
from typing import Any, List

import pytest
from bridged_state import (
    ClosedError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    SessionContext,
    VariablesNotFoundError,
    combine,
    derive,
    group,
    reactive,
    watch_for_condition,
)
from servers import REPOSITORY, Server, asynchronous, until


def connect(server: Server, session_id: str, transport: str = "auto") -> SessionContext:
    return SessionContext.connect(server.endpoint, session_id, transport=transport)


@asynchronous
async def test_a_variable_knows_its_value_and_can_be_assigned(server: Server, session_id: str, transport: str) -> None:
    async with connect(server, session_id, transport) as session:
        await session.register_variable("fan", "integer", 1)
        errors: List[BaseException] = []
        fan = await reactive(session, "fan", errors.append)
        assert (fan.value, fan.version, fan.is_deleted) == (1, 1, False)
        seen: List[Any] = []
        stop = fan.on_change(lambda old, new, update: seen.append((old, new, update.version)))
        fan.value = 2
        await until(lambda: seen == [(1, 2, 2)], "the change")
        assert await fan.set(3) == 3
        await until(lambda: len(seen) == 2, "the second change")
        fan.value = "no number"
        await until(lambda: errors, "what was refused")
        stop()
        await fan.set(4)
        await until(lambda: fan.value == 4, "the value")
        assert len(seen) == 2
        await session.delete_variable("fan")
        await until(lambda: fan.is_deleted, "the deletion")
        assert fan.value is None
        await fan.close()


@asynchronous
async def test_map_and_combine_follow(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as session:
        await session.register_variable("a", "integer", 1)
        await session.register_variable("b", "integer", 2)
        a = await reactive(session, "a")
        doubled = await a.map(lambda value: value * 2)
        both = await combine(session, ["a", "b"], lambda one, other: one + other)
        assert (doubled.value, both.value) == (2, 3)
        seen: List[Any] = []
        both.on_change(lambda old, new: seen.append((old, new)))
        await session.update_variables({"a": 10, "b": 20}, atomic=True)
        await until(lambda: both.value == 30, "the sum")
        assert seen == [(3, 30)], "the batch is seen as one"
        await until(lambda: doubled.value == 20, "the double")
        for one in (a, doubled, both):
            await one.close()


@asynchronous
async def test_a_group_sees_an_atomic_batch_as_one(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as session:
        for name in ("x", "y", "z"):
            await session.register_variable(name, "integer", 0)
        async with await group(session, ["x", "y", "z"]) as three:
            seen: List[Any] = []
            three.on_change(lambda changed, values: seen.append((sorted(changed), dict(values))))
            for number in range(1, 20):
                await three.set({"x": number, "y": -number})
            await until(lambda: three["x"] == 19, "the last batch")
            assert all(values["x"] == -values["y"] for _, values in seen)
            assert all(changed == ["x", "y"] for changed, _ in seen)
            with pytest.raises(InvalidArgumentError):
                await three.set({"w": 1})


@asynchronous
async def test_waits_for_a_condition(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as session:
        await session.register_variable("t", "float", 20.0)
        await session.register_variable("u", "float", 20.0)
        waiting = asyncio.ensure_future(watch_for_condition(session, ["t", "u"], lambda t, u: t > u + 5, 10))
        await asyncio.sleep(0)
        await session.set_variable("t", 26.0)
        assert await waiting == {"t": 26.0, "u": 20.0}
        assert await watch_for_condition(session, "t", {"gt": 25}, 10) == {"t": 26.0}
        with pytest.raises(DeadlineExceededError):
            await watch_for_condition(session, ["t"], {"gt": 99}, 0.05)
        with pytest.raises(VariablesNotFoundError):
            await watch_for_condition(session, ["nobody"], {"gt": 99}, 5)


@asynchronous
async def test_what_is_waited_for_sees_no_half_of_an_atomic_batch_and_each_single_set(
    server: Server, session_id: str, transport: str
) -> None:
    async with connect(server, session_id, transport) as session:
        for name in ("one", "other"):
            await session.register_variable(name, "integer", 0)
        looked: List[int] = []

        def is_torn(one: int, other: int) -> bool:
            looked.append(one)
            return one + other != 0

        torn = asyncio.ensure_future(watch_for_condition(session, ["one", "other"], is_torn, 20))
        passing = asyncio.ensure_future(watch_for_condition(session, ["one"], lambda one: looked.append(one) or one == 7, 20))
        await until(lambda: len(looked) == 2, "the present values")
        await asyncio.gather(
            *(session.update_variables({"one": n, "other": -n}, atomic=True) for n in range(1, 40))
        )
        assert await passing == {"one": 7}
        assert not torn.done()
        await session.delete_variable("one")
        with pytest.raises(VariablesNotFoundError):
            await torn


@asynchronous
async def test_a_variable_may_be_named_twice_and_by_its_id(server: Server, session_id: str, transport: str) -> None:
    async with connect(server, session_id, transport) as session:
        id = await session.register_variable("v", "integer", 1)
        await session.register_variable("w", "integer", 10)
        errors: List[BaseException] = []
        names = ["v", id, "w", "v"]
        all_of_them = await combine(session, names, lambda *values: list(values), errors.append)
        named = await group(session, names, errors.append)
        assert all_of_them.value == [1, 1, 10, 1]
        assert dict(named.values) == {"v": 1, id: 1, "w": 10}
        await session.set_variable(id, 2)
        await until(lambda: all_of_them.value == [2, 2, 10, 2] and named[id] == named["v"] == 2, "the change under each name")
        met = await watch_for_condition(session, names, lambda *values: values == (2, 2, 10, 2), 5)
        assert list(met.items()) == [("v", 2), (id, 2), ("w", 10)]
        assert errors == []
        await all_of_them.close()
        await named.close()


@asynchronous
async def test_callbacks_of_two_may_each_close_the_other(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as session:
        await session.register_variable("v", "integer", 0)
        one, other = await reactive(session, "v"), await reactive(session, "v")
        ended: List[int] = []

        async def close_both(*_: Any) -> None:
            await one.close()
            await other.close()
            ended.append(1)

        one.on_change(close_both)
        other.on_change(close_both)
        await session.set_variable("v", 1)
        await until(lambda: len(ended) == 2, "the end of both callbacks")


@asynchronous
async def test_assigned_elsewhere_it_says_where_it_belongs(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as session:
        await session.register_variable("v", "integer", 0)
        async with await reactive(session, "v") as variable:

            def assign() -> None:
                variable.value = 1

            async def assign_in_a_loop() -> None:
                assign()

            run = asyncio.get_running_loop().run_in_executor
            with pytest.raises(InvalidArgumentError, match="no event loop runs here"):
                await run(None, assign)
            with pytest.raises(InvalidArgumentError, match="another event loop"):
                await run(None, lambda: asyncio.run(assign_in_a_loop()))


@asynchronous
async def test_what_is_derived_is_written_once_its_variable_is_there_and_what_keeps_it_from_that_is_told_once(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as session:
        await session.register_variable("source", "integer", 4)
        errors: List[BaseException] = []
        late = await derive(session, "late", ["source"], lambda source: source + 1, errors.append)
        never = await derive(session, "never", ["source"], lambda source: source - 1, errors.append)
        await until(lambda: len(errors) == 2, "that neither is there")
        await session.register_variable("late", "integer", 0)
        await watch_for_condition(session, "late", {"eq": 5}, 10)
        assert [getattr(error, "code", error) for error in errors] == ["VARIABLE_NOT_FOUND", "VARIABLE_NOT_FOUND"]
        # Another value goes at once, and instead of the one that waits.
        await session.set_variable("source", 6)
        await until(lambda: len(errors) == 3, "that it is still not there")
        await asyncio.wait_for(asyncio.gather(late.close(), never.close()), 10)
        await session.register_variable("never", "integer", 0)
        await watch_for_condition(session, "late", {"eq": 7}, 10)
        assert await session.get_variable("never") == 0


@asynchronous
async def test_a_derived_variable_is_written_again_by_a_server_that_has_lost_its_state(session_id: str) -> None:
    server = Server()
    try:
        async with connect(server, session_id) as session:

            async def register() -> None:
                await session.register_variable("target", "integer", 0)
                await session.register_variable("source", "integer", 4)

            await register()
            async with await derive(session, "target", ["source"], lambda source: source + 1):
                await watch_for_condition(session, "target", {"eq": 5}, 10)
                server.kill()
                await until(lambda: session.state == "backoff", "the break")
                server = Server(port=server.port)
                await register()
                await watch_for_condition(session, "target", {"eq": 5}, 10)
    finally:
        server.close()


@asynchronous
async def test_a_function_that_raises_leaves_no_value(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as session:
        await session.register_variable("v", "integer", 4)
        errors: List[BaseException] = []
        inverse = await combine(session, ["v"], lambda v: 1 / v, errors.append)
        assert inverse.value == 0.25
        await session.set_variable("v", 0)
        await until(lambda: errors, "what was raised")
        assert inverse.value is None and isinstance(errors[0], ZeroDivisionError)
        await inverse.close()


@asynchronous
async def test_a_derived_variable_writes_back_and_circles_are_named(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as session:
        for name in ("a", "b", "c"):
            await session.register_variable(name, "integer", 0)
        errors: List[BaseException] = []
        first = await derive(session, "b", ["a"], lambda a: a + 1, errors.append)
        second = await derive(session, "c", ["b"], lambda b: b * 10, errors.append)
        await session.set_variable("a", 4)
        assert await watch_for_condition(session, "c", {"eq": 50}, 10) == {"c": 50}
        with pytest.raises(InvalidArgumentError, match="a -> b -> c -> a"):
            await derive(session, "a", ["c"], lambda c: c)
        with pytest.raises(InvalidArgumentError, match="derived already"):
            await derive(session, "c", ["a"], lambda a: a)
        await first.close()
        await second.close()
        assert errors == []
        again = await derive(session, "a", ["c"], lambda c: c)
        await again.close()


@asynchronous
async def test_a_circle_through_another_process_is_stopped(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as one, connect(server, session_id) as other:
        for name in ("a", "b"):
            await one.register_variable(name, "integer", 0)
        errors: List[BaseException] = []
        forth = await derive(one, "b", ["a"], lambda a: a + 1, errors.append)
        back = await derive(other, "a", ["b"], lambda b: b + 1, errors.append)
        await until(lambda: errors, "the end of the circle")
        assert isinstance(errors[0], InternalError) and "circle" in str(errors[0])
        await forth.close()
        await back.close()


@asynchronous
async def test_nothing_is_left(server: Server, session_id: str) -> None:
    async with connect(server, session_id) as session:
        await session.register_variable("v", "integer", 0)
        with pytest.raises(VariablesNotFoundError):
            await reactive(session, "w")
        errors: List[BaseException] = []
        broken = await reactive(session, "v", errors.append)

        def fail(*_: Any) -> None:
            raise ValueError("of the user's")

        async def fail_later(*_: Any) -> None:
            raise KeyError("of the user's")

        broken.on_change(fail)
        broken.on_change(fail_later)
        await broken.set(1)
        await until(lambda: len(errors) == 2, "both failures")
        await broken.close()
        with pytest.raises(ClosedError):
            broken.value = 2
        with pytest.raises(ClosedError):
            broken.on_change(fail)
        left = await reactive(session, "v")
    await until(lambda: left.is_closed, "the end with its session")
    await until(lambda: server.metric("bridged_state_observers") == 0, "no observer")


@asynchronous
async def test_a_program_that_closes_nothing_ends(server: Server, session_id: str, transport: str) -> None:
    program = f"""
import asyncio
from bridged_state import SessionContext

async def main():
    session = await SessionContext.connect({server.endpoint!r}, {session_id!r}, transport={transport!r})
    watch = session.watch_variables(["nobody"], missing="wait")
    await watch.ready()
    raise ValueError("of the user's")

asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "python")}
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=-1, env=environment)
    try:
        _, said = await asyncio.wait_for(child.communicate(), 20)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert b"of the user's" in said

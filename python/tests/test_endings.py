"""Ends in the middle of something else: of a connection, a loop, a task, a close. What random lives found (tests/lives) stands here."""

import asyncio
import gc
import threading
import weakref
from typing import Any, List

import pytest
from servers import WAIT_SECONDS, Server, Wire, asynchronous, take, until

from bridged_state import BackoffOptions, SessionContext, UnavailableError, reactive, sync, watch_for_condition

SOON = BackoffOptions(base_ms=20, cap_ms=100)


@asynchronous
async def test_a_watch_that_is_opened_while_its_connection_ends_comes_by_the_next(server: Server, session_id: str, transport: str) -> None:
    async with Wire(server.port) as wire:
        async with SessionContext.connect(wire.endpoint, session_id, transport=transport, backoff=SOON) as session:
            await session.register_variable("n", "integer", 1)
            kept = session.watch_variables(["n"])
            await kept.ready()
            wire.cut()
            opened = []
            while session.state == "live":
                opened.append(session.watch_variables(["n"], include_initial=True))
                await asyncio.sleep(0)
            for watch in opened:
                assert [update.value for update in await take(watch, 1)] == [1]
            await session.set_variable("n", 2)
            assert [update.value for update in await take(kept, 1)] == [2]


@asynchronous
async def test_a_watch_whose_loop_was_left_is_over_when_its_close_returns(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("n", "integer", 1)
        states: List[str] = []
        async with session.watch_variables(["n"], include_initial=True, on_state=states.append) as watch:
            async for _ in watch:
                break
        assert states == ["live", "stopped"]

    def left() -> List[str]:
        told: List[str] = []
        with sync.SessionContext.connect(server.endpoint, session_id, transport=transport) as other:
            with other.watch_variables(["n"], include_initial=True, on_state=told.append) as watch:
                for _ in watch:
                    break
            return list(told)

    assert await asyncio.get_running_loop().run_in_executor(None, left) == ["live", "stopped"]


@asynchronous
async def test_a_task_that_is_cancelled_as_its_answer_comes_is_cancelled(server: Server, session_id: str) -> None:
    async with Wire(server.port) as wire:
        waiting: List["asyncio.Future[Any]"] = []

        def handle_state(state: str) -> None:
            if state == "backoff" and not waiting:
                waiting.append(asyncio.ensure_future(session.get_variable("n")))
            elif state == "live" and waiting:
                # In the turn in which it would go on.
                asyncio.get_running_loop().call_soon(waiting[0].cancel)

        async with SessionContext.connect(wire.endpoint, session_id, transport="stream", backoff=SOON, on_state=handle_state) as session:
            await session.register_variable("n", "integer", 1)
            kept = session.watch_variables(["n"])
            await kept.ready()
            wire.cut()
            await until(lambda: waiting, "the break")
            await asyncio.wait(waiting)
            assert waiting[0].cancelled()

            first = asyncio.ensure_future(session.set_variable("n", 2))
            second = asyncio.ensure_future(session.set_variable("n", 3))
            # Whose turn begins then.
            first.add_done_callback(lambda _: second.cancel())
            await asyncio.wait([second])
            assert second.cancelled() and await first == 2

            for steps in range(40):
                met: List["asyncio.Future[Any]"] = []

                def condition(value: int) -> bool:
                    def cancel(left: int) -> None:
                        if left == 0:
                            was_running.append(met[0].cancel())
                        else:
                            asyncio.get_running_loop().call_soon(cancel, left - 1)

                    cancel(steps)
                    return True

                was_running: List[bool] = []
                met.append(asyncio.ensure_future(watch_for_condition(session, "n", condition, timeout=WAIT_SECONDS)))
                await asyncio.wait(met)
                await until(lambda: was_running, "the cancellation")
                assert met[0].cancelled() == was_running[0], steps


@asynchronous
async def test_a_reactive_variable_whose_close_is_cancelled_is_set_all_the_same(server: Server, session_id: str) -> None:
    async with Wire(server.port) as wire:
        async with SessionContext.connect(wire.endpoint, session_id) as session:
            for name in ("n", "gone"):
                await session.register_variable(name, "integer", 1)
            variable = await reactive(session, "n")
            wire.silence()
            deleting = asyncio.ensure_future(session.delete_variable("gone"))
            await asyncio.sleep(0)
            # It waits for its turn.
            variable.value = 5
            closing = asyncio.ensure_future(variable.close())
            for _ in range(10):
                await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing])
            wire.speak()
            await deleting
            await session.set_variable("n", 6)
            assert [entry.value for entry in await session.history("n")] == [1, 5, 6]


def test_a_session_that_was_never_opened_is_closed_behind_its_close() -> None:
    session = sync.SessionContext.connect("127.0.0.1:9", "none")
    session.close()
    assert session.state == "closed"


@asynchronous
async def test_a_watch_that_is_over_leaves_no_timer(server: Server, session_id: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id) as session:
        await session.register_variable("n", "integer", 1)
        for is_closed in (True, False):

            class Held:
                def __call__(self, old: Any, new: Any) -> bool:
                    return True

            held = Held()
            watch = session.watch_variables(["n"], filter_fn=held, debounce_ms=3_600_000)
            await watch.ready()
            await session.set_variable("n", await session.get_variable("n") + 1)
            await until(lambda: watch.stats["received"] == 1, "the update")
            gone = weakref.ref(held)
            if is_closed:
                await watch.aclose()
            del watch, held
            await server.until_no_observer()
            gc.collect()
            assert gone() is None


@asynchronous
async def test_a_close_leaves_no_task_where_its_server_stands_still(transport: str) -> None:
    server = Server()
    before = asyncio.all_tasks()
    try:
        session = await SessionContext.connect(server.endpoint, "house", transport=transport)
        await session.register_variable("n", "integer", 1)
        watches = [session.watch_variables(["n"]) for _ in range(3)]
        for watch in watches:
            await watch.ready()
        server.pause()
        await watches[0].aclose()
        await session.close()
        # Those of grpc end in a turn of their own.
        assert [task for task in asyncio.all_tasks() - before if "_AioCall" not in str(task)] == []
        server.go_on()
    finally:
        server.close()


@asynchronous
async def test_a_session_that_nobody_holds_any_more_ends_also_where_a_watch_of_it_failed(server: Server, session_id: str, transport: str) -> None:
    loop = asyncio.get_running_loop()
    async with Wire(server.port) as wire:

        def use() -> None:
            session = sync.SessionContext.connect(wire.endpoint, session_id, transport=transport, backoff=SOON)
            session.register_variable("n", "integer", 1)
            watch = session.watch_variables(["n"], reconnect=False, timeout=WAIT_SECONDS)
            loop.call_soon_threadsafe(wire.cut)
            with pytest.raises(UnavailableError, match="asked not to reconnect"):
                next(watch)

        await loop.run_in_executor(None, use)

        def is_over() -> bool:
            gc.collect()
            return not any(thread.name == "bridged_state" for thread in threading.enumerate())

        await until(is_over, "the end of its thread")
    await server.until_no_observer()


@asynchronous
async def test_a_call_that_is_cancelled_as_its_connection_is_given_up_is_cancelled(server: Server, session_id: str) -> None:
    async with Wire(server.port) as wire:
        for turns in range(40):
            session = await SessionContext.connect(wire.endpoint, session_id, transport="stream")
            wire.silence()
            setting = asyncio.ensure_future(session.set_variable("n", 1))
            await asyncio.sleep(0.002)
            closing = asyncio.ensure_future(session.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            was_running = setting.cancel()
            await asyncio.wait([setting, closing])
            assert setting.cancelled() == was_running, turns
            wire.speak()


@asynchronous
async def test_what_is_held_back_is_of_what_waits(server: Server, session_id: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id) as session:
        await session.register_variable("n", "integer", 1)
        watch = session.watch_variables(["n"], debounce_ms=3_600_000)
        await watch.ready()
        for n in (2, 3, 4):
            await session.set_variable("n", n)
        await until(lambda: watch.stats["received"] == 3, "the updates")
        assert watch.stats["rate_limited"] == 2 and watch.stats["buffered"] == 1

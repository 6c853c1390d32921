"""Whatever way a watch ends, nothing is left at either end; and what is used wrongly says so."""

import asyncio
import contextlib
import gc
import os
import threading
from typing import Any, Callable, List

import pytest
from servers import Server, asynchronous, take, until

import bridged_state
from bridged_state import (
    BridgeError,
    ClosedError,
    DeadlineExceededError,
    InvalidArgumentError,
    InvalidOptionsError,
    InvalidTypeError,
    InvalidValueError,
    SessionContext,
    UnavailableError,
    VariablesNotFoundError,
    VersionConflictError,
    sync,
)
from bridged_state.end_tasks import end_tasks


@asynchronous
async def test_every_end_of_a_loop_leaves_nothing(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("n", "integer", 1)

        async for _ in session.watch_variables(["n"], include_initial=True):
            break
        await server.until_no_observer()

        held = session.watch_variables(["n"], include_initial=True)
        async for _ in held:
            break
        await server.until_no_observer()
        with pytest.raises(InvalidArgumentError, match="iterated already"):
            async for _ in held:
                pass

        with pytest.raises(ZeroDivisionError):
            async for _ in session.watch_variables(["n"], include_initial=True):
                1 / 0
        await server.until_no_observer()

        async def consume() -> None:
            async for _ in session.watch_variables(["n"]):
                pass

        task = asyncio.ensure_future(consume())
        await until(lambda: server.observers() == 1, "the watch")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until_no_observer()

        closed = session.watch_variables(["n"], include_initial=True)
        await take(closed, 1)
        await closed.aclose()
        await server.until_no_observer()

        dropped = session.watch_variables(["n"])
        await dropped.ready()
        assert server.observers() == 1
        del dropped
        gc.collect()
        await server.until_no_observer()

        # Nobody but the step holds the loop.
        assert (await session.watch_variables(["n"], include_initial=True).__aiter__().__anext__()).value == 1
        assert len(await session.watch_variables(["n"], include_initial=True).batches().__anext__()) == 1
        await server.until_no_observer()

        left = session.watch_variables(["n"])
        step = asyncio.ensure_future(left.__aiter__().__anext__())
        await left.ready()
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
        # Its traceback is still there, and holds no watch.
        await server.until_no_observer()

        await session.watch_variables(["n"]).ready()
    await server.until_no_observer()


@asynchronous
async def test_a_close_that_is_cancelled_goes_to_its_end(server: Server, session_id: str, transport: str) -> None:
    for steps in range(16):
        session = await SessionContext.connect(server.endpoint, session_id, transport=transport)
        watch = session.watch_variables(["n"], missing="wait")
        closing = asyncio.ensure_future(session.close())
        for _ in range(steps):
            await asyncio.sleep(0)
        closing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await closing
        # Another waits for the same end.
        await session.close()
        with pytest.raises(ClosedError):
            await watch.ready()
    await server.until_no_observer()


def test_a_task_that_takes_its_cancellation_for_another_end_is_ended() -> None:
    async def reads_on() -> None:
        never = asyncio.get_running_loop().create_future()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(never)
        await never

    async def body() -> None:
        task = asyncio.ensure_future(reads_on())
        await asyncio.sleep(0)
        await asyncio.wait_for(end_tasks([task]), 10)
        assert task.cancelled()

    asyncio.run(body())


def test_sessions_on_several_loops_report_no_errors(
    server: Server, session_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    with sync.SessionContext.connect(server.endpoint, session_id) as session:
        session.register_variable("n", "integer", 0)
    # Nobody has opened it: the first calls of two threads do.
    shared = sync.SessionContext.connect(server.endpoint, session_id)
    own = sync.SessionContext.connect(server.endpoint, session_id)
    failed: List[BaseException] = []

    def use(session: sync.SessionContext) -> None:
        for number in range(600):
            session.set_variable("n", number)

    async def set_once() -> None:
        async with SessionContext.connect(server.endpoint, session_id) as session:
            await session.set_variable("n", 1)

    def use_short_loops() -> None:
        # What gRPC says of the end of a call may come after its loop is closed.
        for _ in range(60):
            asyncio.run(set_once())

    def run(work: Callable[..., None], *arguments: sync.SessionContext) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            failed.append(error)

    jobs = [(use, shared), (use, shared), (use, own), (use_short_loops,)]
    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.close()
    own.close()
    assert failed == []
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def resident_bytes() -> int:
    """Of this process, now; 0 where nobody says it."""
    if not os.path.exists("/proc/self/statm"):
        return 0
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


CYCLES = {"link": 10_000, "stream": 1_000}


@asynchronous
async def test_thousands_of_watches_leave_flat_memory(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("n", "integer", 1)
        tasks = len(asyncio.all_tasks())
        objects, resident = [], []
        # The first fifth warms up what is made once.
        for _ in range(5):
            for _ in range(CYCLES[transport] // 5):
                async for _ in session.watch_variables(["n"], include_initial=True):
                    break
            await server.until_no_observer()
            await until(lambda: len(asyncio.all_tasks()) <= tasks, "the end of the tasks")
            gc.collect()
            objects.append(len(gc.get_objects()))
            resident.append(resident_bytes())
        assert objects[-1] - objects[0] < 500, objects
        assert resident[-1] - resident[0] < 4 * 1024 * 1024, resident


@asynchronous
async def test_bad_input_is_refused_at_once(server: Server, session_id: str, transport: str) -> None:
    with pytest.raises(InvalidOptionsError):
        SessionContext.connect(50051)  # type: ignore[arg-type]
    with pytest.raises(InvalidOptionsError):
        SessionContext.connect("127.0.0.1:1", tls={"cert": "x"})
    with pytest.raises(InvalidOptionsError):
        SessionContext.connect("127.0.0.1:1", transport="pigeon")
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("n", "integer", 1)
        wrong: Any = session
        refusals: "list[tuple[type[BridgeError], Callable[[], Any]]]" = [
            (InvalidArgumentError, lambda: wrong.watch_variables(5)),
            (InvalidArgumentError, lambda: wrong.watch_variables([])),
            (InvalidArgumentError, lambda: wrong.watch_variables([5])),
            (InvalidArgumentError, lambda: wrong.watch_variables([""])),
            (InvalidOptionsError, lambda: wrong.watch_variables(["n"], overflow="explode")),
            (InvalidOptionsError, lambda: wrong.watch_variables(["n"], missing="maybe")),
            (InvalidOptionsError, lambda: wrong.watch_variables(["n"], buffer_limit=0)),
            (InvalidOptionsError, lambda: wrong.watch_variables(["n"], debounce_ms=-1)),
            (InvalidOptionsError, lambda: wrong.watch_variables(["n"], filter_fn="x")),
            (InvalidOptionsError, lambda: wrong.watch_variables(["n"], condition={"bigger": 1})),
        ]
        for error, act in refusals:
            with pytest.raises(error):
                act()
        with pytest.raises(InvalidValueError):
            await session.set_variable("n", "text")
        with pytest.raises(InvalidValueError):
            await session.set_variable("n", object())
        with pytest.raises(InvalidTypeError):
            await session.register_variable("m", "complex", 1)
        with pytest.raises(InvalidValueError):
            await session.register_variable("m", "float", "high")
        with pytest.raises(VariablesNotFoundError) as caught:
            await session.set_variable("nobody", 1)
        assert caught.value.identifiers == ("nobody",)
        with pytest.raises(VariablesNotFoundError) as caught:
            await session.get_variable("nobody")
        assert caught.value.identifiers == ("nobody",)
        with pytest.raises(VersionConflictError):
            await session.set_variable("n", 2, expected_version=7)
        with pytest.raises(bridged_state.BatchRefusedError) as refused:
            await session.update_variables({"n": 5, "nobody": 1})
        assert refused.value.details.refused["nobody"].code == "VARIABLE_NOT_FOUND"
        assert refused.value.details.versions == {"n": 2}
        with pytest.raises(bridged_state.BatchRefusedError):
            await session.update_variables({"n": 6, "nobody": 1}, atomic=True)
        assert await session.get_variable("n") == 5

        watch = session.watch_variables(["n"])
        await watch.ready()
        first = asyncio.ensure_future(watch.__anext__())
        await asyncio.sleep(0)
        with pytest.raises(InvalidArgumentError, match="two tasks"):
            await watch.__anext__()
        first.cancel()
        await watch.aclose()
    with pytest.raises(ClosedError):
        await session.get_variable("n")
    with pytest.raises(ClosedError):
        session.watch_variables(["n"])


@asynchronous
async def test_another_loop_is_told(server: Server, session_id: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id) as session:
        await session.register_variable("n", "integer", 1)
        caught = []

        def elsewhere() -> None:
            async def use() -> None:
                await session.get_variable("n")

            try:
                asyncio.run(use())
            except BridgeError as error:
                caught.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
        assert isinstance(caught[0], InvalidArgumentError) and "another event loop" in caught[0].message


def test_a_loop_that_goes_on_in_another_thread_takes_its_session_along(server: Server, session_id: str) -> None:
    loop = asyncio.new_event_loop()
    told: List[Any] = []

    async def begin() -> Any:
        session = await SessionContext.connect(server.endpoint, session_id)
        await session.register_variable("n", "integer", 1)
        return session

    async def go_on(session: Any) -> None:
        watch = session.watch_variable("n", include_initial=True)
        told.append(await session.set_variable("n", 2))
        told.append((await take(watch, 2))[-1].value)
        await session.close()

    session = loop.run_until_complete(begin())
    # Here no loop runs now, and there another one.
    with pytest.raises(InvalidArgumentError, match="no event loop runs here"):
        session.watch_variable("n")
    with pytest.raises(InvalidArgumentError, match="another event loop"):
        asyncio.run(session.get_variable("n"))
    thread = threading.Thread(target=lambda: loop.run_until_complete(go_on(session)))
    thread.start()
    thread.join(20)
    loop.close()
    assert told == [2, 2]


@asynchronous
async def test_nobody_there_is_told_in_time() -> None:
    with pytest.raises(UnavailableError, match="127.0.0.1:1"):
        async with SessionContext.connect("127.0.0.1:1", connect_timeout_ms=300):
            pass


@asynchronous
async def test_a_live_watch_keeps_the_cache_fresh(server: Server, session_id: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, cache_ttl_ms=60_000) as session:
        async with SessionContext.connect(server.endpoint, session_id) as other:
            await session.register_variable("n", "integer", 1)
            assert await session.get_variable("n") == 1
            await other.set_variable("n", 2)
            assert await session.get_variable("n") == 1
            assert await session.get_variable("n", bypass_cache=True) == 2
            watch = session.watch_variables(["n"])
            await watch.ready()
            await other.set_variable("n", 3)
            await take(watch, 1)
            assert await session.get_variable("n") == 3
            await session.set_variable("n", 4)
            assert await session.get_variable("n") == 4
            await session.register_variable("list", "list", [1])
            (await session.get_variable("list")).append(2)
            (await session.get_variable("list")).append(3)
            assert await session.get_variable("list") == [1], "what a reader does with its own"
            await other.delete_variable("n")
            await take(watch, 2)
            with pytest.raises(VariablesNotFoundError):
                await session.get_variable("n")


def test_the_synchronous_face(server: Server, session_id: str, transport: str) -> None:
    with sync.SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        session.register_variable("n", "integer", 0)
        seen = []
        for update in session.watch_variables(["n"], include_initial=True, timeout=10):
            seen.append((update.old_value, update.value))
            if update.value == 3:
                break
            session.set_variable("n", update.value + 1)
        assert seen == [(None, 0), (0, 1), (1, 2), (2, 3)]
        with pytest.raises(DeadlineExceededError):
            for _ in session.watch_variables(["n"], timeout=0.05):
                pass
        with pytest.raises(VariablesNotFoundError):
            session.watch_variables(["nobody"])
        session.delete_variable("n")
    with pytest.raises(ClosedError):
        session.get_variable("n")
    asyncio.run(server.until_no_observer())
    assert not any(thread.name == "bridged_state" for thread in threading.enumerate())


@asynchronous
async def test_the_synchronous_face_inside_a_running_loop(server: Server, session_id: str) -> None:
    with sync.SessionContext.connect(server.endpoint, session_id) as session:
        session.register_variable("n", "integer", 4)
        assert session.get_variable("n") == 4

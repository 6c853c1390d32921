"""Ends in the middle of something else: of a connection, a loop, a task, a close. What random lives found (tests/lives) stands here."""

import asyncio

from servers import Server, Wire, asynchronous, take

from bridged_state import BackoffOptions, SessionContext

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
        assert asyncio.all_tasks() == before
        server.go_on()
    finally:
        server.close()

"""Several endpoints, given or heard of: when one server dies its clients go on at another in the same epoch, with nothing missed and each set made once."""

import asyncio
import logging
import socket
from contextlib import closing
from pathlib import Path
from typing import Any, Iterator, List

import pytest
from redis_server import RedisServer
from servers import Server, asynchronous, take, until

from bridged_state import SessionContext, UnavailableError, sync

SETS = 300


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path)
    yield started
    started.close()


def free_port() -> int:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def advertised(redis: RedisServer) -> Server:
    port = free_port()
    return Server("--engine", redis.url, "--advertise", f"127.0.0.1:{port}", port=port)


async def go_on_at_another(session: SessionContext, dying: Server, left: Server) -> None:
    """Sets while the server dies, and what a watch was told of them."""
    await session.register_variable("n", "integer", 0)
    watch = session.watch_variables(["n"], include_initial=True)
    seen = await take(watch, 1)
    epoch = session.epoch
    setting: List["asyncio.Future[int]"] = []
    for n in range(1, SETS + 1):
        setting.append(asyncio.ensure_future(session.set_variable("n", n)))
        if n == SETS // 2:
            await asyncio.sleep(0)
            dying.kill()
        elif n % 50 == 0:
            await asyncio.sleep(0)
    assert await asyncio.gather(*setting) == list(range(2, SETS + 2))
    seen += await take(watch, SETS)
    assert [update.value for update in seen] == list(range(SETS + 1))
    assert [update.version for update in seen] == list(range(1, SETS + 2))
    assert all(update.missed == 0 and not update.resync for update in seen)
    assert session.epoch == epoch and left.observers() == 1
    await watch.aclose()


@asynchronous
async def test_a_client_that_was_given_one_hears_of_another(redis: RedisServer, session_id: str, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, "bridged_state")
    first = advertised(redis)
    second = None
    try:
        async with SessionContext.connect(first.endpoint, session_id) as session:
            # It comes while the session is connected.
            second = advertised(redis)
            await until(lambda: second.endpoint in caplog.text, "word of the other server")
            await go_on_at_another(session, first, second)
    finally:
        first.close()
        if second is not None:
            second.close()


@asynchronous
async def test_what_a_server_says_first_is_followed(redis: RedisServer, session_id: str) -> None:
    first = advertised(redis)
    second = advertised(redis)
    try:
        # By streams: links alone say later what changes.
        async with SessionContext.connect(second.endpoint, session_id, transport="stream") as session:
            await session.register_variable("n", "integer", 0)
            watch = session.watch_variables(["n"], include_initial=True)
            seen = await take(watch, 1)
            second.kill()
            await until(lambda: session.state != "live", "the break")
            await session.set_variable("n", 1)
            seen += await take(watch, 1)
            assert [(update.value, update.missed, update.resync) for update in seen] == [(0, 0, False), (1, 0, False)]
            await watch.aclose()
    finally:
        first.close()
        second.close()


@asynchronous
async def test_a_client_that_was_given_two_goes_on_at_the_other(redis: RedisServer, session_id: str) -> None:
    first = Server("--engine", redis.url)
    second = Server("--engine", redis.url)
    try:
        async with SessionContext.connect((first.endpoint, second.endpoint), session_id) as session:
            await go_on_at_another(session, first, second)
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("transport", ["link", "stream"])
@asynchronous
async def test_one_that_falls_silent_is_left_for_the_other(redis: RedisServer, session_id: str, transport: str) -> None:
    first, second = Server("--engine", redis.url), Server("--engine", redis.url)
    try:
        async with SessionContext.connect([first.endpoint, second.endpoint], session_id, transport=transport) as session:
            await session.register_variable("n", "integer", 0)
            watch = session.watch_variables(["n"], include_initial=True)
            await take(watch, 1)
            first.pause()
            async with SessionContext.connect(second.endpoint, session_id) as other:
                await other.set_variable("n", 1)
                # By the times of one endpoint it would be twelve seconds.
                (update,) = await take(watch, 1)
                assert (update.old_value, update.value, update.missed, update.resync) == (0, 1, 0, False)
            await watch.aclose()
    finally:
        first.close()
        second.close()


@asynchronous
async def test_one_that_says_nothing_does_not_keep_from_the_others(server: Server, session_id: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, closing(socket.socket()) as absent:
        absent.bind(("127.0.0.1", 0))
        endpoints = [f"127.0.0.1:{one.getsockname()[1]}" for one in (absent, silent)]
        async with SessionContext.connect([*endpoints, server.endpoint], session_id, connect_timeout_ms=1_500) as session:
            await session.register_variable("n", "integer", 0)


def test_the_sync_face_takes_several(server: Server, session_id: str) -> None:
    with closing(socket.socket()) as absent:
        absent.bind(("127.0.0.1", 0))
        endpoints = [f"127.0.0.1:{absent.getsockname()[1]}", server.endpoint]
        with sync.SessionContext.connect(endpoints, session_id) as session:
            session.register_variable("n", "integer", 1)
            assert session.get_variable("n") == 1


@asynchronous
async def test_where_nobody_answers_each_is_named(session_id: str) -> None:
    with closing(socket.socket()) as absent, closing(socket.create_server(("127.0.0.1", 0))) as silent:
        absent.bind(("127.0.0.1", 0))
        endpoints = [f"127.0.0.1:{one.getsockname()[1]}" for one in (absent, silent)]
        with pytest.raises(UnavailableError) as caught:
            await SessionContext.connect(endpoints, session_id, connect_timeout_ms=1_000)
    said = caught.value.message
    assert f"no bridge server answers at {endpoints[0]} (ECONNREFUSED)" in said
    assert f"{endpoints[1]} accepts a connection and says nothing" in said

"""Against a server that has only the published contract: the same promises, as far as it can be told them."""

import asyncio
from typing import List

import pytest
from published_server import PublishedServer
from servers import Server, asynchronous, take, until

from bridged_state import SessionContext, UnsupportedError, VariablesNotFoundError


@asynchronous
async def test_watches_and_sets() -> None:
    async with PublishedServer() as server, SessionContext.connect(server.endpoint, "house") as session:
        assert session.transport == "stream"
        await session.register_variable("n", "integer", 0)
        watch = session.watch_variables(["n"], include_initial=True)
        seen = await take(watch, 1)
        for value in range(1, 6):
            assert await session.set_variable("n", value, source="python") == value + 1
        seen += await take(watch, 5)
        assert [one.value for one in seen] == [0, 1, 2, 3, 4, 5]
        assert [one.old_value for one in seen] == [None, 0, 1, 2, 3, 4]
        assert seen[-1].source == "python"
        await watch.aclose()
        await until(lambda: not server.watchers, "the end of the watch")
        with pytest.raises(VariablesNotFoundError) as caught:
            async for _ in session.watch_variables(["n", "nobody"]):
                pass
        assert caught.value.identifiers == ("nobody",)
        with pytest.raises(VariablesNotFoundError):
            await session.set_variable("nobody", 1)
        for _ in range(20):
            async for _ in session.watch_variables(["n"], include_initial=True):
                break
        await until(lambda: not server.watchers, "the end of the watches")


@asynchronous
async def test_watches_that_it_does_not_know_are_refused() -> None:
    async with PublishedServer() as server, SessionContext.connect(server.endpoint, "house") as session:
        await session.register_variable("n", "integer", 0)
        await session.watch_variables(["n"], missing="wait").ready()
        with pytest.raises(UnsupportedError, match="watch of later: .* no watch waits"):
            await session.watch_variables(["n", "later"], missing="wait").ready()
        with pytest.raises(UnsupportedError, match="no patterns"):
            await session.watch_pattern("n*").ready()


@asynchronous
async def test_links_alone_are_refused() -> None:
    async with PublishedServer() as server:
        with pytest.raises(UnsupportedError, match=f"{server.endpoint} has no StreamLink"):
            await SessionContext.connect(server.endpoint, "house", transport="link")


@asynchronous
async def test_restarts_bring_no_duplicate_and_count_what_is_lost() -> None:
    async with PublishedServer() as server, SessionContext.connect(server.endpoint, "house") as session:
        await session.register_variable("n", "integer", 0)
        watch = session.watch_variables(["n"], include_initial=True)
        seen = await take(watch, 1)
        value = 0
        for lost in (0, 3, 1):
            await server.stop()
            await until(lambda: watch.state != "live", "the break")
            for _ in range(lost):
                value += 1
                server.change(server.variables["n"], str(value).encode(), {})
            await server.start()
            if lost:
                (update,) = await take(watch, 1)
                assert (update.value, update.missed, update.resync) == (value, lost - 1, lost > 1)
                seen.append(update)
            await until(lambda: len(server.watchers) == 1, "the watch")
            value += 1
            await session.set_variable("n", value)
            seen += await take(watch, 1)
        assert [one.value for one in seen] == [0, 1, 4, 5, 6, 7]
        versions = [one.version for one in seen]
        assert versions == sorted(set(versions))
        assert [one.old_value for one in seen] == [None, 0, 1, 4, 5, 6]
        assert await session.get_variable("n") == value
        await watch.aclose()
        await until(lambda: not server.watchers, "the end of the watch")


@asynchronous
async def test_a_watch_is_synced_when_each_variable_has_been_told_and_again_after_a_break() -> None:
    async with PublishedServer() as server, SessionContext.connect(server.endpoint, "house") as session:
        for name in ("a", "b"):
            await session.register_variable(name, "integer", 0)
        synced: List[int] = []
        watch = session.watch_variables(["a", "b"], include_initial=True, on_synced=lambda: synced.append(len(synced)))
        await asyncio.wait_for(watch.synced(), 5)
        assert watch.stats["buffered"] == 2 and synced == [0]
        await server.stop()
        await until(lambda: watch.state != "live", "the break")
        server.change(server.variables["a"], b"1", {})
        await server.start()
        await until(lambda: synced == [0, 1], "the mark after the break")
        assert [one.value for one in await take(watch, 3)] == [0, 0, 1]
        await watch.aclose()


@asynchronous
async def test_a_server_with_links_that_comes_in_its_place_is_asked_for_one(server: Server) -> None:
    published = PublishedServer()
    await published.start()
    endpoints = [published.endpoint, server.endpoint]
    async with SessionContext.connect(endpoints, "from-streams-to-links") as session:
        await session.register_variable("n", "integer", 0)
        watch = session.watch_variables(["n"], missing="wait")
        await watch.ready()
        assert session.transport == "stream"
        await published.stop()
        await until(lambda: session.state == "live" and session.transport == "link", "the link")
        await session.register_variable("n", "integer", 5)
        assert await session.set_variable("n", 6) == 2
        told = await take(watch, 2)
        assert [(one.value, one.version) for one in told] == [(5, 1), (6, 2)]
        await watch.aclose()
    await server.until_no_observer()

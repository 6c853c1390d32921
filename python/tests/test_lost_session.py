"""A server that has lost the session refuses what is asked of it, and does nothing: the session is joined again, and it is asked again."""

import asyncio

import pytest
from published_server import PublishedServer
from servers import Server, asynchronous

from bridged_state import BatchRefusedError, SessionContext, VariablesNotFoundError
from bridged_state._wire.messages import CleanupSessionRequest


async def _lose(session: SessionContext) -> None:
    connection = session._connection
    assert connection is not None
    answer = await connection.calls.call("CleanupSession", CleanupSessionRequest(session_id=session.session_id))
    assert answer.success


@asynchronous
async def test_what_is_asked_of_a_lost_session_is_asked_again(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("n", "integer", 0)
        await _lose(session)
        await session.register_variable("n", "integer", 1)
        await _lose(session)
        with pytest.raises(VariablesNotFoundError):
            await session.set_variable("n", 2)
        for atomic in (True, False):
            await session.register_variable("n", "integer", 3)
            await _lose(session)
            with pytest.raises(BatchRefusedError) as caught:
                await session.update_variables({"n": 4, "m": 5}, atomic=atomic)
            assert {one.code for one in caught.value.details.refused.values()} == {"VARIABLE_NOT_FOUND"}
        await session.register_variable("n", "integer", 3)
        await _lose(session)
        with pytest.raises(VariablesNotFoundError):
            await session.delete_variable("n")
        await _lose(session)
        with pytest.raises(VariablesNotFoundError):
            await session.get_variable("n")


@asynchronous
async def test_sets_that_met_its_end_are_made_before_those_that_are_called_later(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        async with SessionContext.connect(server.endpoint, session_id) as other:
            await session.register_variable("n", "integer", 0)
            await session.set_variable("n", 1)
            await _lose(session)
            made = []
            registering = asyncio.ensure_future(other.register_variable("n", "integer", 0))
            value = 1
            while not registering.done() or value < 20:
                value += 1
                made.append(asyncio.ensure_future(session.set_variable("n", value)))
                await asyncio.sleep(0.0005)
            # Some may have come before the variable.
            versions = [version for version in await asyncio.gather(*made, return_exceptions=True) if isinstance(version, int)]
            assert len(versions) > 1 and versions == sorted(versions)
            assert await session.get_variable("n") == value


@asynchronous
async def test_a_watch_that_waits_goes_on_in_the_session_that_is_made_anew(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("room/a", "integer", 1)
        async with session.watch_pattern("room/*") as fitting, session.watch_variables(["late"], missing="wait") as late:
            await fitting.ready()
            await late.ready()
            await _lose(session)
            ended = await asyncio.wait_for(fitting.__anext__(), 5)
            assert (ended.variable_name, ended.deleted) == ("room/a", "session-ended")
            for name in ("room/a", "late"):
                await session.register_variable(name, "integer", 7)
            for watch, name in ((fitting, "room/a"), (late, "late")):
                update = await asyncio.wait_for(watch.__anext__(), 5)
                assert (update.variable_name, update.value, update.version, update.missed) == (name, 7, 1, 0)


@asynchronous
async def test_of_a_server_without_codes_too() -> None:
    async with PublishedServer() as server, SessionContext.connect(server.endpoint, "lost") as session:
        await session.register_variable("n", "integer", 7)
        server.forget_sessions()
        assert await session.get_variable("n") == 7
        with pytest.raises(VariablesNotFoundError):
            await session.get_variable("nowhere")

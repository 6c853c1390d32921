"""A server that has lost the session refuses what is asked of it, and does nothing: the session is joined again, and it is asked again."""

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
async def test_of_a_server_without_codes_too() -> None:
    async with PublishedServer() as server, SessionContext.connect(server.endpoint, "lost") as session:
        await session.register_variable("n", "integer", 7)
        server.forget_sessions()
        assert await session.get_variable("n") == 7
        with pytest.raises(VariablesNotFoundError):
            await session.get_variable("nowhere")

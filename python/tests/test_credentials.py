"""Tokens: what opens a session, and what is refused at once and for good."""

from pathlib import Path

import pytest
from servers import Server, asynchronous

from bridged_state import PermissionDeniedError, SessionContext, UnauthenticatedError

TOKEN = "a-token-for-the-house-0123456789"


@asynchronous
async def test_tokens_open_their_sessions_alone(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} house\n")
    server = Server("--tokens", str(tokens))
    try:
        async with SessionContext.connect(server.endpoint, "house", token=TOKEN) as session:
            await session.register_variable("n", "integer", 1)
            assert await session.get_variable("n") == 1
        with pytest.raises(UnauthenticatedError):
            await SessionContext.connect(server.endpoint, "house")
        with pytest.raises(UnauthenticatedError):
            await SessionContext.connect(server.endpoint, "house", token="another-token-0123456789")
        with pytest.raises(PermissionDeniedError):
            await SessionContext.connect(server.endpoint, "garden", token=TOKEN)
    finally:
        server.close()

"""One server for all tests that do not end it. Path: pytest -> [conftest] -> tests."""

from typing import Iterator

import pytest
from servers import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture(params=["link", "stream"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


_sessions = iter(range(10**9))


@pytest.fixture
def session_id() -> str:
    """A session of its own for each test."""
    return f"python-{next(_sessions)}"

"""A Redis of a test's own: a process in a folder of its own, on a socket in it. Path: tests -> [redis server]. Ended by its pid."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

HOW_TO_INSTALL_REDIS = "redis-server is missing: apt-get install redis-server"
_START_SECONDS = 10.0


class RedisServer:
    """Owner: whoever started it; `close` ends it."""

    def __init__(self, folder: Path) -> None:
        """Where there is none, the test is skipped; in CI that is a failure."""
        if shutil.which("redis-server") is None:
            if os.environ.get("CI") == "true":
                pytest.fail(HOW_TO_INSTALL_REDIS)
            pytest.skip(HOW_TO_INSTALL_REDIS)
        self._path = str(folder / "redis.sock")
        fixed = ["--port", "0", "--unixsocket", self._path, "--dir", str(folder), "--save", "", "--loglevel", "warning"]
        self._process = subprocess.Popen(["redis-server", *fixed], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline and self._process.poll() is None, "redis-server did not start"
            time.sleep(0.01)

    @property
    def url(self) -> str:
        """For `--engine`."""
        return f"unix:{self._path}"

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as asked:
            try:
                asked.connect(self._path)
                asked.sendall(b"PING\r\n")
                return asked.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

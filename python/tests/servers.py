"""What tests talk to: `bridged-state serve` as a process, a wire that can be cut or go silent, and a Node program. Path: tests -> [servers].

Everything has a deadline and an owner that ends it; only processes that were started here are ended.
"""

import asyncio
import functools
import json
import math
import os
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, Awaitable, Callable, Dict, List, Optional, Set

REPOSITORY = Path(__file__).resolve().parents[2]
CLI = REPOSITORY / "dist" / "src" / "cli" / "main.js"
PEER = Path(__file__).resolve().parent / "node_peer.mjs"
NODE = os.environ.get("BRIDGED_STATE_NODE", "node")
WAIT_SECONDS = 15.0


def asynchronous(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a test in an event loop of its own, and says which of its tasks it left behind."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def body() -> None:
            await asyncio.wait_for(test(*args, **kwargs), 60)
            for _ in range(200):
                left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
                if not left:
                    break
                await asyncio.sleep(0.01)
            assert left == []

        asyncio.run(body())

    return run


async def until(holds: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """What it says first that is true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        said = holds()
        if said:
            return said
        assert asyncio.get_running_loop().time() < deadline, f"{what} did not come within {seconds} s"
        await asyncio.sleep(0.01)


class Server:
    """A server process. Owner: whoever started it; `close` ends it."""

    def __init__(self, *options: str, port: int = 0) -> None:
        self._process = subprocess.Popen(
            [NODE, str(CLI), "serve", "--port", str(port), "--admin-port", "0", "--log-level", "error", *options],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server process ended before it listened"
        said = json.loads(line)
        self.port: int = said["port"]
        self.admin_port: int = said["adminPort"]
        self.epoch: str = said["epoch"]

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[1])
        raise AssertionError(f"the server has no metric {name}")

    def observers(self) -> float:
        return self.metric("bridged_state_observers")

    async def until_no_observer(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_SECONDS
        while await loop.run_in_executor(None, self.observers) != 0:
            assert loop.time() < deadline, "an observer is left"
            await asyncio.sleep(0.02)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._end()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        self._end()

    def _end(self) -> None:
        try:
            self._process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Wire:
    """A TCP proxy that can be cut, or go silent while it stands."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = 0
        self.accepted = 0
        # Of the server, by the loop's clock.
        self.last_word_at = 0.0
        self._server: Optional[asyncio.AbstractServer] = None
        self._writers: Set[asyncio.StreamWriter] = set()
        self._tasks: Set["asyncio.Task[None]"] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._bytes_until_silence = math.inf

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._flows.set()
        assert self._server is not None
        self._server.close()
        self.cut()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def silence(self) -> None:
        self._flows.clear()

    def silence_after(self, count: int) -> None:
        """Bytes of the server from now on."""
        self._bytes_until_silence = count

    def speak(self) -> None:
        self._bytes_until_silence = math.inf
        self._flows.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(far_writer)
        for source, sink, is_servers in ((reader, far_writer, False), (far_reader, writer, True)):
            task = asyncio.get_running_loop().create_task(self._pump(source, sink, is_servers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_servers: bool) -> None:
        try:
            while True:
                data = await source.read(65536)
                await self._flows.wait()
                if not data:
                    break
                if is_servers:
                    self.last_word_at = asyncio.get_running_loop().time()
                    self._bytes_until_silence -= len(data)
                    if self._bytes_until_silence <= 0:
                        self.silence()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


class NodePeer:
    """`BridgedState` in a Node process, one command a line. Owner: whoever started it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, endpoint: str, session_id: str) -> "NodePeer":
        process = await asyncio.create_subprocess_exec(
            NODE, str(PEER), endpoint, session_id, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 26
        )
        peer = cls(process)
        assert (await peer.line()) == {"ready": True}
        return peer

    async def ask(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(command)}\n".encode())
        return await self.line()

    async def line(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), WAIT_SECONDS)
        assert line, "the Node process ended"
        said: Dict[str, Any] = json.loads(line)
        assert "error" not in said, said
        return said

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), WAIT_SECONDS)


async def take(watch: Any, count: int, seconds: float = WAIT_SECONDS) -> List[Any]:
    """The next so many updates."""
    return [await asyncio.wait_for(watch.__anext__(), seconds) for _ in range(count)]

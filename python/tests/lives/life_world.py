"""What a life is led over: servers that can be killed, paused and cut off. Path: life -> [life world] -> servers, wires.

Whatever is broken is whole again after `heal`. Owner: the life; `close` ends all of it.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, List, Optional

from redis_server import RedisServer
from servers import Server, Wire


class LifeWorld:
    """`engine`: memory, sqlite or redis; with redis there are two servers."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.servers: List[Server] = []
        self.wires: List[Wire] = []
        # That are not broken.
        self._quiet_wires: List[Wire] = []
        self._folder: Optional[Path] = None
        self._redis: Optional[RedisServer] = None
        self._options: List[str] = []

    async def open(self) -> None:
        if self.engine != "memory":
            self._folder = Path(tempfile.mkdtemp(prefix="lives-"))
        if self.engine == "sqlite":
            self._options = ["--engine", f"sqlite:{self._folder}", "--durability", "os"]
        elif self.engine == "redis":
            assert self._folder is not None
            folder = self._folder
            self._redis = await _aside(lambda: RedisServer(folder))
            self._options = ["--engine", self._redis.url]
        for _ in range(2 if self.engine == "redis" else 1):
            self.servers.append(await _aside(lambda: Server(*self._options)))
        await self._open_wires()

    async def _open_wires(self) -> None:
        for place in range(2 * len(self.servers)):
            wire = Wire(self.servers[place % len(self.servers)].port)
            await wire.__aenter__()
            (self.wires if place < len(self.servers) else self._quiet_wires).append(wire)

    async def enter_loop(self) -> None:
        """The wires are of the present event loop: of a life."""
        await self._open_wires()

    async def leave_loop(self) -> None:
        for wire in (*self.wires, *self._quiet_wires):
            await wire.__aexit__()
        self.wires, self._quiet_wires = [], []

    @property
    def endpoints(self) -> List[str]:
        """Through the wires."""
        return [wire.endpoint for wire in self.wires]

    @property
    def quiet_endpoints(self) -> List[str]:
        """Past those that are broken."""
        return [wire.endpoint for wire in self._quiet_wires]

    def cut(self, place: int) -> None:
        self.wires[place].cut()

    async def silence(self, place: int, seconds: float) -> None:
        self.wires[place].silence()
        await asyncio.sleep(seconds)
        self.wires[place].speak()

    async def cut_after(self, place: int, count: int) -> None:
        """In the middle of what it says."""
        self.wires[place].silence_after(count)
        await asyncio.sleep(0.05)
        self.wires[place].cut()
        self.wires[place].speak()

    async def pause(self, place: int, seconds: float) -> None:
        self.servers[place].pause()
        await asyncio.sleep(seconds)
        self.servers[place].go_on()

    async def kill(self, place: int, drains: bool) -> None:
        """And starts another at its port. `drains`: it is asked to end."""
        server = self.servers[place]
        port = server.port
        before = (self.wires[place], self._quiet_wires[place])
        for wire in before:
            # Whoever connects to a free port of this machine may get itself, and keep it.
            wire.target = _NOBODY
        await _aside(server.close if drains else server.kill)
        self.servers[place] = await _aside(lambda: Server(*self._options, port=port))
        for wire in before:
            wire.target = port

    def heal(self) -> None:
        for wire in self.wires:
            wire.speak()
        for server in self.servers:
            server.go_on()

    async def left(self) -> str:
        """What the servers still hold of clients; '' for nothing."""
        found = []
        for server in self.servers:
            for metric in ("observers", "streams", "links", "request_bytes"):
                try:
                    count = await _aside(lambda one=server, name=metric: one.metric(f"bridged_state_{name}"))  # type: ignore[misc]
                except OSError as error:
                    return f"a server that does not answer: {error}"
                if count != 0:
                    found.append(f"{count:g} {metric}")
        return ", ".join(found)

    async def close(self) -> None:
        await self.leave_loop()
        for server in self.servers:
            await _aside(server.close)
        if self._redis is not None:
            await _aside(self._redis.close)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


async def _aside(work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, work)


_NOBODY = 9

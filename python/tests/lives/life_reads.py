"""Reads of a life, and what they have to have seen. Path: performer -> [life reads] -> the package."""

import asyncio
from random import Random
from typing import Optional

from followed_tasks import FollowedTasks
from life_history import BY_NAME, SINGLES, History, SetRecord, sequence_in
from life_sets import Client


class LifeReads:
    def __init__(self, history: History, tasks: FollowedTasks, random: Random) -> None:
        self._history = history
        self._tasks = tasks
        self._random = random
        self._loop = asyncio.get_running_loop()

    def read(self, client: Client) -> None:
        kind = self._random.choice(("value", "value", "value", "info", "several", "list", "history", "rollback"))
        name = self._random.choice(SINGLES).name
        task = self._tasks.follow(self._read_one(client, kind, name), f"{kind} of {name}")
        if self._random.random() < 0.2:
            self._tasks.cancel_after(task)

    async def _read_one(self, client: Client, kind: str, name: str) -> None:
        session, history = client.session, self._history
        if session is None:
            return
        begun_at = self._loop.time()
        if kind == "value":
            value = await session.get_variable(name)
            self._check_read(client, name, sequence_in(value, name), begun_at, client.options["cache_ttl_ms"] > 0)
        elif kind == "info":
            info = await session.get_variable_info(name)
            history.reads.append((info.id, info.version, sequence_in(info.value, info.name), "get_variable_info"))
        elif kind == "several":
            for one, value in (await session.get_variables([name, "n0", "room/0"])).items():
                sequence_in(value, one)
        elif kind == "list":
            for info in await session.list_variables("*"):
                if info.name not in BY_NAME:
                    continue
                history.reads.append((info.id, info.version, sequence_in(info.value, info.name), "list_variables"))
        elif kind == "history":
            entries = await session.history(name)
            for before, entry in zip(entries, entries[1:]):
                if entry.version <= before.version:
                    history.trouble("history", f"{name}: {entry.version} behind {before.version}")
            for entry in entries:
                sequence_in(entry.value, name)
        else:
            entries = await session.history(name, 3)
            if entries:
                self._history.repeated.add(sequence_in(entries[0].value, name))
                await session.rollback(name, entries[0].version)

    def _check_read(self, client: Client, name: str, sequence: int, begun_at: float, is_cached: bool) -> None:
        """Not older than what had been acknowledged before: to anybody, or, of a cache, to its own session."""
        least: Optional[SetRecord] = None
        for record in self._history.sets:
            if record.name != name or record.outcome != "made" or record.ended_at >= begun_at:
                continue
            if is_cached and record.session != client.number:
                continue
            if least is None or record.version > least.version:
                least = record
        if least is not None:
            self._history.floors.append((name, sequence, least, is_cached, client.options["transport"]))

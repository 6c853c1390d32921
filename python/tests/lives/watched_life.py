"""One watch from its opening to its end, by each of the ways in which loops are led and left. Path: performer -> [watched life] -> the package.

What is told goes into the record at once. Slow: it sleeps in its loop. Ended: by itself, by its loop, or by whoever cancels its task.
"""

import asyncio
import gc
from random import Random
from typing import Any, Callable, List, Optional

from bridged_state import BridgeError, SessionContext, VariableUpdate

from life_history import History, WatchRecord

WAYS = ("loop", "loop", "batches", "batches", "with", "steps", "closed", "dropped", "raises", "unlooped")


class OnPurpose(Exception):
    """What the program raises itself."""


class WatchedLife:
    def __init__(self, history: History, record: WatchRecord, random: Random, way: str, pause_s: float, leaves_after: int) -> None:
        self.record = record
        self.way = way
        self.watch: Optional[Any] = None
        self._history = history
        self._random = random
        self._pause_s = pause_s
        self._leaves_after = leaves_after
        # Its `aclose` has returned.
        self._is_over = False

    async def live(self, session: SessionContext) -> None:
        """Raises BridgeError as the watch does, and CancelledError."""
        record = self.record
        loop = asyncio.get_running_loop()
        record.began_at = loop.time()
        try:
            await self._led(session)
            record.end = record.end or "left"
        except OnPurpose:
            record.end = "raised"
        except BridgeError as error:
            record.end = error.code
            raise
        except asyncio.CancelledError:
            record.end = "cancelled"
            raise
        finally:
            watch, self.watch = self.watch, None
            if watch is not None:
                record.stats = dict(watch.stats)
            record.stopped_at = loop.time()

    def _open(self, session: SessionContext) -> Any:
        record = self.record
        told: List[Callable[..., Any]] = [self._handle_callback] * 3
        options = {
            **record.options,
            "on_error": lambda error: told[0](f"on_error {error.code}"),
            "on_state": lambda state: told[1](state),
            "on_synced": lambda: told[2]("synced"),
        }
        if record.patterns:
            self.watch = session.watch_pattern(list(record.patterns), **options)
        else:
            self.watch = session.watch_variables(list(record.names), **options)
        return self.watch

    def _handle_callback(self, what: str) -> None:
        if self._is_over:
            self._history.trouble("after the end", f"{self.record.label} is told {what}")
        if self._random.random() < 0.02:
            raise OnPurpose("a callback")

    async def _led(self, session: SessionContext) -> None:
        watch = self._open(session)
        if self.way == "loop":
            async for update in watch:
                if await self._take([update]):
                    break
            else:
                self.record.end = "over"
        elif self.way == "batches":
            async for updates in watch.batches():
                if await self._take(updates):
                    break
            else:
                self.record.end = "over"
        elif self.way == "raises":
            async for update in watch:
                if await self._take([update]):
                    raise OnPurpose("a loop")
            self.record.end = "over"
        elif self.way == "with":
            async with watch as entered:
                async for update in entered:
                    if await self._take([update]):
                        break
                else:
                    self.record.end = "over"
            self._is_over = True
        elif self.way == "unlooped":
            async with watch:
                await watch.synced()
                await asyncio.sleep(0.02 * self._leaves_after)
            self._is_over = True
        elif self.way == "steps":
            await self._by_steps(watch)
        elif self.way == "closed":
            await self._closed_by_another(watch)
        else:
            # Nobody holds it but the step.
            self.watch = None
            iterator = watch.__aiter__()
            del watch
            try:
                while not await self._take([await iterator.__anext__()]):
                    pass
                self.record.end = "dropped"
            except StopAsyncIteration:
                self.record.end = "over"
            del iterator
            gc.collect()

    async def _by_steps(self, watch: Any) -> None:
        """Each step has a time, and the next goes on."""
        while True:
            # Not `wait_for`, which before Python 3.12 may take the end of this task for that of the step.
            step = asyncio.ensure_future(watch.__anext__())
            try:
                await asyncio.wait([step], timeout=self._random.choice((0.0, 0.001, 0.01, 0.2)))
            finally:
                step.cancel()
                await asyncio.wait([step])
            if step.cancelled():
                continue
            if isinstance(step.exception(), StopAsyncIteration):
                self.record.end = "over"
                return
            update = step.result()
            if await self._take([update]):
                await watch.aclose()
                self._is_over = True
                return

    async def _closed_by_another(self, watch: Any) -> None:
        async def close() -> None:
            await asyncio.sleep(0.02 * self._leaves_after)
            await watch.aclose()
            self._is_over = True

        closing = asyncio.ensure_future(close())
        try:
            async for update in watch:
                if self._is_over:
                    self._history.trouble("after the end", f"{self.record.label} gives {update}")
                await self._take([update])
            self.record.end = "over"
        finally:
            closing.cancel()
            await asyncio.wait([closing])

    async def _take(self, updates: List[VariableUpdate]) -> bool:
        """Whether the loop is to be left."""
        record = self.record
        record.told.extend(updates)
        record.turns.append(len(record.told))
        if self._pause_s > 0 and self._random.random() < 0.3:
            await asyncio.sleep(self._pause_s)
        return 0 < self._leaves_after <= len(record.told)

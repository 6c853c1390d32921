"""When a watch is stale: nothing was heard of its server for longer than the watch allows. Path: carriers -> [freshness] -> watch feeds.

One timer a watch that asks for it; those that do not cost nothing. Any word on the connection counts, and heartbeats are asked for often enough.
Closed: the timers end with the feeds and the connection.
"""

import asyncio
from typing import Dict

from .watch_feed import WatchFeed


class Freshness:
    """Of one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, heartbeat_ms: int) -> None:
        self._loop = loop
        self.heartbeat_ms = heartbeat_ms
        """How long the server may be silent for the sake of all: it never rises again."""
        self._timers: Dict[WatchFeed, asyncio.TimerHandle] = {}
        self._stale: Dict[WatchFeed, None] = {}
        self.last_word = loop.time()

    def ask_for(self, heartbeat_ms: int) -> None:
        self.heartbeat_ms = min(self.heartbeat_ms, heartbeat_ms)

    def add(self, feed: WatchFeed) -> None:
        if feed.options.stale_after_ms > 0:
            # Three in its time, as in TypeScript.
            self.ask_for(max(100, int(feed.options.stale_after_ms / 3)))
            self._look_in(feed, feed.options.stale_after_ms / 1000.0)

    def remove(self, feed: WatchFeed) -> None:
        self._stale.pop(feed, None)
        timer = self._timers.pop(feed, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        for feed in list(self._timers):
            self.remove(feed)

    def handle_word(self) -> None:
        self.last_word = self._loop.time()
        if self._stale:
            stale, self._stale = self._stale, {}
            for feed in stale:
                feed.handle_stale(False)

    def _look_in(self, feed: WatchFeed, seconds: float) -> None:
        self._timers[feed] = self._loop.call_later(seconds, self._look, feed)

    def _look(self, feed: WatchFeed) -> None:
        if feed.is_over:
            self.remove(feed)
            return
        allowed = feed.options.stale_after_ms / 1000.0
        left = self.last_word + allowed - self._loop.time()
        if left <= 0 and feed.state == "live":
            self._stale[feed] = None
            feed.handle_stale(True)
        self._look_in(feed, left if left > 0 else allowed)

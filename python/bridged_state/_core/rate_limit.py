"""Debounce, throttle and conflation of one watch: which update is held, and until when. Path: watch feed -> [rate limit] -> iterator.

Time is an argument. Full: one held update a variable. What a newer one replaces is counted as rate-limited, not as missed: the watch asked for it.
"""

import heapq
from typing import Any, Dict, List, Optional, Tuple

from .update_ring import HAS_OLD, INITIAL, RESYNC, RingEntry

GO = -1
"""Verdict of `offer`: nothing has to wait."""


class _Held:
    __slots__ = ("entry", "first_at_ms", "due_at_ms", "place")

    def __init__(self, entry: RingEntry, first_at_ms: float, due_at_ms: float, place: int) -> None:
        self.entry = entry
        self.first_at_ms = first_at_ms
        self.due_at_ms = due_at_ms
        # Counts up: what was held first is told first.
        self.place = place


class RateLimit:
    def __init__(
        self, debounce_ms: float = 0.0, throttle_ms: float = 0.0, max_wait_ms: float = 0.0, conflates: bool = False
    ) -> None:
        """
        `max_wait_ms`: a debounced update waits no longer, whatever follows it; 0 = no such limit. `conflates`: each waits for the end of its turn at
        least, and is due then.
        """
        self._conflates = conflates
        self._debounce_ms = debounce_ms
        self._throttle_ms = throttle_ms
        self._max_wait_ms = max_wait_ms
        self._held: Dict[Any, _Held] = {}
        # By the time when it was due once: it may be later by now, and is put back then, or be held no more.
        self._due: List[Tuple[float, int, _Held]] = []
        self._told_at_ms: Dict[Any, float] = {}
        self._next_place = 0

    def __len__(self) -> int:
        """Updates held back now."""
        return len(self._held)

    @property
    def is_limited(self) -> bool:
        return self._debounce_ms > 0 or self._throttle_ms > 0 or self._conflates

    def offer(self, entry: RingEntry, now_ms: float) -> int:
        """Holds the update, or says that it may go at once. Returns how many updates it replaced (0 or 1), or GO."""
        key = entry.key
        held = self._held.get(key)
        due_at_ms = now_ms
        if self._debounce_ms > 0:
            due_at_ms += self._debounce_ms
            if self._max_wait_ms > 0:
                first_at_ms = now_ms if held is None else held.first_at_ms
                due_at_ms = min(due_at_ms, first_at_ms + self._max_wait_ms)
        if self._throttle_ms > 0:
            told_at_ms = self._told_at_ms.get(key)
            if told_at_ms is not None:
                due_at_ms = max(due_at_ms, told_at_ms + self._throttle_ms)
        if held is not None:
            absorb_held(entry, held.entry)
            held.entry = entry
            held.due_at_ms = due_at_ms
            return 1
        if due_at_ms <= now_ms and not self._conflates:
            self._told(key, now_ms)
            return GO
        held = self._held[key] = _Held(entry, now_ms, due_at_ms, self._next_place)
        self._next_place += 1
        heapq.heappush(self._due, (due_at_ms, held.place, held))
        return 0

    def take_due(self, now_ms: float) -> List[RingEntry]:
        """Takes what is due, in the order that it was first held."""
        due: List[_Held] = []
        while True:
            first = self._first()
            if first is None or first.due_at_ms > now_ms:
                break
            heapq.heappop(self._due)
            del self._held[first.entry.key]
            self._told(first.entry.key, now_ms)
            due.append(first)
        due.sort(key=lambda held: held.place)
        return [held.entry for held in due]

    def take(self, key: Any) -> Optional[RingEntry]:
        """Takes what is held of one variable, due or not: something follows that cannot wait, or nobody wants it any more."""
        self._told_at_ms.pop(key, None)
        held = self._held.pop(key, None)
        if len(self._due) > 2 * len(self._held) + _MOST_FORGOTTEN:
            self._due = [(one.due_at_ms, one.place, one) for one in self._held.values()]
            heapq.heapify(self._due)
        return None if held is None else held.entry

    def wake_at_ms(self) -> Optional[float]:
        """When the first of the held updates is due."""
        first = self._first()
        return None if first is None else first.due_at_ms

    def _first(self) -> Optional[_Held]:
        while self._due:
            due_at_ms, place, held = self._due[0]
            if self._held.get(held.entry.key) is not held:
                heapq.heappop(self._due)
            elif held.due_at_ms != due_at_ms:
                heapq.heapreplace(self._due, (held.due_at_ms, place, held))
            else:
                return held
        return None

    def _told(self, key: Any, now_ms: float) -> None:
        if self._throttle_ms > 0:
            self._told_at_ms[key] = now_ms


def absorb_held(newer: RingEntry, held: RingEntry) -> None:
    """The newer one speaks for the held one; its old value is where the watch is."""
    newer.missed += held.missed
    newer.filtered += held.filtered
    newer.flags = newer.flags & ~HAS_OLD | held.flags & (INITIAL | RESYNC | HAS_OLD)
    newer.old = held.old


_MOST_FORGOTTEN = 64

"""Bounded queue of one watch's updates, in order. Path: watch feed -> [ring] -> iterator.

Full: overflow decides; what is left out is counted in the `missed` of the variable's next one. Never grows past its limit, or one entry a
variable where that is more; with `error` and `drop-oldest` its limit beside what its variables begin with. Closed: the owner drops it.
"""

from collections import deque
from typing import Any, Callable, Deque, Dict, Generic, List, Optional, TypeVar

INITIAL = 1
"""The value at registration, which somebody asked for."""
RESYNC = 2
"""The present value after a break that could not be replayed, or the first of a new epoch."""
BASELINE = 4
"""The value at registration that nobody asked for: it only becomes the next update's old value."""
HAS_OLD = 8
"""`old` is said with the update: a condition filtered one in between."""
DELETED = 16
"""The variable is gone."""
SUPERSEDED = 64
"""A newer one in the same ring speaks for it; set and seen only by the ring."""
MORE = 128
"""More of the same atomic group follows."""
JOINED = 256
"""A change that speaks for an initial value too, which nobody saw: left out in its turn it counts as missed."""
BEGINS = 512
"""Where a variable begins, once for its key: nobody is slow because of it, so `drop-oldest` spares it and it takes no room."""

OVERFLOWS = ("conflate", "drop-oldest", "error")


class RingEntry:
    """An update that waits. Entries of one key replace each other."""

    __slots__ = ("key", "value", "old", "missed", "filtered", "flags", "group")

    def __init__(
        self,
        key: Any,
        value: Any,
        *,
        missed: int = 0,
        filtered: int = 0,
        flags: int = 0,
        old: Any = None,
        group: int = 0,
    ) -> None:
        self.key = key
        self.value = value
        # Said only with HAS_OLD; else it is the value of the entry of this key that was taken before.
        self.old = old
        # Versions of this variable skipped right before this one.
        self.missed = missed
        # Versions that a condition let pass silently right before this one.
        self.filtered = filtered
        self.flags = flags
        # Which atomic group of its queue it belongs to.
        self.group = group


T = TypeVar("T", bound=RingEntry)


class UpdateRing(Generic[T]):
    def __init__(
        self, limit: int, overflow: str = "conflate", group_of: Optional[Callable[[T], Any]] = None
    ) -> None:
        """
        `limit`: entries kept, 1 to 1,048,576. `group_of`: neighbours of one group are dropped together or not at all, so that the limit is one
        group where that is more.
        """
        self._limit = limit
        self._overflow = overflow
        self._group_of = group_of
        self._queue: Deque[T] = deque()
        # What `drop-oldest` has passed over and spared: older than the queue.
        self._spared: Deque[T] = deque()
        # Entries that somebody will get; the queue also holds superseded ones. The ring's to write.
        self.size = 0
        # Of these entries those that take no room, because they are where a variable begins: with `error` all, with `drop-oldest` what is spared.
        self._begun = 0
        self._is_error = overflow == "error"
        # Each key's newest entry; kept only from the first conflation until the ring is empty.
        self._newest: Optional[Dict[Any, T]] = None
        # What was dropped and its key's next entry has to tell.
        self._dropped: Dict[Any, T] = {}
        # Updates that this ring left out since it was made.
        self.missed_total = 0

    def __len__(self) -> int:
        return self.size

    @property
    def is_idle(self) -> bool:
        """Nothing waits, and nothing that was left out has still to be told: the next update may go past the ring."""
        return self.size == 0 and not self._dropped

    def missed_waiting(self) -> int:
        """Updates left out that the waiting ones, or the next of their keys, have still to tell. Looks at each: for statistics."""
        missed = sum(entry.missed for entry in (*self._spared, *self._queue) if not entry.flags & SUPERSEDED)
        return missed + sum(entry.missed + (1 if _is_change(entry) else 0) for entry in self._dropped.values())

    def filtered_waiting(self) -> int:
        """Updates that a condition kept out before the waiting ones, or before the next of their keys."""
        filtered = sum(entry.filtered for entry in (*self._spared, *self._queue) if not entry.flags & SUPERSEDED)
        return filtered + sum(entry.filtered for entry in self._dropped.values())

    def push(self, entry: T) -> bool:
        """False only when it is full and overflow is `error`: then nothing was taken in."""
        if self.size < self._limit and self._newest is None:
            self._queue.append(entry)
            self.size += 1
            if self._is_error and not _is_change(entry):
                self._begun += 1
            return True
        if self.size >= self._limit:
            if self._is_error:
                is_full = self.size - self._begun >= self._limit
                if is_full and _is_change(entry) and not self._continues_group(entry):
                    return False
                self._append(entry)
                return True
            if self._overflow == "drop-oldest":
                self._drop_oldest_group(entry)
                self._append(entry)
                return True
            if self._newest is None:
                self._conflate_all()
        self._conflate_into(entry)
        return True

    def take(self) -> Optional[T]:
        """The oldest entry, or None when there is none."""
        if self._spared:
            return self._take_spared()
        queue = self._queue
        while queue:
            entry = queue.popleft()
            if entry.flags & SUPERSEDED:
                continue
            self.size -= 1
            if self._begun and not _is_change(entry):
                self._begun -= 1
            newest = self._newest
            if newest is not None:
                if newest.get(entry.key) is entry:
                    del newest[entry.key]
                if self.size == 0:
                    self._newest = None
            if self._dropped:
                dropped = self._dropped.pop(entry.key, None)
                if dropped is not None:
                    absorb(entry, dropped)
            return entry
        return None

    def _take_spared(self) -> T:
        entry = self._spared.popleft()
        self.size -= 1
        if entry.flags & BEGINS:
            # What was dropped of its key is newer.
            self._begun -= 1
            return entry
        dropped = self._dropped.pop(entry.key, None)
        if dropped is not None:
            absorb(entry, dropped)
        return entry

    def owed(self, key: Any) -> int:
        """Updates of a key that were left out and that its next entry will tell, where none of it waits."""
        dropped = self._dropped.get(key)
        return 0 if dropped is None else dropped.missed + (1 if _is_change(dropped) else 0)

    def remove_where(self, is_unwanted: Callable[[T], bool]) -> None:
        """Takes out what nobody wants any more, and forgets what was to be told of it."""
        entries = [entry for entry in self._queue if not entry.flags & SUPERSEDED]
        self._queue = deque(entry for entry in entries if not is_unwanted(entry))
        self._spared = deque(entry for entry in self._spared if not is_unwanted(entry))
        self.size = len(self._queue) + len(self._spared)
        if self._is_error:
            self._begun = sum(not _is_change(entry) for entry in self._queue)
        else:
            self._begun = sum(entry.flags & BEGINS != 0 for entry in self._spared)
        if self._newest is not None:
            kept = {id(entry) for entry in self._queue}
            self._newest = {key: entry for key, entry in self._newest.items() if id(entry) in kept}
        self._dropped = {key: entry for key, entry in self._dropped.items() if not is_unwanted(entry)}
        if self.size == 0:
            self._newest = None

    def clear(self) -> None:
        self._queue.clear()
        self._spared.clear()
        self.size = 0
        self._begun = 0
        self._newest = None
        self._dropped = {}

    def _append(self, entry: T) -> None:
        self._queue.append(entry)
        self.size += 1
        if self._is_error and not _is_change(entry):
            self._begun += 1

    def _conflate_all(self) -> None:
        """First time over the limit: one pass leaves the newest of each variable, and from here each push replaces its elder."""
        entries: List[T] = []
        entry = self.take()
        while entry is not None:
            entries.append(entry)
            entry = self.take()
        self._newest = {}
        for entry in entries:
            self._conflate_into(entry)

    def _conflate_into(self, entry: T) -> None:
        newest = self._newest
        assert newest is not None
        elder = newest.get(entry.key)
        # That a variable went is never replaced: its watch ends by it.
        if elder is not None and not elder.flags & DELETED:
            self.missed_total += absorb(entry, elder)
            # Replaced at its own place, the newer one would overtake other variables' revisions: it goes to the end.
            elder.flags |= SUPERSEDED
            self.size -= 1
        self._append(entry)
        newest[entry.key] = entry
        if len(self._queue) > 2 * max(self._limit, self.size):
            self._queue = deque(one for one in self._queue if not one.flags & SUPERSEDED)

    def _drop_oldest_group(self, incoming: T) -> None:
        # Deletions stay, one a variable, and beginnings: what is behind them goes.
        queue = self._queue
        while queue and queue[0].flags & _SPARED:
            self._spare()
        if not queue or self.size - self._begun < self._limit:
            return
        if self._group_of is None:
            self._drop()
            return
        group = self._group_of(queue[0])
        # A group larger than the limit is not torn: the ring holds all of it.
        if group == self._group_of(incoming):
            return
        while queue and self._group_of(queue[0]) == group:
            if queue[0].flags & _SPARED:
                self._spare()
            else:
                self._drop()

    def _spare(self) -> None:
        entry = self._queue.popleft()
        self._spared.append(entry)
        if entry.flags & BEGINS:
            self._begun += 1

    def _continues_group(self, entry: T) -> bool:
        """A group that was begun within the limit is taken in whole."""
        return self._group_of is not None and bool(self._queue) and self._group_of(self._queue[-1]) == self._group_of(entry)

    def _drop(self) -> None:
        oldest = self._queue.popleft()
        self.size -= 1
        earlier = self._dropped.get(oldest.key)
        if earlier is not None:
            absorb(oldest, earlier)
        self._dropped[oldest.key] = oldest
        if _is_change(oldest):
            self.missed_total += 1


def absorb(newer: RingEntry, elder: RingEntry) -> int:
    """
    The newer one speaks for the elder, which nobody will see. Returns how many updates that leaves out: a baseline or an initial value is no
    change.
    """
    left_out = 1 if _is_change(elder) else 0
    newer.missed += elder.missed + left_out
    newer.filtered += elder.filtered
    newer.flags |= elder.flags & (INITIAL | RESYNC)
    if elder.flags & INITIAL:
        newer.flags |= JOINED
    if not newer.flags & HAS_OLD:
        if elder.flags & HAS_OLD:
            newer.old = elder.old
            newer.flags |= HAS_OLD
        elif elder.flags & BASELINE:
            newer.old = elder.value
            newer.flags |= HAS_OLD
    return left_out


_SPARED = DELETED | BEGINS


def _is_change(entry: RingEntry) -> bool:
    return not entry.flags & (BASELINE | INITIAL) or bool(entry.flags & JOINED)

"""Values that were read lately, each for its time. Path: calls, watch feeds -> [cache] -> get_variable. Pure: time is an argument.

Full: the one that was used longest ago goes. A live watch and an own set write newer versions into it; it holds no value past its time, nor past
the break of its connection.
"""

from collections import OrderedDict
from copy import deepcopy
from typing import Any, Dict, NamedTuple, Optional

MAX_ENTRIES = 10_000


class CachedValue(NamedTuple):
    """A value, and until when it is good."""

    id: str
    name: str
    value: Any
    version: int
    good_until: float


def _own(value: Any) -> Any:
    """Maps and lists are their readers' to write into; embeddings and tensors, which are large, say that they are shared."""
    return deepcopy(value) if type(value) in (dict, list) else value


class VariableCache:
    def __init__(self, ttl_seconds: float, max_entries: int = MAX_ENTRIES) -> None:
        """A time of 0 caches nothing."""
        self._ttl = ttl_seconds
        self._max = max_entries
        self._by_id: "OrderedDict[str, CachedValue]" = OrderedDict()
        self._ids: Dict[str, str] = {}
        # By name or id: what a set of our own has made. An update that is on its way still may be older.
        self._least: "OrderedDict[str, int]" = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def is_on(self) -> bool:
        return self._ttl > 0

    def get(self, identifier: str, now: float) -> Optional[CachedValue]:
        id = self._ids.get(identifier, identifier)
        cached = self._by_id.get(id)
        if cached is None:
            return None
        if cached.good_until <= now:
            self.forget(id)
            return None
        self._by_id.move_to_end(id)
        return cached._replace(value=_own(cached.value))

    def put(self, id: str, name: str, value: Any, version: int, now: float) -> None:
        """What is older than what is there changes nothing."""
        if self._ttl <= 0 or id == "":
            return
        known = self._by_id.get(id)
        if known is not None and known.version > version:
            return
        if version < self._least.get(id, 0) or version < self._least.get(name, 0):
            return
        other = self._ids.get(name)
        if other is not None and other != id:
            self._by_id.pop(other, None)
        self._by_id[id] = CachedValue(id, name, _own(value), version, now + self._ttl)
        self._by_id.move_to_end(id)
        self._ids[name] = id
        if len(self._by_id) > self._max:
            self.forget(next(iter(self._by_id)))

    def forget(self, identifier: str) -> None:
        """It was changed, or is gone."""
        id = self._ids.get(identifier, identifier)
        cached = self._by_id.pop(id, None)
        if cached is not None and self._ids.get(cached.name) == id:
            del self._ids[cached.name]

    def handle_set(self, identifier: str, version: int) -> None:
        """A set of our own was answered: nothing older is given from now on."""
        if self._ttl <= 0:
            return
        self.forget(identifier)
        self._least[identifier] = max(version, self._least.pop(identifier, 0))
        if len(self._least) > self._max:
            self._least.popitem(last=False)

    def handle_deleted(self, identifier: str) -> None:
        self.forget(identifier)
        self._least.pop(identifier, None)

    def clear(self) -> None:
        self._least.clear()
        self._by_id.clear()
        self._ids.clear()

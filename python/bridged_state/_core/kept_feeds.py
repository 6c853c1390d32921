"""Which feeds of a link watch a variable with a condition that the server asks: what it has kept out is said once a variable, by a number.

Path: link frame -> [kept feeds] -> watch feeds. Bounded by the feeds of the link and their variables. Closed: with its link.
"""

from typing import Dict, List, Set

from .._wire.messages import Message
from ..errors import ProtocolError
from .link_events import Event, KeptAnswer, KeptOut
from .link_row import whole


class KeptFeeds:
    def __init__(self) -> None:
        self._feeds: Dict[str, Dict[int, None]] = {}
        self._ids: Dict[int, Set[str]] = {}
        self._numbers: Dict[int, str] = {}

    @property
    def is_empty(self) -> bool:
        return not self._ids

    def add(self, id: str, feed: int) -> None:
        """The variable is one of the feed's."""
        self._feeds.setdefault(id, {})[feed] = None
        self._ids.setdefault(feed, set()).add(id)

    def remove(self, feed: int) -> None:
        for id in self._ids.pop(feed, ()):
            feeds = self._feeds[id]
            del feeds[feed]
            if not feeds:
                del self._feeds[id]

    def read(self, message: Message, events: List[Event]) -> None:
        """Raises ProtocolError where the columns do not fit each other."""
        targets = list(message.kept_targets)
        if targets:
            self._read_kept(targets, list(message.kept_ids), list(message.kept_versions), events)
        for question in message.kept_answers:
            events.append(KeptAnswer(question))

    def _read_kept(self, targets: List[int], ids: List[str], versions: List[float], events: List[Event]) -> None:
        if len(versions) < len(targets) or len(ids) < sum(target & 1 for target in targets):
            raise ProtocolError("the link says what was kept out in columns that do not fit each other")
        next_id = iter(ids).__next__
        for target, version in zip(targets, versions):
            number = target >> 1
            if target & 1:
                self._numbers[number] = next_id()
            id = self._numbers.get(number)
            if id is None:
                raise ProtocolError(f"the link has not said which variable number {number} is")
            kept_to = whole(version)
            for feed in self._feeds.get(id, ()):
                events.append(KeptOut(feed, id, kept_to))

"""What one watch knows of one variable. Path: watch feed -> [variable feed]. Pure."""

from typing import Any, Optional

from ._core.condition import NO_VALUE
from ._core.link_events import LinkedVariable
from ._core.version_tracker import VersionTracker


class VariableFeed:
    """One variable of a watch."""

    __slots__ = ("identifiers", "tracker", "is_gone", "last", "shown", "filtered", "missed", "name", "next_version", "linked")

    def __init__(self, identifier: str) -> None:
        # Those of the watch that mean it.
        self.identifiers = [identifier]
        self.tracker = VersionTracker()
        self.is_gone = False
        # The value seen last, and the one that the iterator has given last.
        self.last: Any = NO_VALUE
        self.shown: Any = None
        # Let pass silently since the last update that was not, and missed before those.
        self.filtered = 0
        self.missed = 0
        self.name = ""
        # A change to this version, of the variable and the epoch that are known, needs no look at anything else; 0 = look at each.
        self.next_version = 0
        # By what its last update came that was looked at; it knows this one while `next_version` holds for it.
        self.linked: Optional[LinkedVariable] = None

"""What one link carries: its feeds by number, its handles, its sets, and what is still to be asked. (Skeleton: being filled.)"""

from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from .link_events import EMPTY_METADATA, Event


class FromRevision(NamedTuple):
    """Resumes from a revision of the session, in the epoch that the session was told (`epoch`, sent in the hello)."""

    revision: int


class FromVersions(NamedTuple):
    """Resumes from the last version seen of each variable, by id, all of one epoch."""

    epoch: str
    versions: Mapping[str, int]


Resume = Union[FromRevision, FromVersions]


class LinkSet(NamedTuple):
    """One set of an atomic batch."""

    identifier: str
    value: Any
    value_type: Optional[str] = None
    expected_version: int = 0


class LinkSession:
    """A shell drives it: what it asks goes out by `take_message`, what comes in by `handle_message`. Pure: no clock, no socket."""

    def __init__(self, session_id: str, link_id: bytes, max_bytes: int = 4 * 1024 * 1024, epoch: str = "") -> None:
        self.session_id = session_id
        self.link_id = link_id
        self.max_bytes = max_bytes
        # The server's; '' before the first welcome.
        self.epoch = epoch
        self.is_welcome = False
        self.asks_conditions = False
        # Everything up to this revision has come; 0 = nobody said so.
        self.position = 0

    def watch(
        self,
        feed: int,
        identifiers: Sequence[str],
        patterns: Sequence[str] = (),
        *,
        include_initial: bool = True,
        wait_missing: bool = False,
        wants_mark: bool = False,
        atomic: bool = False,
        condition: Optional[str] = None,
        resume: Optional[Resume] = None,
    ) -> None:
        """`feed`: a number that this link has not had. `condition`: as `condition_text` says it. `wants_mark`: asks for Synced."""
        raise NotImplementedError

    def unwatch(self, feed: int) -> None:
        """Whatever comes for it from now on is passed over."""
        raise NotImplementedError

    def set_heartbeat(self, heartbeat_ms: int) -> None:
        raise NotImplementedError

    def ask_kept(self) -> Optional[int]:
        raise NotImplementedError

    def set(
        self,
        identifier: str,
        value: Any,
        value_type: Optional[str] = None,
        *,
        source: str = "",
        metadata: Mapping[str, str] = EMPTY_METADATA,
        expected_version: int = 0,
    ) -> int:
        """Its sequence, by which SetResult names it. Raises InvalidValueError for what cannot travel."""
        raise NotImplementedError

    def set_batch(
        self, sets: Sequence[LinkSet], *, source: str = "", metadata: Mapping[str, str] = EMPTY_METADATA
    ) -> List[int]:
        """Atomic: made or refused as a whole."""
        raise NotImplementedError

    def cancel_set(self, sequence: int) -> bool:
        """True: it was not sent and is taken out. False: it was sent (or is answered); no SetResult comes for it any more."""
        raise NotImplementedError

    @property
    def unanswered(self) -> int:
        """Sets that wait or were sent."""
        raise NotImplementedError

    def take_message(self) -> Optional[bytes]:
        """What is to be sent now; None when nothing is. Call it again until it says None."""
        raise NotImplementedError

    def handle_message(self, data: bytes, now: float) -> List[Event]:
        """Raises ProtocolError: nothing that follows it can be read."""
        raise NotImplementedError

    def handle_break(self) -> List[Event]:
        """The link is gone: a new stream may be opened, `take_message` begins with the hello again. Feeds are forgotten: watch them anew.
        Sets that were sent stay, until the next welcome says what became of them."""
        raise NotImplementedError

    def fail_sets(self) -> List[Event]:
        """No link will come: what was sent has an unknown outcome, what waits was not made."""
        raise NotImplementedError

"""What a message of the link tells its owner. Path: link frame -> link session -> [link events] -> watch feeds.

An update is the hot path: it has no copy of what its variable says, and reads a payload when somebody wants its value.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from ..errors import BridgeError, InvalidTypeError
from ..types import VARIABLE_TYPES
from .link_row import FORM_DOUBLE, FORM_FALSE, FORM_INTEGER, FORM_TEXT, FORM_TRUE
from .update_ring import RingEntry
from .value_codec import EncodedValue, decode_value, normalize_value

CHANGE = "change"
INITIAL = "initial"
RESYNC = "resync"
DELETED = "deleted"

EMPTY_METADATA: Mapping[str, str] = {}


class LinkedFeed:
    """One feed of the link."""

    __slots__ = ("number", "is_over", "is_registered", "is_in_step", "is_by_id", "has_condition")

    def __init__(self, number: int, has_condition: bool) -> None:
        self.number = number
        self.is_over = False
        self.is_registered = False
        # All has come that the server had to say at first.
        self.is_in_step = False
        # A variable of it was asked for by its id.
        self.is_by_id = False
        self.has_condition = has_condition


class LinkedVariable:
    """A variable of a feed: what a handle stands for until it is announced again. One object for all updates of it."""

    __slots__ = ("linked", "id", "name", "type", "version", "identifiers", "fits", "state")

    def __init__(
        self, linked: LinkedFeed, id: str, name: str, type: str, version: int, identifiers: Tuple[str, ...]
    ) -> None:
        self.linked = linked
        self.id = id
        self.name = name
        self.type = type
        # Of its newest update.
        self.version = version
        # Those of the watch that mean it, where one of them is not its name.
        self.identifiers = identifiers
        # A bit for each form in which a value of its type comes as it is.
        self.fits = _FITS.get(type, 0)
        # Whatever the owner of the feed keeps with it.
        self.state: Any = None

    @property
    def feed(self) -> int:
        return self.linked.number


_FITS: Dict[str, int] = {
    "float": 1 << FORM_DOUBLE,
    "integer": 1 << FORM_INTEGER,
    "boolean": 1 << FORM_TRUE | 1 << FORM_FALSE,
    "string": 1 << FORM_TEXT,
    "choice": 1 << FORM_TEXT,
    "module": 1 << FORM_TEXT,
}


class UndecodedValue:
    """A value as it came: a payload, or what is not in the form of its variable's type and may be a value of it nevertheless."""

    __slots__ = ("sent", "plain")

    def __init__(self, sent: Optional[EncodedValue], plain: Any = None) -> None:
        self.sent = sent
        self.plain = plain


class Update(RingEntry):
    """
    One row: a change, an initial value, a resync or a deletion. It is what waits in the ring of its watch too, so that an update is one object on its
    way: whoever takes it fills in `key`, `flags` and what else an entry has.
    """

    __slots__ = (
        "variable", "kind", "version", "raw", "revision", "timestamp",
        "source", "metadata", "more", "reason", "has_before", "_before", "received_at",
    )  # fmt: skip

    def __init__(
        self,
        variable: LinkedVariable,
        kind: str,
        version: int,
        value: Any,
        revision: int,
        timestamp: float,
        source: str,
        missed: int = 0,
        metadata: Optional[Mapping[str, str]] = None,
        more: bool = False,
        reason: Optional[str] = None,
    ) -> None:
        self.variable = variable
        self.kind = kind
        self.version = version
        # The value, or an UndecodedValue of it until somebody has asked for `value`.
        self.raw = value
        self.revision = revision
        # Milliseconds since 1970, the server's clock.
        self.timestamp = timestamp
        self.source = source
        # As the server says it; of what waits, all that its watch has missed right before it.
        self.missed = missed
        self.filtered = 0
        self.flags = 0
        self.group = 0
        # One of its own: users may write into it.
        self.metadata: Mapping[str, str] = {} if metadata is None else metadata
        # Others follow before the watch is of one revision of the session again.
        self.more = more
        self.reason = reason
        self.has_before = False
        # Left out, as `old`, where nobody reads it: `_before`, and `received_at`, which whoever takes it says: milliseconds since 1970, this
        # process's clock.
        self._before: Any
        self.received_at: float

    @property
    def feed(self) -> int:
        return self.variable.linked.number

    @property
    def id(self) -> str:
        return self.variable.id

    @property
    def name(self) -> str:
        return self.variable.name

    @property
    def type(self) -> str:
        return self.variable.type

    @property
    def identifiers(self) -> Tuple[str, ...]:
        return self.variable.identifiers

    @property
    def value(self) -> Any:
        """None of a deletion. Raises InvalidValueError or InvalidTypeError where it is not of its variable's type."""
        value = self.raw
        if type(value) is UndecodedValue:
            value = self.raw = self._decoded(value)
        return value

    @property
    def before(self) -> Any:
        """Of a watch with a condition: the value before it, where it is said (`has_before`)."""
        value = self._before
        if type(value) is UndecodedValue:
            value = self._before = self._decoded(value)
        return value

    def say_before(self, value: Any) -> None:
        self.has_before = True
        self._before = value

    def _decoded(self, value: UndecodedValue) -> Any:
        variable = self.variable
        subject = f'variable "{variable.name or variable.id}"'
        if variable.type not in VARIABLE_TYPES:
            raise InvalidTypeError(f'{subject} has type "{variable.type}", which this version does not know')
        if value.sent is None:
            return normalize_value(variable.type, value.plain, subject)
        return decode_value(variable.type, value.sent, subject)


class Welcome(NamedTuple):
    """The server has taken the link."""

    epoch: str
    heartbeat_ms: int
    max_bytes: int
    sets_continue: bool
    asks_conditions: bool
    lost: bool
    """Sets of this link that were acknowledged are lost."""


class Registered(NamedTuple):
    """A set made from now on is seen by this feed."""

    feed: int


class Synced(NamedTuple):
    """All has come that the server had to say of the feed at first."""

    feed: int


class Ended(NamedTuple):
    """The feed is over. `code` is '' for OK."""

    feed: int
    status: int
    code: str
    message: str
    error: BridgeError


class SetResult(NamedTuple):
    """What became of a set: its version, or why it was refused."""

    sequence: int
    version: int
    error: Optional[BridgeError]


class SetsMade(NamedTuple):
    """Sets that were made, in their order: of each its number and its version. What a message answers comes so where none of it was refused."""

    sequences: List[int]
    versions: List[int]


class Draining(NamedTuple):
    """The server goes: come back spread over so many milliseconds."""

    spread_ms: int


class EpochChange(NamedTuple):
    """The epoch is another from here on; in the same life, all that was told is kept in it."""

    epoch: str


class Servers(NamedTuple):
    """Where the servers over this state are reached, those first that shall serve the session: the whole list."""

    endpoints: Tuple[str, ...]


class Position(NamedTuple):
    """Everything up to this revision of the session has come, of every feed that is registered."""

    revision: int


class Heartbeat(NamedTuple):
    """Nothing has happened."""


class KeptOut(NamedTuple):
    """Every change of the variable up to this version that was not told was kept out by the feed's condition."""

    feed: int
    variable_id: str
    version: int


class KeptAnswer(NamedTuple):
    """Everything is said that the question (`ask_kept`) asked for."""

    question: int


Event = Union[
    Update, Welcome, EpochChange, Servers, Registered, Synced, Ended, SetsMade, SetResult, Draining, Position, Heartbeat, KeptOut, KeptAnswer
]

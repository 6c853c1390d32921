"""The server's messages of a link, columns -> updates and other events. Path: HTTP/2 -> [link frame] -> link session.

The protobuf runtime reads the columns in C; the loop here takes one element of each that a row has. Whatever the bytes are, it reads rows or
raises ProtocolError. What comes for a feed that is over is read and passed over.
"""

from typing import Any, Callable, Dict, List, Optional, Tuple

from .._wire.messages import LinkDown, Message
from ..errors import ProtocolError, error_of
from .kept_feeds import KeptFeeds
from .link_events import (
    CHANGE,
    DELETED,
    INITIAL,
    RESYNC,
    Ended,
    Event,
    Heartbeat,
    LinkedFeed,
    LinkedVariable,
    Registered,
    Synced,
    UndecodedValue,
    Update,
)
from .link_row import (
    BINARY_TYPE_URL,
    FORM_BEFORE_SHIFT,
    FORM_DOUBLE,
    FORM_FALSE,
    FORM_HEADER_AND_BYTES,
    FORM_INTEGER,
    FORM_PAYLOAD,
    FORM_SHIFT,
    FORM_TEXT,
    FORM_TRUE,
    HAS_ANNOUNCEMENT,
    HAS_BEFORE,
    HAS_METADATA,
    HAS_MISSED,
    HAS_MOMENT,
    HAS_MORE,
    HAS_SOURCE,
    ROW_CHANGE,
    ROW_DELETED,
    ROW_ENDED,
    ROW_HEARTBEAT,
    ROW_MASK,
    ROW_REGISTERED,
    whole,
)
from .value_codec import EncodedValue

Next = Callable[[], Any]


def column(elements: Any) -> Next:
    """Its next element; StopIteration behind the last. A copy first: the containers of protobuf are slow to step through."""
    next_element: Next = iter(elements[:]).__next__
    return next_element


def parse_down(data: bytes) -> Message:
    """Raises ProtocolError."""
    try:
        return LinkDown.FromString(data)
    except Exception as cause:
        # DecodeError of every runtime, and UnicodeDecodeError of some.
        raise ProtocolError("the link sent a message that cannot be read: check that a bridge server is at the endpoint") from cause


class LinkReader:
    """Keeps what handles stand for from message to message of one link."""

    def __init__(self) -> None:
        self.feeds: Dict[int, LinkedFeed] = {}
        self.kept = KeptFeeds()
        self._handles: Dict[int, LinkedVariable] = {}

    def forget(self, feed: int) -> Optional[LinkedFeed]:
        """Nothing is told of it any more. None where it is no feed."""
        linked = self.feeds.pop(feed, None)
        if linked is not None:
            linked.is_over = True
            if linked.has_condition:
                self.kept.remove(feed)
        return linked

    def read_rows(self, message: Message, events: List[Event]) -> None:
        """Appends what the rows of the message say. Raises ProtocolError where its columns do not fit each other."""
        try:
            self._read_rows(message, events)
        except (StopIteration, ValueError, OverflowError) as cause:
            # Of a missing element, of NaN or an infinity for a whole number.
            raise cut() from cause

    def _read_rows(self, message: Message, events: List[Event]) -> None:
        kinds = message.kinds[:]
        if not kinds:
            return
        form = _PLAIN_FORMS.get(kinds[0], 0)
        if form and _PLAIN_KINDS[form].issuperset(kinds):
            self._read_changes(message, kinds, form, events)
            return
        handles = self._handles
        rare = _RareColumns(message)
        targets = column(message.targets)
        version_steps = column(message.version_steps)
        doubles = column(message.doubles)
        integers = rare.column_of("integers")
        # Most messages have few moments and many steps, or one moment and no step.
        timestamps = revisions = revision_steps = None
        timestamp = 0.0
        revision = 0
        source = ""
        append = events.append
        value: Any
        for kind in kinds:
            row = kind & ROW_MASK
            if row > ROW_DELETED:
                event = _HEARTBEAT if row == ROW_HEARTBEAT else self._other_row(row, targets(), rare)
                if event is not None:
                    append(event)
                continue
            target = targets()
            step = version_steps()
            if kind & HAS_MOMENT:
                if timestamps is None or revisions is None:
                    timestamps, revisions = column(message.timestamps), column(message.revisions)
                timestamp = timestamps()
                revision = whole(revisions())
            else:
                if revision_steps is None:
                    revision_steps = column(message.revision_steps)
                revision += revision_steps()
            if kind & HAS_SOURCE:
                source = rare.source()
            if kind & _HAS_RARE or row == ROW_DELETED:
                update = self._rare_row(kind, target, step, rare, doubles, (revision, timestamp, source))
                if update is not None:
                    append(update)
                continue
            form = kind >> FORM_SHIFT & 7
            if form == FORM_DOUBLE:
                value = doubles()
            else:
                value = integers() if form == FORM_INTEGER else rare.value(form)
            variable = handles.get(target)
            if variable is None or variable.linked.is_over:
                continue
            version = variable.version = variable.version + step
            if not variable.fits >> form & 1:
                value = fitted(variable.type, value)
            append(Update(variable, _KINDS[row], version, value, revision, timestamp, source))

    def _read_changes(self, message: Message, kinds: List[int], form: int, events: List[Event]) -> None:
        """Changes with a value in one column, and nothing rare: what nearly all messages are. As the rows of `_read_rows`, in one loop."""
        targets, version_steps = message.targets[:], message.version_steps[:]
        values = (message.doubles if form == FORM_DOUBLE else message.integers if form == FORM_INTEGER else message.texts)[:]
        timestamps, revisions = column(message.timestamps), column(message.revisions)
        revision_steps: Optional[Next] = None
        sources: Optional[Next] = None
        if min(len(targets), len(version_steps), len(values)) < len(kinds):
            raise cut()
        handles = self._handles
        timestamp = 0.0
        revision = 0
        source = ""
        fits = 1 << form
        append = events.append
        for kind, target, step, value in zip(kinds, targets, version_steps, values):
            if kind & HAS_MOMENT:
                timestamp = timestamps()
                revision = whole(revisions())
            else:
                if revision_steps is None:
                    revision_steps = column(message.revision_steps)
                revision += revision_steps()
            if kind & HAS_SOURCE:
                if sources is None:
                    sources = column(message.sources)
                source = sources()
            variable = handles.get(target)
            if variable is None or variable.linked.is_over:
                continue
            version = variable.version = variable.version + step
            if not variable.fits & fits:
                value = fitted(variable.type, value)
            append(Update(variable, CHANGE, version, value, revision, timestamp, source))

    def _other_row(self, row: int, feed: int, rare: "_RareColumns") -> Optional[Event]:
        if row == ROW_ENDED:
            status, code, text = rare.end()
            error = error_of(code or "UNAVAILABLE", text)
            return None if self.forget(feed) is None else Ended(feed, status, code, text, error)
        linked = self.feeds.get(feed)
        if linked is None:
            return None
        if row == ROW_REGISTERED:
            if linked.is_registered:
                return None
            linked.is_registered = True
            return Registered(feed)
        linked.is_in_step = True
        return Synced(feed)

    def _rare_row(
        self,
        kind: int,
        target: int,
        step: int,
        rare: "_RareColumns",
        doubles: Next,
        moment: Tuple[int, float, str],
    ) -> Optional[Update]:
        row = kind & ROW_MASK
        missed = rare.missed() if kind & HAS_MISSED else 0
        metadata = rare.metadata() if kind & HAS_METADATA else None
        reason = rare.reason() if row == ROW_DELETED else None
        handles = self._handles
        variable = handles.get(target)
        if kind & HAS_ANNOUNCEMENT:
            variable = self._announced(target, rare.announcement())
        elif variable is not None:
            variable.version += step
        before: Any = None
        if kind & HAS_BEFORE:
            form = kind >> FORM_BEFORE_SHIFT & 7
            before = doubles() if form == FORM_DOUBLE else rare.value(form)
            if variable is not None and not variable.fits >> form & 1:
                before = fitted(variable.type, before)
        form = kind >> FORM_SHIFT & 7
        value = doubles() if form == FORM_DOUBLE else rare.value(form)
        if variable is None or variable.linked.is_over:
            return None
        if row == ROW_DELETED:
            value = None
            handles.pop(target, None)
        elif not variable.fits >> form & 1:
            value = fitted(variable.type, value)
        more = bool(kind & HAS_MORE)
        revision, timestamp, source = moment
        update = Update(
            variable, _KINDS[row], variable.version, value, revision, timestamp, source, missed, metadata, more, reason
        )
        if kind & HAS_BEFORE:
            update.say_before(before)
        return update


    def _announced(self, target: int, announcement: "_Announcement") -> Optional[LinkedVariable]:
        """What the handle stands for from now on; None for a feed that is over."""
        feed, id, name, type, version, identifiers = announcement
        linked = self.feeds.get(feed)
        if linked is None:
            self._handles.pop(target, None)
            return None
        if identifiers:
            linked.is_by_id = True
        if linked.has_condition:
            self.kept.add(id, feed)
        variable = self._handles[target] = LinkedVariable(linked, id, name, type, version, identifiers)
        return variable


_Announcement = Tuple[int, str, str, str, int, Tuple[str, ...]]


class _RareColumns:
    """Columns that most messages do not have: taken out of the message when a row asks for one."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._columns: Dict[str, Next] = {}

    def column_of(self, name: str) -> Next:
        """For who asks of most rows; it is the same that the others take from."""
        known = self._columns[name] = column(getattr(self._message, name))
        return known

    def next_of(self, name: str) -> Any:
        known = self._columns.get(name)
        if known is None:
            known = self._columns[name] = column(getattr(self._message, name))
        return known()

    def source(self) -> str:
        source: str = self.next_of("sources")
        return source

    def missed(self) -> int:
        return whole(self.next_of("missed"))

    def reason(self) -> str:
        reason: str = self.next_of("reasons")
        return reason

    def metadata(self) -> Dict[str, str]:
        next_of = self.next_of
        metadata: Dict[str, str] = {}
        for _ in range(next_of("metadata_counts")):
            key = next_of("metadata_texts")
            metadata[key] = next_of("metadata_texts")
        return metadata

    def announcement(self) -> _Announcement:
        """The feed, and what a LinkedVariable is made of."""
        next_of = self.next_of
        feed = next_of("announced_feeds")
        id, name, type = next_of("announced_ids"), next_of("announced_names"), next_of("announced_types")
        version = whole(next_of("announced_versions"))
        count = next_of("announced_identifier_counts")
        # A loop: a generator would turn the end of the column into a RuntimeError.
        identifiers: List[str] = []
        for _ in range(count):
            identifiers.append(next_of("announced_identifiers"))
        return feed, id, name, type, version, tuple(identifiers)

    def end(self) -> Tuple[int, str, str]:
        next_of = self.next_of
        return next_of("end_statuses"), next_of("end_codes"), next_of("end_messages")

    def value(self, form: int) -> Any:
        if form == FORM_INTEGER:
            return self.next_of("integers")
        if form == FORM_TRUE:
            return True
        if form == FORM_FALSE:
            return False
        if form == FORM_TEXT:
            return self.next_of("texts")
        if form == FORM_PAYLOAD:
            return UndecodedValue(EncodedValue("", self.next_of("payloads")))
        if form == FORM_HEADER_AND_BYTES:
            header = self.next_of("payloads")
            return UndecodedValue(EncodedValue(BINARY_TYPE_URL, header, self.next_of("payloads")))
        return None


def fitted(type_of_it: str, value: Any) -> Any:
    """
    What did not come in the form of its variable's type. A whole number travels as a double beyond 32 bits, and one of either kind is read here and now:
    its update is then as simple as others. The rest is read, or refused, when somebody wants it: the other updates of the link are none the worse for it.
    """
    if type_of_it == "integer":
        if type(value) is float and -_BEYOND_EXACT < value < _BEYOND_EXACT and value.is_integer():
            return int(value)
    elif type_of_it == "float" and type(value) is int:
        return float(value)
    return value if type(value) is UndecodedValue else UndecodedValue(None, value)


def cut() -> ProtocolError:
    return ProtocolError("the link sent a message whose columns do not fit each other: check that a bridge server is at the endpoint")


_KINDS = (CHANGE, INITIAL, RESYNC, DELETED)
_HAS_RARE = HAS_MORE | HAS_MISSED | HAS_METADATA | HAS_ANNOUNCEMENT | HAS_BEFORE
_HEARTBEAT = Heartbeat()
# From here on a double may stand for more whole numbers than one.
_BEYOND_EXACT = 2.0**53
# By form: the kinds of changes with a value of it that have nothing rare; and the form of each such kind.
_PLAIN_KINDS = {
    form: frozenset(ROW_CHANGE | form << FORM_SHIFT | moment | source for moment in (0, HAS_MOMENT) for source in (0, HAS_SOURCE))
    for form in (FORM_DOUBLE, FORM_INTEGER, FORM_TEXT)
}
_PLAIN_FORMS = {kind: form for form, kinds in _PLAIN_KINDS.items() for kind in kinds}

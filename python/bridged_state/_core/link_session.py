"""What one link carries: its feeds by number, its handles, its sets, and what is still to be asked. Path: shell -> [link session] -> shell.

Pure: a shell asks, sends what `take_message` gives, and hands over what comes. What comes for a feed that was closed is passed over. It outlives
the stream: after `handle_break` it begins anew, with the sets that are not answered.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._wire.messages import LinkUp, Message
from ..errors import InvalidArgumentError, MessageTooLargeError, ProtocolError
from .describe_value import describe_value
from .endpoint_list import endpoints_of
from .link_events import EMPTY_METADATA, Draining, EpochChange, Event, LinkedFeed, Position, Servers, Welcome
from .link_frame import LinkReader, cut, parse_down
from .link_request import FromRevision as FromRevision
from .link_request import FromVersions as FromVersions
from .link_request import Resume as Resume
from .link_request import WatchRow, text_size, texts_size
from .link_row import MESSAGE_BYTES, whole
from .metadata import check_text, copy_metadata
from .set_queue import MAX_UNANSWERED, QueuedSet, SetColumns, SetQueue
from .set_value import form_of_value


class LinkSet(NamedTuple):
    """One set of an atomic batch."""

    identifier: str
    value: Any
    value_type: Optional[str] = None
    expected_version: int = 0


class LinkSession:
    def __init__(
        self,
        session_id: str,
        link_id: bytes,
        max_bytes: int = 4 * 1024 * 1024,
        epoch: str = "",
        max_request_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        self.session_id = session_id
        # 16 bytes of the shell's choice, kept over breaks; b"" for one that sends no set again.
        self.link_id = link_id
        # The largest message that we take, and that the server takes.
        self.max_bytes = max_bytes
        self.max_request_bytes = max_request_bytes
        # The server's; '' before anybody said it.
        self.epoch = epoch
        self.is_welcome = False
        self.asks_conditions = False
        # Everything up to this revision has come on the present link; 0 = nobody said so.
        self.position = 0
        self._sets = SetQueue()
        self._next_sequence = 1
        # Who was said to have set last, and about how many bytes a set by them takes but for its identifier and value.
        self._source = ""
        self._source_size = _BYTES_AROUND_A_SET + text_size("")
        self._resumes: Dict[int, FromRevision] = {}
        self._heartbeat_ms = 0
        self._spacing_ms = 0
        self._begin()

    def _begin(self) -> None:
        self._reader = LinkReader()
        self._set_columns = SetColumns()
        self._is_hello_said = False
        self._hello_epoch = ""
        self._asked: Dict[int, WatchRow] = {}
        self._unwatched: List[int] = []
        self._is_heartbeat_said = self._heartbeat_ms == 0
        self._is_spacing_said = self._spacing_ms == 0
        self._kept_question = 0
        self._is_question_said = True

    @property
    def said_epoch(self) -> str:
        """That revisions to resume from are of: the hello says it."""
        return self._hello_epoch if self._is_hello_said else self.epoch

    # --- watches

    def watch(
        self,
        feed: int,
        identifiers: Sequence[str],
        patterns: Sequence[str] = (),
        *,
        include_initial: bool = True,
        wait_missing: bool = False,
        wants_mark: bool = True,
        atomic: bool = False,
        condition: Optional[str] = None,
        resume: Optional[Resume] = None,
        unseen_initial: bool = False,
    ) -> None:
        """
        `feed`: a number from 0 to 2^32 - 1 that this link has not had. `condition`: as `condition_text` says it. `wants_mark`: asks for Synced,
        without which a feed cannot resume from a revision. `unseen_initial`: present values of what `resume` does not name are initial,
        as for a watch that was never in step. Raises MessageTooLargeError and InvalidArgumentError, and asks for nothing then.
        """
        if feed in self._reader.feeds:
            raise InvalidArgumentError(f"feed {feed} is watched already: give each watch of a link a number of its own")
        if not 0 <= feed < 2**32:
            raise InvalidArgumentError(f"feed {feed} is none: give a number from 0 to 2^32 - 1")
        if isinstance(resume, FromRevision) and resume.epoch != self.said_epoch:
            raise InvalidArgumentError(
                f'feed {feed} cannot resume from a revision of epoch "{resume.epoch}" in epoch "{self.said_epoch}": give versions'
            )
        row = WatchRow(
            feed, identifiers, patterns, include_initial, wait_missing, wants_mark, atomic, condition, resume, unseen_initial
        )
        self._check_size("request", row.size)
        self._resumes.pop(feed, None)
        linked = self._reader.feeds[feed] = LinkedFeed(feed, condition is not None)
        if linked.has_condition and isinstance(resume, FromVersions):
            for id in resume.versions:
                self._reader.kept.add(id, feed)
        self._asked[feed] = row

    def unwatch(self, feed: int) -> None:
        """Whatever comes for it from now on is passed over."""
        self._resumes.pop(feed, None)
        if self._reader.forget(feed) is None:
            return
        # What was not asked for yet is not asked for.
        if self._asked.pop(feed, None) is None:
            self._unwatched.append(feed)

    def is_registered(self, feed: int) -> bool:
        linked = self._reader.feeds.get(feed)
        return linked is not None and linked.is_registered

    def resume_of(self, feed: int) -> Optional[FromRevision]:
        """
        After a break: where the feed can resume, if it was in step. None where it has to resume by versions: it has a condition, is watched by
        an id, or had not been told everything. The same epoch has to be there.
        """
        return self._resumes.get(feed)

    def set_heartbeat(self, heartbeat_ms: int) -> None:
        """How long the server may be silent."""
        self._heartbeat_ms = min(int(heartbeat_ms), _LAST_INT32)
        self._is_heartbeat_said = False

    def set_spacing(self, spacing_ms: int) -> None:
        """How far apart messages of updates shall be while they come; of the next stream on. 0 = each turn of the server. A server may not know of it."""
        self._spacing_ms = spacing_ms
        self._is_spacing_said = spacing_ms == 0

    def ask_kept(self) -> Optional[int]:
        """Asks what conditions have kept out: a KeptAnswer with this number follows what there is to say. None where nothing can be asked."""
        if not self.asks_conditions or self._reader.kept.is_empty:
            return None
        self._kept_question += 1
        self._is_question_said = False
        return self._kept_question

    # --- sets

    def form(
        self,
        identifier: str,
        value: Any,
        value_type: Optional[str] = None,
        expected_version: int = 0,
        source: str = "",
        metadata: Mapping[str, str] = EMPTY_METADATA,
    ) -> QueuedSet:
        """
        A set that is to be pushed, as its value is now; SetsMade or SetResult names it by its `sequence`. Raises InvalidValueError,
        InvalidArgumentError and MessageTooLargeError.
        """
        if type(expected_version) is not int or expected_version != 0:
            _check_version(expected_version, identifier)
        around, own = self._said_with(source, metadata, identifier)
        formed = self._queued(identifier, value, value_type, expected_version, source, own, around)
        if formed.size > self.max_request_bytes - _BYTES_AROUND_A_MESSAGE:
            self._check_size("set", formed.size)
        return formed

    def form_each(
        self, values: Mapping[str, Any], source: str = "", metadata: Mapping[str, str] = EMPTY_METADATA
    ) -> List[QueuedSet]:
        """Several, each for itself; their numbers follow one another. Raises as `form`, and has formed none then."""
        around, own = self._said_with(source, metadata, next(iter(values), ""))
        formed: List[QueuedSet] = []
        for identifier, value in values.items():
            one = self._queued(identifier, value, None, 0, source, own, around)
            if one.size > self.max_request_bytes - _BYTES_AROUND_A_MESSAGE:
                self._check_size("set", one.size)
            formed.append(one)
        return formed

    def form_batch(
        self, sets: Sequence[LinkSet], source: str = "", metadata: Mapping[str, str] = EMPTY_METADATA
    ) -> List[QueuedSet]:
        """The sets of an atomic batch, which are to be pushed together: made under one revision, or refused as a whole. Raises as `form`."""
        batch: List[QueuedSet] = []
        for one in sets:
            _check_version(one.expected_version, one.identifier)
            around, own = self._said_with(source, EMPTY_METADATA if batch else metadata, one.identifier)
            batch.append(self._queued(one.identifier, one.value, one.value_type, one.expected_version, source, own, around))
        self._check_size("batch", sum(one.size for one in batch))
        if len(batch) > MAX_UNANSWERED:
            raise InvalidArgumentError(f"a batch of {len(batch)} sets is too large: give at most {MAX_UNANSWERED}")
        return batch

    def check_formed(self, sets: Sequence[QueuedSet], is_batch: bool) -> None:
        """Of sets that were formed a while ago: raises MessageTooLargeError where this server takes less than that of then."""
        sizes = [one.size for one in sets]
        self._check_size("batch" if is_batch else "set", sum(sizes) if is_batch else max(sizes))

    def push(self, batch: Sequence[QueuedSet]) -> None:
        """One set, or those of an atomic batch; in the order in which they were formed."""
        self._sets.push(batch)

    def push_each(self, sets: Sequence[QueuedSet]) -> None:
        """Each for itself."""
        self._sets.push_each(sets)

    def cancel_set(self, sequence: int) -> bool:
        """
        Nobody asks for it any more. True: it was not sent, and will not be, nor will the others of its batch: cancel them too. False: it may be
        made, or is answered; its result comes all the same, for what waits until it is over.
        """
        return self._sets.cancel(sequence)

    @property
    def unanswered(self) -> int:
        """Sets that wait, or were sent."""
        return self._sets.unanswered

    @property
    def has_waiting_sets(self) -> bool:
        """`take_message` gives them now, or when outcomes have come, or when the link is welcome."""
        return self._sets.has_waiting

    def fail_sets(self) -> List[Event]:
        """No link will come: what became of those that were sent is unknown, the others were not made."""
        events: List[Event] = []
        self._sets.fail_all(events)
        return events

    def _said_with(self, source: str, metadata: Mapping[str, str], identifier: str) -> Tuple[int, Mapping[str, str]]:
        """Of sets that are said by one source with these metadata: about how many bytes that takes, and a copy of them."""
        if source is not self._source:
            # The same text mostly, set after set.
            self._source_size = _BYTES_AROUND_A_SET + text_size(check_text(source, f'variable "{identifier}"'))
            self._source = source
        if not metadata:
            return self._source_size, EMPTY_METADATA
        own = copy_metadata(metadata, f'variable "{identifier}"')
        return self._source_size + texts_size(list(own.keys())) + texts_size(list(own.values())), own

    def _check_size(self, what: str, size: int) -> None:
        if size + _BYTES_AROUND_A_MESSAGE > self.max_request_bytes:
            raise MessageTooLargeError.of("Open", what, size, self.max_request_bytes)

    def _queued(
        self,
        identifier: str,
        value: Any,
        value_type: Optional[str],
        expected_version: int,
        source: str,
        metadata: Mapping[str, str],
        size: int,
    ) -> QueuedSet:
        """`size`: of all but the identifier and the value."""
        if type(identifier) is str and identifier.isascii():
            size += len(identifier) + 4
        else:
            size += text_size(check_text(identifier, "set"))
        form, plain, binary, value_size = form_of_value(value, value_type, identifier)
        sequence = self._next_sequence
        self._next_sequence = sequence + 1
        return QueuedSet(sequence, identifier, form, plain, binary, source, metadata, expected_version, size + value_size)

    # --- messages

    def take_message(self) -> Optional[bytes]:
        """What is to be sent now, of about 64 KB; None when nothing is. Call it again until it says None."""
        if not self._has_to_say():
            return None
        message = LinkUp()
        has_more = False
        room = min(MESSAGE_BYTES, self.max_request_bytes - _BYTES_AROUND_A_MESSAGE)
        size = 0
        if not self._is_hello_said:
            self._is_hello_said = has_more = True
            self._write_hello(message)
            size = message.ByteSize()
        size = self._write_watches(message, size, room)
        most_unwatched = max(0, room - size) // _BYTES_OF_A_NUMBER
        if self._unwatched and most_unwatched > 0:
            unwatched = self._unwatched[:most_unwatched]
            del self._unwatched[:most_unwatched]
            message.unwatch_feeds.extend(unwatched)
            size += _BYTES_OF_A_NUMBER * len(unwatched)
        if not self._is_heartbeat_said:
            message.heartbeat_ms = self._heartbeat_ms
            self._is_heartbeat_said = has_more = True
        if not self._is_spacing_said:
            message.spacing_ms = self._spacing_ms
            self._is_spacing_said = has_more = True
        if not self._is_question_said:
            message.kept_question = self._kept_question
            self._is_question_said = has_more = True
        # Before its welcome the server may never hear of this link: what became of sets that break with it would be unknown.
        if self.is_welcome:
            self._sets.take(self._set_columns, message, size, room)
        if not has_more and size == 0 and not message.set_kinds:
            return None
        data: bytes = message.SerializeToString()
        return data

    def _has_to_say(self) -> bool:
        """False: nothing. A message is not begun for that."""
        return bool(
            (self.is_welcome and self._sets.has_waiting)
            or self._asked
            or self._unwatched
            or not (self._is_hello_said and self._is_heartbeat_said and self._is_spacing_said and self._is_question_said)
        )

    def _write_hello(self, message: Message) -> None:
        hello = message.hello
        hello.session_id = self.session_id
        hello.max_bytes = min(int(self.max_bytes), _LAST_INT32)
        hello.link_id = self.link_id
        hello.sets_answered = self._sets.answered_for_hello()
        hello.sets_done = self._sets.done
        hello.epoch = self._hello_epoch = self.epoch

    def _write_watches(self, message: Message, size: int, room: int) -> int:
        while self._asked:
            watch = next(iter(self._asked.values()))
            if size > 0 and size + watch.size > room:
                break
            size += watch.size
            del self._asked[watch.feed]
            watch.write(message)
        return size

    def handle_message(self, data: bytes, now: float = 0.0) -> List[Event]:
        """
        What a message of the server says, in order. Raises ProtocolError: nothing that follows it can be read, so end the stream, then
        `handle_break`. What was said before the fault is lost with it: watches resume from what their owner has seen.
        """
        message = parse_down(data)
        events: List[Event] = []
        welcome: Optional[Welcome] = None
        try:
            if message.HasField("welcome"):
                welcome = self._welcome_of(message.welcome)
                events.append(welcome)
            for epoch in message.epochs:
                self.epoch = epoch
                events.append(EpochChange(epoch))
            if message.servers:
                events.append(Servers(endpoints_of(message.servers)))
            self._reader.read_rows(message, events)
            self._reader.kept.read(message, events)
            for revision in message.positions:
                self.position = whole(revision)
                events.append(Position(self.position))
            for spread_ms in message.draining_ms:
                events.append(Draining(spread_ms))
            # Last: a result that is said once is not lost with a fault elsewhere.
            if welcome is not None:
                sets_made, sets_lost = whole(message.welcome.sets_made), whole(message.welcome.sets_lost)
                self._sets.handle_welcome(welcome.sets_continue, sets_made, sets_lost, events)
                self._sets.limit_to(self.max_request_bytes - _BYTES_AROUND_A_MESSAGE, events)
            self._sets.handle_outcomes(message, events)
        except (ValueError, OverflowError) as cause:
            # NaN or an infinity for a whole number.
            raise cut() from cause
        return events

    def _welcome_of(self, welcome: Message) -> Welcome:
        if self.is_welcome:
            raise ProtocolError("the link is welcomed twice: check that a bridge server is at the endpoint")
        self.is_welcome = True
        self.epoch = welcome.epoch
        self.asks_conditions = welcome.asks_conditions
        if welcome.max_bytes > 0:
            self.max_request_bytes = min(self.max_request_bytes, welcome.max_bytes)
        return Welcome(
            welcome.epoch,
            welcome.heartbeat_ms,
            welcome.max_bytes,
            welcome.sets_continue,
            welcome.asks_conditions,
            welcome.lost,
        )

    def handle_break(self, is_of_session: bool = False) -> List[Event]:
        """
        The stream is gone; on the next one `take_message` begins with the hello. Its feeds are forgotten: watch them again, under any number,
        from `resume_of` or from versions. Sets stay; the next welcome says what became of those that were sent. `is_of_session`: it ended with
        its session, and none of those was made. Returns what became of some.
        """
        if self.position > 0:
            for linked in self._reader.feeds.values():
                if linked.is_in_step and not linked.has_condition and not linked.is_by_id:
                    self._resumes[linked.number] = FromRevision(self.epoch, self.position)
        for linked in self._reader.feeds.values():
            linked.is_over = True
        self.position = 0
        self.is_welcome = False
        self.asks_conditions = False
        events = self._sets.handle_break(is_of_session)
        self._begin()
        return events


def _check_version(version: Any, identifier: str) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version < 2**53:
        raise InvalidArgumentError(
            f'variable "{identifier}": expected_version is {describe_value(version)}: give the version that you have read'
        )


_BYTES_AROUND_A_SET = 24
_BYTES_AROUND_A_MESSAGE = 256
_BYTES_OF_A_NUMBER = 5
_LAST_INT32 = 2**31 - 1

"""Sets that go by the link, in their order: those that wait for it, and those that were sent and not answered.

Path: caller -> [set queue] -> link session. It outlives the link: what was sent and not answered when one breaks is sent again on the next, in
its order and under its number, unless the server has it already; where the server knows nothing of the link before, its outcome is unknown.
What was refused because its session was ended goes, with all that was sent behind it, by the next link: no server has made any of it. A
number is never that of another set: what a server before this one has still to make is found to be made, or withdrawn. What no message of the
next link can carry, because its server takes less, is refused at once; another set, which the server refuses, has its number.
Bounded by what its owner lets in, at most 8,192 in a batch; so many are unanswered at a time.
"""

from collections import deque
from typing import Any, Deque, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

from .._wire.messages import Message
from ..errors import (
    ErrorDetails,
    MessageTooLargeError,
    ProtocolError,
    UnavailableError,
    UnknownOutcomeError,
    error_of,
)
from .link_events import EMPTY_METADATA, Event, SetResult, SetsMade
from .link_row import (
    FORM_DOUBLE,
    FORM_HEADER_AND_BYTES,
    FORM_INTEGER,
    FORM_PAYLOAD,
    FORM_TEXT,
    MAX_NAMES,
    MESSAGE_BYTES,
    SETS_EXPECTED_VERSION,
    SETS_METADATA,
    SETS_MORE,
    SETS_NAME,
    SETS_SOURCE,
)

MAX_VERSION = 2**53
SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
MAX_UNANSWERED = 8_192
"""Above what an atomic batch may have."""


class QueuedSet:
    """One set; `value` by its form: a number, a text, a payload, or the header and the bytes."""

    __slots__ = (
        "sequence", "identifier", "form", "value", "binary", "source", "metadata", "expected_version", "size",
        "batch", "batch_place", "is_sent", "is_over",
    )  # fmt: skip

    def __init__(
        self,
        sequence: int,
        identifier: str,
        form: int,
        value: Any,
        binary: Optional[bytes],
        source: str,
        metadata: Mapping[str, str],
        expected_version: int,
        size: int,
    ) -> None:
        self.sequence = sequence
        self.identifier = identifier
        self.form = form
        self.value = value
        self.binary = binary
        self.source = source
        self.metadata = metadata
        self.expected_version = expected_version
        # About how many bytes it takes in a message.
        self.size = size
        # Itself and the others of its atomic batch, where there is one.
        self.batch: Optional[Sequence["QueuedSet"]] = None
        self.batch_place = 0
        self.is_sent = False
        # Nobody asks for its outcome any more.
        self.is_over = False


class SetColumns:
    """Writes sets into a LinkUp message. Identifiers are named once a link and are numbers from then on."""

    def __init__(self) -> None:
        self._numbers: Dict[str, int] = {}

    def write(self, message: Message, sets: Sequence[QueuedSet]) -> None:
        kinds: List[int] = []
        targets: List[int] = []
        names: List[str] = []
        doubles: List[float] = []
        integers: List[int] = []
        texts: List[str] = []
        payloads: List[bytes] = []
        last_source = ""
        numbers = self._numbers
        for one in sets:
            kind = form = one.form
            if form == FORM_DOUBLE:
                doubles.append(one.value)
            elif form == FORM_INTEGER:
                integers.append(one.value)
            elif form == FORM_TEXT:
                texts.append(one.value)
            elif form == FORM_PAYLOAD:
                payloads.append(one.value)
            elif form == FORM_HEADER_AND_BYTES:
                payloads.append(one.value)
                payloads.append(one.binary or b"")
            if one.batch is not None and one.batch_place + 1 < len(one.batch):
                kind |= SETS_MORE
            number = numbers.get(one.identifier)
            if number is None:
                # Begun anew rather than without an end: the server takes a number's last name.
                if len(numbers) >= MAX_NAMES:
                    numbers.clear()
                number = numbers[one.identifier] = len(numbers)
                names.append(one.identifier)
                kind |= SETS_NAME
            targets.append(number)
            if one.expected_version:
                kind |= SETS_EXPECTED_VERSION
                message.set_expected_versions.append(one.expected_version)
            if one.source != last_source:
                kind |= SETS_SOURCE
                last_source = one.source
                message.set_sources.append(last_source)
            if one.metadata:
                kind |= SETS_METADATA
                message.set_metadata_counts.append(len(one.metadata))
                for entry in one.metadata.items():
                    message.set_metadata_texts.extend(entry)
            kinds.append(kind)
        message.set_kinds.extend(kinds)
        message.set_targets.extend(targets)
        # A column that is not touched costs nothing.
        if names:
            message.set_names.extend(names)
        if doubles:
            message.set_doubles.extend(doubles)
        if integers:
            message.set_integers.extend(integers)
        if texts:
            message.set_texts.extend(texts)
        if payloads:
            message.set_payloads.extend(payloads)


class SetQueue:
    def __init__(self) -> None:
        self._waiting: Deque[QueuedSet] = deque()
        self._sent: Deque[QueuedSet] = deque()
        # Those whose session was not there: before all that was sent or waits behind them.
        self._returning: List[QueuedSet] = []
        self._by_sequence: Dict[int, QueuedSet] = {}
        # On the wire, of the first that was sent and is not answered.
        self._first_sent = 1
        # The last set that has a version.
        self.done = 0
        # The link broke with sets on it: what became of them is known when the next one is welcome.
        self._is_resuming = False
        # How many of the last that were sent the next message begins with: they were sent on a link that broke.
        self._unsaid = 0
        # Of the first that were sent: the hello of the link that is not welcome yet says that nobody asks for them.
        self._withdrawn = 0

    @property
    def answered(self) -> int:
        """The last set, as the wire numbers them, whose outcome came, or is not asked for any more."""
        return self._first_sent - 1

    def answered_for_hello(self) -> int:
        """Up to there nothing is to be made any more."""
        self._withdrawn = 0
        for one in self._sent:
            if not one.is_over:
                break
            self._withdrawn += 1
        return self.answered + self._withdrawn

    @property
    def unanswered(self) -> int:
        return len(self._waiting) + len(self._sent) + len(self._returning)

    @property
    def has_waiting(self) -> bool:
        return not self._returning and (bool(self._waiting) or self._unsaid > 0)

    def push(self, batch: Sequence[QueuedSet]) -> None:
        """One set, or an atomic batch."""
        if len(batch) > 1:
            for place, one in enumerate(batch):
                one.batch = batch
                one.batch_place = place
        self.push_each(batch)

    def push_each(self, sets: Sequence[QueuedSet]) -> None:
        """Each for itself."""
        for one in sets:
            self._by_sequence[one.sequence] = one
        self._waiting.extend(sets)

    def cancel(self, sequence: int) -> bool:
        """
        Nobody asks for it any more. True: it was not sent, and will not be, nor will the others of its batch: cancel them too. False: it may be
        made, or is answered; its result comes all the same, for what waits until it is over.
        """
        one = self._by_sequence.get(sequence)
        if one is None:
            return False
        one.is_over = True
        if one.is_sent:
            return False
        del self._by_sequence[sequence]
        for other in one.batch or ():
            other.is_over = True
        return True

    def take(self, columns: SetColumns, message: Message, size: int, room: int = MESSAGE_BYTES) -> None:
        """Writes what fits into a message that has `size` of its `room` bytes already, and as many as may be unanswered."""
        if self._is_resuming or not self.has_waiting:
            return
        waiting, sent = self._waiting, self._sent
        taken: List[QueuedSet] = []
        sequence = self._first_sent + len(sent) - self._unsaid
        size = self._say_again(taken, size, room)
        again = len(taken)
        most = again + MAX_UNANSWERED - len(sent)
        while waiting and self._unsaid == 0:
            first = waiting[0]
            batch = first.batch
            if batch is None:
                # What nearly all are: no batch, and asked for.
                own = first.size
                if not first.is_over:
                    if len(taken) >= most or (size > 0 and size + own > room):
                        break
                    size += own
                    first.is_sent = True
                    taken.append(waiting.popleft())
                    continue
                batch = (first,)
            if all(one.is_over for one in batch):
                for one in batch:
                    waiting.popleft()
                    self._by_sequence.pop(one.sequence, None)
                continue
            own = sum(one.size for one in batch)
            if len(taken) + len(batch) > most or (size > 0 and size + own > room):
                break
            size += own
            for one in batch:
                one.is_sent = True
                taken.append(waiting.popleft())
        if not taken:
            return
        sent.extend(taken[again:])
        columns.write(message, taken)
        message.set_sequence = sequence
        message.sets_answered = self.answered

    def _say_again(self, taken: List[QueuedSet], size: int, room: int) -> int:
        """Of those that a broken link left unanswered, what fits. Returns the size of the message with them."""
        if self._unsaid == 0:
            return size
        left = list(self._sent)[-self._unsaid :]
        place = 0
        while place < len(left):
            first = left[place]
            batch = left[place : place + (1 if first.batch is None else len(first.batch) - first.batch_place)]
            own = sum(one.size for one in batch)
            if size > 0 and size + own > room:
                break
            size += own
            taken.extend(batch)
            place += len(batch)
        self._unsaid -= place
        return size

    def handle_outcomes(self, message: Message, events: List[Event]) -> None:
        """Raises ProtocolError for more than were sent."""
        versions: List[float] = message.set_versions[:]
        if not versions:
            return
        if len(versions) > len(self._sent) - self._unsaid:
            raise ProtocolError("the link answers a set that was not sent")
        # The sum is for NaN, which is neither the least nor the most of a list.
        if not (min(versions) >= 0 and max(versions) <= MAX_VERSION and sum(versions) >= 0):
            raise ProtocolError("the link answers a set with a version that is none")
        if 0 not in versions:
            self._handle_made(versions, events)
            return
        codes, sentences = list(message.refusal_codes), list(message.refusal_messages)
        if versions.count(0) > min(len(codes), len(sentences)):
            raise ProtocolError("the link refuses a set and does not say why")
        refusals = iter(zip(codes, sentences))
        for version in versions:
            one = self._take_sent()
            if version > 0:
                self.done = self.answered
                self._settle(one, SetResult(one.sequence, int(version), None), events)
            else:
                code, sentence = next(refusals)
                if code == SESSION_NOT_FOUND and not one.is_over:
                    # Nor is what comes behind it on this link made.
                    self._returning.append(one)
                    continue
                self._settle(one, SetResult(one.sequence, 0, error_of(code, sentence, _about(one))), events)

    def _handle_made(self, versions: List[float], events: List[Event]) -> None:
        """All of them."""
        take_sent, forget = self._sent.popleft, self._by_sequence.pop
        made = SetsMade([], [])
        for version in versions:
            sequence = take_sent().sequence
            if forget(sequence, None) is not None:
                made.sequences.append(sequence)
                made.versions.append(int(version))
        self._first_sent += len(versions)
        self.done = self.answered
        events.append(made)

    def handle_break(self, is_of_session: bool = False) -> List[Event]:
        """The link they were sent on is gone; `is_of_session`: because its session is, behind the outcomes of all that was made."""
        events: List[Event] = []
        self._unsaid = 0
        if self._returning or (is_of_session and not self._is_resuming):
            self._take_back(events)
        if self._sent:
            self._is_resuming = True
        return events

    def _take_back(self, events: List[Event]) -> None:
        """They wait again, before all others."""
        returning, self._returning = self._returning, []
        while self._sent:
            returning.append(self._take_sent())
        for one in reversed(returning):
            if one.is_over:
                self._fail_one(one, events)
                continue
            one.is_sent = False
            self._waiting.appendleft(one)

    def handle_welcome(self, sets_continue: bool, sets_made: int, sets_lost: int, events: List[Event]) -> None:
        """The next link is taken, and says of the one before whether it is known, which sets were made, and of which nobody knows."""
        if not self._is_resuming:
            return
        self._is_resuming = False
        if not sets_continue:
            self._fail_sent(events)
            return
        for _ in range(self._withdrawn):
            self._fail_one(self._take_sent(), events)
        self._withdrawn = 0
        while self._sent and self._first_sent <= sets_lost:
            self._fail_one(self._take_sent(), events)
        # Outcomes of those that were made follow; the others go again, under their numbers. A batch is made whole or not at all.
        made = min(len(self._sent), max(0, sets_made - self.answered))
        while made < len(self._sent) and self._sent[made].batch_place > 0:
            made += 1
        self._unsaid = len(self._sent) - made

    def limit_to(self, most_bytes: int, events: List[Event]) -> None:
        """Of a message of sets: what was formed for a server that takes more is refused, and the server gets not to see it."""
        unsaid = list(self._sent)[len(self._sent) - self._unsaid :]
        for one in self._refuse_large(unsaid, most_bytes, events):
            _refuse_in_place_of(one)
        refused = {one.sequence for one in self._refuse_large(self._waiting, most_bytes, events)}
        if refused:
            self._waiting = deque(one for one in self._waiting if one.sequence not in refused)

    def _refuse_large(self, sets: Iterable[QueuedSet], most_bytes: int, events: List[Event]) -> List[QueuedSet]:
        """Those of sets and batches that are larger than this: their callers are told."""
        refused: List[QueuedSet] = []
        for batch in _batches_of(sets):
            size = sum(one.size for one in batch)
            if size <= most_bytes:
                continue
            for one in batch:
                self._settle(one, _too_large(one, size, most_bytes), events)
            refused.extend(batch)
        return refused

    def fail_all(self, events: List[Event]) -> None:
        """No link will come: what became of those that were sent is unknown, the others were not made."""
        self._is_resuming = False
        if self._returning:
            self._take_back(events)
        self._fail_sent(events)
        while self._waiting:
            one = self._waiting.popleft()
            error = UnavailableError(
                f'variable "{one.identifier}": no link to the server came in time: it was not set', details=_about(one)
            )
            self._settle(one, SetResult(one.sequence, 0, error), events)

    def _fail_sent(self, events: List[Event]) -> None:
        self._unsaid = 0
        while self._sent:
            self._fail_one(self._take_sent(), events)

    def _fail_one(self, one: QueuedSet, events: List[Event]) -> None:
        self._settle(one, SetResult(one.sequence, 0, unknown_outcome(one)), events)

    def _take_sent(self) -> QueuedSet:
        self._first_sent += 1
        return self._sent.popleft()

    def _settle(self, one: QueuedSet, result: SetResult, events: List[Event]) -> None:
        if self._by_sequence.pop(one.sequence, None) is not None:
            events.append(result)


def _batches_of(sets: Iterable[QueuedSet]) -> Iterator[List[QueuedSet]]:
    """Each alone that is of none."""
    batch: List[QueuedSet] = []
    for one in sets:
        batch.append(one)
        if one.batch is None or one.batch_place + 1 == len(one.batch):
            yield batch
            batch = []


def _refuse_in_place_of(one: QueuedSet) -> None:
    """It has its number on the wire: it says no value, which no type takes."""
    one.batch, one.batch_place = None, 0
    one.form, one.value, one.binary = FORM_PAYLOAD, b"", None
    one.source, one.metadata, one.expected_version = "", EMPTY_METADATA, 0
    one.size = _BYTES_AROUND_A_REFUSED_SET + len(one.identifier.encode())


def _too_large(one: QueuedSet, size: int, most_bytes: int) -> SetResult:
    return SetResult(one.sequence, 0, MessageTooLargeError.of("Open", "set", size, most_bytes, _about(one)))


def _about(one: QueuedSet) -> ErrorDetails:
    return ErrorDetails(identifiers=(one.identifier,))


def unknown_outcome(one: QueuedSet) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f'variable "{one.identifier}": the answer to its set was lost: it may or may not have been made, '
        "so read before you repeat it",
        details=_about(one),
    )


_BYTES_AROUND_A_REFUSED_SET = 28

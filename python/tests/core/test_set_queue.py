"""Sets that a break left unanswered: each has its number for good, whether somebody asks for its outcome or not."""

from typing import List

from bridged_state._core.link_events import Event, SetResult
from bridged_state._core.link_row import FORM_INTEGER, SETS_MORE
from bridged_state._core.set_queue import QueuedSet, SetColumns, SetQueue
from bridged_state._wire.messages import LinkDown, LinkUp, Message
from bridged_state.errors import MessageTooLargeError
from link_helpers import results


def _queue(count: int) -> SetQueue:
    queue = SetQueue()
    for number in range(1, count + 1):
        queue.push([QueuedSet(number, f"v{number}", FORM_INTEGER, number, None, "", {}, 0, 10)])
    return queue


def _said(queue: SetQueue) -> Message:
    message = LinkUp()
    queue.take(SetColumns(), message, 0)
    return message


def _answered(queue: SetQueue, *versions: int) -> List[int]:
    events: List[Event] = []
    queue.handle_outcomes(LinkDown(set_versions=versions), events)
    return list(results(events))


def test_what_nobody_asks_for_is_withdrawn_by_the_hello_and_its_number_is_no_others() -> None:
    queue = _queue(2)
    assert list(_said(queue).set_integers) == [1, 2]
    assert not queue.cancel(1)
    queue.handle_break()
    assert not queue.has_waiting
    assert queue.answered_for_hello() == 1
    events: List[Event] = []
    queue.handle_welcome(True, 0, 0, events)
    # Whatever waits until it is over may go on.
    assert list(results(events)) == [1]
    said = _said(queue)
    assert (said.set_sequence, said.sets_answered, list(said.set_integers)) == (2, 1, [2])
    assert _answered(queue, 7) == [2]
    assert queue.unanswered == 0


def test_what_is_given_up_behind_the_hello_is_said_again() -> None:
    queue = _queue(3)
    _said(queue)
    queue.handle_break()
    assert queue.answered_for_hello() == 0
    queue.cancel(1)
    queue.handle_welcome(True, 0, 0, [])
    said = _said(queue)
    assert (said.set_sequence, list(said.set_integers)) == (1, [1, 2, 3])
    assert _answered(queue, 5, 6, 7) == [1, 2, 3]


def _formed(sequence: int, size: int) -> QueuedSet:
    return QueuedSet(sequence, f"v{sequence}", FORM_INTEGER, sequence, None, "", {}, 0, size)


def test_what_the_next_server_takes_in_no_message_is_refused_at_once_and_its_number_stays_its_own() -> None:
    queue = SetQueue()
    for sizes in ((10,), (900,), (60, 60), (10,)):
        first = sum(1 for _ in queue._by_sequence) + 1
        queue.push([_formed(first + place, size) for place, size in enumerate(sizes)])
    _said(queue)
    for sizes in ((10,), (60, 60), (900,), (10,)):
        first = sum(1 for _ in queue._by_sequence) + 1
        queue.push([_formed(first + place, size) for place, size in enumerate(sizes)])
    queue.handle_break()
    events: List[Event] = []
    queue.handle_welcome(True, 0, 0, events)
    queue.limit_to(100, events)
    refused = {event.sequence: event.error for event in events if isinstance(event, SetResult)}
    assert sorted(refused) == [2, 3, 4, 7, 8, 9]
    assert all(isinstance(error, MessageTooLargeError) for error in refused.values())
    said = _said(queue)
    # Those that had numbers say no value under them, each alone.
    assert (said.set_sequence, list(said.set_integers), list(said.set_payloads)) == (1, [1, 5, 6, 10], [b""] * 3)
    assert all(not kind & SETS_MORE for kind in said.set_kinds)
    # The server refuses the three: nobody hears of it again.
    assert _answered(queue, 2, 2, 2, 2, 2, 2, 2) == [1, 5, 6, 10]
    assert queue.unanswered == 0


def test_what_met_the_end_of_its_session_goes_by_the_next_link_before_all_that_came_behind_it() -> None:
    queue = _queue(4)
    assert _said(queue).set_sequence == 1
    events: List[Event] = []
    refusals = {"refusal_codes": ["SESSION_NOT_FOUND"], "refusal_messages": ["no"]}
    queue.handle_outcomes(LinkDown(set_versions=[5, 0], **refusals), events)
    assert list(results(events)) == [1]
    queue.push([_formed(5, 10)])
    assert not queue.has_waiting and queue.unanswered == 4
    assert not queue.cancel(3)
    assert list(results(queue.handle_break(True))) == [3], "nobody asks for it any more"
    # No number is given twice.
    assert queue.answered_for_hello() == 4
    queue.handle_welcome(False, 0, 0, [])
    said = _said(queue)
    assert (said.set_sequence, list(said.set_integers)) == (5, [2, 4, 5])
    assert _answered(queue, 6, 7, 8) == [2, 4, 5]

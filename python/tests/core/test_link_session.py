"""A link session over breaks: what is asked once, what is sent again, what is passed over."""

import math
import random
from typing import Any, Callable, Dict, List

import pytest
from bridged_state._core import set_queue
from bridged_state._core.link_events import Ended, Position, Registered, Synced, UndecodedValue, Update, Welcome
from bridged_state._core.link_session import FromRevision, FromVersions, LinkSession, LinkSet
from bridged_state._wire.messages import LinkDown
from bridged_state.errors import (
    BatchRefusedError,
    InvalidArgumentError,
    InvalidValueError,
    MessageTooLargeError,
    UnavailableError,
    UnknownOutcomeError,
)
from link_helpers import LINK_ID, announce, exchange, mark, new_session, results, sent, set_batch, set_one, welcomed
from plain_server import PlainServer

class TestAsking:
    def test_the_hello_comes_first_and_once_a_stream(self) -> None:
        session = new_session(epoch="e1")
        (first,) = sent(session)
        assert (first.hello.session_id, first.hello.link_id, first.hello.epoch) == ("house", LINK_ID, "e1")
        assert sent(session) == []
        session.watch(1, ["x"])
        (second,) = sent(session)
        assert not second.HasField("hello")
        session.handle_break()
        (again,) = sent(session)
        assert again.hello.link_id == LINK_ID

    def test_many_watches_go_in_messages_of_about_64_kb(self) -> None:
        session = new_session()
        for feed in range(10_000):
            session.watch(feed, [f"sensor/{feed}/temperature"])
        messages = sent(session)
        assert [feed for message in messages for feed in message.watch_feeds] == list(range(10_000))
        assert len(messages) > 5 and all(message.ByteSize() < 80 * 1024 for message in messages)

    def test_no_message_is_above_what_the_server_takes(self) -> None:
        for most in (1_024, 16_384):
            session = welcomed(max_request_bytes=most)
            for feed in range(3_000):
                session.watch(feed, [f"sensor/{feed}/temperature"])
            messages = sent(session)
            for place in range(3_000):
                set_one(session, f"sensor/{place}/temperature", place)
            messages += sent(session)
            for feed in range(3_000):
                session.unwatch(feed)
            messages += sent(session)
            assert max(message.ByteSize() for message in messages) <= most
            assert sum(len(message.set_kinds) for message in messages) == 3_000
            assert sum(len(message.unwatch_feeds) for message in messages) == 3_000

    def test_what_was_not_asked_for_yet_is_not_asked_for(self) -> None:
        session = new_session()
        session.watch(1, ["a"])
        session.watch(2, ["b"])
        session.unwatch(1)
        (message,) = sent(session)
        assert (list(message.watch_feeds), list(message.unwatch_feeds)) == ([2], [])
        session.unwatch(2)
        session.unwatch(2)
        session.unwatch(99)
        (message,) = sent(session)
        assert (list(message.watch_feeds), list(message.unwatch_feeds)) == ([], [2])

    def test_a_request_above_the_limit_is_refused_where_it_is_made(self) -> None:
        session = new_session(max_request_bytes=1_000)
        with pytest.raises(MessageTooLargeError, match="limit of 1000"):
            session.watch(1, ["x" * 1_000])
        with pytest.raises(MessageTooLargeError):
            set_one(session, "x", "y" * 1_000)
        with pytest.raises(MessageTooLargeError):
            set_batch(session, [LinkSet("x", "y" * 600), LinkSet("z", "y" * 600)])
        assert session.unanswered == 0
        (message,) = sent(session)
        assert not message.watch_feeds and not message.set_kinds
        session.watch(1, ["x"])

    def test_a_feed_is_watched_once_at_a_time(self) -> None:
        session = new_session()
        session.watch(1, ["x"])
        with pytest.raises(InvalidArgumentError):
            session.watch(1, ["x"])
        for feed in (-1, 2**32):
            with pytest.raises(InvalidArgumentError):
                session.watch(feed, ["x"])

    def test_numbers_that_the_hello_cannot_say_are_the_largest_that_it_can(self) -> None:
        session = new_session(max_bytes=2**40)
        session.set_heartbeat(2**40)
        (message,) = sent(session)
        assert (message.hello.max_bytes, message.heartbeat_ms) == (2**31 - 1, 2**31 - 1)

    def test_a_revision_of_another_epoch_is_no_place_to_resume_from(self) -> None:
        session = new_session(epoch="e2")
        with pytest.raises(InvalidArgumentError, match="give versions"):
            session.watch(1, ["x"], resume=FromRevision("e1", 5))
        session.watch(1, ["x"], resume=FromVersions("e1", {"var_x": 5}))

    def test_heartbeat_is_said_on_every_stream(self) -> None:
        session = new_session()
        session.set_heartbeat(500)
        assert [message.heartbeat_ms for message in sent(session)] == [500]
        session.handle_break()
        assert [message.heartbeat_ms for message in sent(session)] == [500]

    def test_large_sets_go_alone_and_small_ones_together(self) -> None:
        session = welcomed()
        for value in ("a", "b", "x" * 100_000, "c", "y" * 3_000_000, "z" * 3_000_000):
            set_one(session, "s", value)
        sizes = [[len(text) for text in message.set_texts] for message in sent(session)]
        assert sizes == [[1, 1], [100_000], [1], [3_000_000], [3_000_000]]

    def test_a_bad_value_is_refused_where_it_is_set(self) -> None:
        session = new_session()
        for value, type in ((None, None), (object(), None), (True, "float"), ("1", "integer"), ({1: 2}, None)):
            with pytest.raises(InvalidValueError, match='variable "x"'):
                set_one(session, "x", value, type)
        assert session.unanswered == 0


    def test_what_no_message_can_carry_is_refused_where_it_is_given(self) -> None:
        session = welcomed()
        calls: List[Callable[[], Any]] = [
            lambda: session.watch(1, ["\ud800"]),
            lambda: session.watch(1, [], ["\udc00*"]),
            lambda: session.watch(1, [5]),  # type: ignore[list-item]
            lambda: set_one(session, "\ud800", 1),
            lambda: set_one(session, "x", 1, source="\ud800"),
            lambda: set_one(session, "x", 1, source=None),  # type: ignore[arg-type]
            lambda: set_one(session, "x", 1, metadata={"a": 1}),  # type: ignore[dict-item]
            lambda: set_one(session, "x", 1, metadata={"\ud800": ""}),
            lambda: set_one(session, "x", 1, metadata="ab"),  # type: ignore[arg-type]
            lambda: set_one(session, "x", 1, expected_version=-1),
            lambda: set_one(session, "x", 1, expected_version=1.5),  # type: ignore[arg-type]
            lambda: set_one(session, "x", 1, expected_version=2**53),
            lambda: set_one(session, "x", "\ud800"),
            lambda: set_one(session, "x", {"a": "\ud800"}),
        ]
        for call in calls:
            with pytest.raises((InvalidArgumentError, InvalidValueError)):
                call()
        assert sent(session) == [] and session.unanswered == 0


class TestFeeds:
    def linked(self) -> LinkSession:
        session = new_session()
        session.watch(1, ["a"])
        session.watch(2, ["b"])
        down = LinkDown()
        down.welcome.epoch = "e1"
        for feed, name in ((1, "a"), (2, "b")):
            mark(down, 4, feed)
            announce(down, feed, feed, name)
        mark(down, 5, 1)
        down.positions.append(7)
        events = session.handle_message(down.SerializeToString())
        kinds = [type(event) for event in events]
        assert kinds == [Welcome, Registered, Update, Registered, Update, Synced, Position]
        return session

    def test_where_a_feed_resumes(self) -> None:
        session = self.linked()
        assert session.resume_of(1) is None
        session.handle_break()
        assert session.position == 0 and not session.is_welcome
        # The second was not told everything.
        assert session.resume_of(1) == FromRevision("e1", 7)
        assert session.resume_of(2) is None
        session.watch(5, ["a"], resume=session.resume_of(1))
        (message,) = sent(session)
        assert (message.hello.epoch, list(message.resume_revisions)) == ("e1", [7])

    def test_a_second_break_before_it_is_in_step_leaves_versions(self) -> None:
        session = self.linked()
        session.handle_break()
        session.watch(1, ["a"], resume=session.resume_of(1))
        session.handle_break()
        assert session.resume_of(1) is None

    def test_an_ended_feed_is_told_once_and_nothing_after(self) -> None:
        session = self.linked()
        down = LinkDown()
        for _ in range(2):
            mark(down, 7, 2)
            down.end_statuses.append(5)
            down.end_codes.append("VARIABLE_NOT_FOUND")
            down.end_messages.append("Variable not found: b")
        down.kinds.append(0 | 1 << 3 | 64)
        down.targets.append(2)
        down.version_steps.append(1)
        down.timestamps.append(1.0)
        down.revisions.append(8)
        down.doubles.append(2.5)
        mark(down, 5, 2)
        (event,) = session.handle_message(down.SerializeToString())
        assert isinstance(event, Ended) and event.error.code == "VARIABLE_NOT_FOUND" and event.feed == 2
        session.unwatch(2)
        assert not any(message.unwatch_feeds for message in sent(session)[1:])

    def test_a_value_that_is_not_of_its_type_spoils_one_update_alone(self) -> None:
        session = self.linked()
        down = LinkDown()
        announce(down, 3, 1, "text", type="string")
        announce(down, 4, 1, "newer", type="quaternion")
        announce(down, 5, 1, "fine")
        bad, unknown, fine = session.handle_message(down.SerializeToString())
        assert isinstance(bad, Update) and isinstance(unknown, Update) and isinstance(fine, Update)
        with pytest.raises(InvalidValueError, match='variable "text"'):
            bad.value
        with pytest.raises(Exception, match="quaternion"):
            unknown.value
        assert fine.value == 1.5

    def test_a_whole_number_beyond_32_bits_is_an_integer_again(self) -> None:
        session = self.linked()
        down = LinkDown()
        announce(down, 3, 1, "big", type="integer")
        down.doubles[0] = 2.0**53 - 1
        (update,) = session.handle_message(down.SerializeToString())
        assert isinstance(update, Update)
        # At once: its watch takes it as it takes others.
        assert type(update.raw) is int and update.raw == 2**53 - 1
        assert type(update.value) is int and update.value == 2**53 - 1

    @pytest.mark.parametrize("number", [2.0**53, -(2.0**53), 1.5, math.nan, math.inf, -math.inf])
    def test_what_may_be_no_whole_number_is_refused_when_it_is_read(self, number: float) -> None:
        session = self.linked()
        down = LinkDown()
        announce(down, 3, 1, "big", type="integer")
        down.doubles[0] = number
        (update,) = session.handle_message(down.SerializeToString())
        assert isinstance(update, Update) and isinstance(update.raw, UndecodedValue)
        with pytest.raises(InvalidValueError, match='variable "big"'):
            update.value


class TestSets:
    def test_outcomes_come_in_order(self) -> None:
        session, server = new_session(), PlainServer()
        first = set_one(session, "x", 1.5, source="me", metadata={"unit": "C"})
        second = set_one(session, "x", "bad")
        batch = set_batch(session, [LinkSet("x", 2.5), LinkSet("y", True)])
        refused = set_batch(session, [LinkSet("x", 3.5), LinkSet("y", "bad")])
        told = results(exchange(session, server))
        assert told[first] == 1 and told[second].code == "INVALID_VALUE"
        assert told[second].details.identifiers == ("x",)
        assert [told[one] for one in batch] == [2, 1]
        assert isinstance(told[refused[0]], BatchRefusedError) and told[refused[1]].code == "INVALID_VALUE"
        assert server.made == [("x", 1.5), ("x", 2.5), ("y", True)]
        assert session.unanswered == 0

    @pytest.mark.parametrize("seed", range(40))
    def test_each_is_made_once_and_in_order_whatever_breaks(self, seed: int) -> None:
        chance = random.Random(seed)
        session, server = new_session(), PlainServer()
        wanted: List[Any] = []
        told: Dict[int, Any] = {}
        for value in range(400):
            if chance.random() < 0.2:
                set_batch(session, [LinkSet(f"v{value % 5}", value), LinkSet("w", value)])
                wanted += [(f"v{value % 5}", value), ("w", value)]
            else:
                set_one(session, f"v{value % 5}", value)
                wanted.append((f"v{value % 5}", value))
            if chance.random() < 0.3:
                data = session.take_message()
                # It may be lost on its way.
                if data is not None and chance.random() < 0.9:
                    server.handle(data)
                elif data is not None:
                    session.handle_break()
                    server.begin()
            if chance.random() < 0.3 and server.outbox:
                told.update(results(session.handle_message(server.outbox.pop(0))))
            if chance.random() < 0.05:
                session.handle_break()
                server.begin()
        told.update(results(exchange(session, server)))
        assert server.made == wanted
        assert len(told) == len(wanted) and all(isinstance(one, int) for one in told.values())
        assert session.unanswered == 0

    def test_a_server_that_forgot_the_link_leaves_what_was_sent_unknown(self) -> None:
        session, server = new_session(), PlainServer()
        exchange(session, server)
        one = set_one(session, "x", 1)
        data = session.take_message()
        assert data is not None
        session.handle_break()
        waiting = set_one(session, "x", 2)
        other = PlainServer("e2")
        told = results(exchange(session, other))
        assert isinstance(told[one], UnknownOutcomeError) and told[waiting] == 1
        assert other.made == [("x", 2)]
        assert server.made == []

    def test_outcomes_outside_the_window_are_unknown(self) -> None:
        session, server = new_session(), PlainServer(window=2)
        exchange(session, server)
        sequences = [set_one(session, "x", value) for value in range(5)]
        data = session.take_message()
        assert data is not None
        server.handle(data)
        session.handle_break()
        server.begin()
        told = results(exchange(session, server))
        assert [isinstance(told[one], UnknownOutcomeError) for one in sequences] == [True, True, True, False, False]
        assert server.made == [("x", value) for value in range(5)]

    def test_nothing_new_is_sent_before_the_welcome_says_what_was_made(self) -> None:
        session, server = new_session(), PlainServer()
        set_one(session, "x", 1)
        assert [len(message.set_kinds) for message in sent(session)] == [0]
        session.handle_break()
        exchange(session, server)
        assert server.made == [("x", 1)]
        set_one(session, "x", 2)
        assert session.take_message() is not None
        session.handle_break()
        set_one(session, "x", 3)
        assert [len(message.set_kinds) for message in sent(session)] == [0]
        assert session.has_waiting_sets

    def test_cancelled_sets(self) -> None:
        session, server = new_session(), PlainServer()
        exchange(session, server)
        waiting = set_one(session, "x", 1)
        batch = set_batch(session, [LinkSet("x", 2), LinkSet("y", 2)])
        kept = set_one(session, "x", 3)
        assert session.cancel_set(waiting) and not session.cancel_set(waiting)
        assert session.cancel_set(batch[0]) and session.cancel_set(batch[1])
        data = session.take_message()
        assert data is not None
        assert not session.cancel_set(kept)
        server.handle(data)
        # Nobody asks for it; what waits until it is over does.
        assert results(exchange(session, server)) == {kept: 1}
        assert server.made == [("x", 3)] and session.unanswered == 0

    def test_no_link_will_come(self) -> None:
        session = welcomed()
        lost = set_one(session, "x", 1)
        session.take_message()
        waiting = set_one(session, "x", 2)
        told = results(session.fail_sets())
        assert isinstance(told[lost], UnknownOutcomeError) and isinstance(told[waiting], UnavailableError)
        assert session.unanswered == 0
        session.handle_break()
        assert results(exchange(session, PlainServer())) == {}

    def test_sets_after_a_failure_begin_where_the_numbers_are(self) -> None:
        session, server = new_session(), PlainServer()
        set_one(session, "x", 1)
        exchange(session, server)
        session.handle_break()
        # The server lives anew and knows nothing of the link.
        other = PlainServer("e2")
        one = set_one(session, "x", 2)
        assert results(exchange(session, other)) == {one: 1}
        assert other.ups[-1].set_sequence == 2

    def test_8192_are_unanswered_at_most(self) -> None:
        session = welcomed()
        for value in range(10_000):
            set_one(session, "x", value)
        assert sum(len(message.set_kinds) for message in sent(session)) == 8_192
        down = LinkDown()
        down.set_versions.extend([1.0] * 8_192)
        assert len(results(session.handle_message(down.SerializeToString()))) == 8_192
        assert sum(len(message.set_kinds) for message in sent(session)) == 10_000 - 8_192

    def test_identifiers_begin_anew_when_there_are_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(set_queue, "MAX_NAMES", 10)
        session, server = new_session(), PlainServer()
        wanted = [(f"n{value % 13}", value) for value in range(200)]
        for place, (name, value) in enumerate(wanted):
            set_one(session, name, value)
            if place % 30 == 0:
                exchange(session, server)
        exchange(session, server)
        assert server.made == wanted

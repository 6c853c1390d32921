"""Frames that say more than they have, or anything: each is read or refused, nothing hangs, and no outcome is lost with them."""

import random
from typing import Any, Dict

import pytest
from bridged_state._core.link_events import Update
from bridged_state._wire.messages import LinkDown
from bridged_state.errors import ProtocolError
from link_helpers import announce, exchange, mark, new_session, results, sent, set_one, welcomed
from plain_server import PlainServer


def broken_frames() -> Dict[str, bytes]:
    """Messages that say more than they have."""
    frames = {"no message": b"\xff\xff\xff", "half a message": LinkDown(texts=["abc"]).SerializeToString()[:-1]}

    def frame(name: str, **columns: Any) -> None:
        frames[name] = LinkDown(**columns).SerializeToString()

    update: Dict[str, Any] = {"kinds": [8 | 64], "targets": [1], "version_steps": [1], "timestamps": [1.0], "revisions": [1.0]}
    frame("no targets", kinds=[0])
    frame("no target of a mark", kinds=[4])
    frame("no value", **update)
    frame("no revision", **{**update, "revisions": [], "doubles": [1.0]})
    frame("NaN for a revision", **{**update, "revisions": [float("nan")], "doubles": [1.0]})
    frame("infinity for a revision", **{**update, "revisions": [float("inf")], "doubles": [1.0]})
    announced: Dict[str, Any]
    for odd in (-1.0, 0.5, 2.0**53, 1e300):
        frame(f"{odd} for a revision", **{**update, "revisions": [odd], "doubles": [1.0]})
        frame(f"{odd} missed", **{**update, "kinds": [8 | 64 | 512], "missed": [odd], "doubles": [1.0]})
        announced = {"announced_ids": ["i"], "announced_names": ["n"], "announced_types": ["float"], "announced_feeds": [1]}
        odd_version = {"announced_versions": [odd], "announced_identifier_counts": [0]}
        frame(f"{odd} for a version", **{**update, "kinds": [8 | 64 | 2048], "doubles": [1.0], **announced, **odd_version})
        frame(f"{odd} for a position", positions=[odd])
        frame(f"{odd} kept", kept_targets=[1], kept_ids=["a"], kept_versions=[odd])
    frame("no source", **{**update, "kinds": [8 | 64 | 128], "doubles": [1.0]})
    frame("no missed", **{**update, "kinds": [8 | 64 | 512], "doubles": [1.0]})
    frame("4 billion of metadata", **{**update, "kinds": [8 | 64 | 1024], "doubles": [1.0], "metadata_counts": [2**32 - 1]})
    frame("half an announcement", **{**update, "kinds": [8 | 64 | 2048], "doubles": [1.0], "announced_feeds": [1]})
    announced = {"announced_ids": ["i"], "announced_names": ["n"], "announced_types": ["float"], "announced_feeds": [1]}
    many: Dict[str, Any] = {"announced_versions": [1.0], "announced_identifier_counts": [2**32 - 1]}
    frame("4 billion identifiers", **{**update, "kinds": [8 | 64 | 2048], "doubles": [1.0], **announced, **many})
    frame("no reason", **{**update, "kinds": [3 | 64]})
    frame("no end", kinds=[7], targets=[1])
    frame("no value before", **{**update, "kinds": [8 | 64 | 4096 | 1 << 13], "doubles": [1.0]})
    frame("no bytes beside a header", **{**update, "kinds": [7 << 3 | 64], "payloads": [b"{}"]})
    frame("an answer to nothing", set_versions=[1.0])
    frame("kept without versions", kept_targets=[2])
    frame("kept without id", kept_targets=[1], kept_versions=[1.0])
    frame("kept of nobody", kept_targets=[2], kept_versions=[1.0])
    frame("NaN kept", kept_targets=[1], kept_ids=["a"], kept_versions=[float("nan")])
    frame("NaN for a position", positions=[float("nan")])
    return frames


class TestBrokenFrames:
    @pytest.mark.parametrize("name", list(broken_frames()))
    def test_is_a_protocol_error(self, name: str) -> None:
        session = new_session()
        session.watch(1, ["a"])
        with pytest.raises(ProtocolError):
            session.handle_message(broken_frames()[name])

    def test_a_refusal_without_a_reason_and_versions_that_are_none(self) -> None:
        nan = float("nan")
        for versions in ([0.0], [nan], [float("inf")], [-1.0], [1e300], [1.0, nan], [nan, 1.0], [1.0, 0.0], [2.0, -1.0]):
            session = welcomed()
            set_one(session, "x", 1)
            set_one(session, "x", 2)
            sent(session)
            with pytest.raises(ProtocolError):
                session.handle_message(LinkDown(set_versions=versions).SerializeToString())
            # Its outcome is still to be told.
            session.handle_break()
            assert results(exchange(session, PlainServer()))

    def test_two_welcomes(self) -> None:
        session = new_session()
        down = LinkDown()
        down.welcome.epoch = "e1"
        session.handle_message(down.SerializeToString())
        with pytest.raises(ProtocolError):
            session.handle_message(down.SerializeToString())

    def test_a_text_that_is_not_utf8(self) -> None:
        data = LinkDown(kinds=[5 << 3 | 64], texts=["abc"]).SerializeToString().replace(b"abc", b"a\xffc")
        with pytest.raises(ProtocolError):
            new_session().handle_message(data)

    # A runtime that stops in the middle says so by a warning.
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_any_bytes_are_read_or_refused(self) -> None:
        chance = random.Random(1)
        down = LinkDown()
        for handle in range(6):
            announce(down, handle, 1, f"v{handle}")
        mark(down, 5, 1)
        down.set_versions.append(1.0)
        down.texts.append("text")
        good = down.SerializeToString()
        for _ in range(3_000):
            session = new_session()
            session.watch(1, ["a"])
            session.is_welcome = True
            set_one(session, "x", 1)
            sent(session)
            data = bytearray(good)
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                events = session.handle_message(bytes(data))
            except ProtocolError:
                continue
            for event in events:
                if isinstance(event, Update):
                    try:
                        event.value
                    except Exception as error:
                        assert type(error).__module__ == "bridged_state.errors"

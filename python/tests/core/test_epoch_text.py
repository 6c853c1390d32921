"""The text of an epoch, and a link that goes on in another one."""

import pytest
from bridged_state._core.epoch_text import Epoch, in_generation_of, is_same_life, is_same_lineage, parse_epoch
from bridged_state._core.link_events import EpochChange
from bridged_state._core.version_tracker import VersionTracker
from bridged_state._wire.messages import LinkDown
from link_helpers import sent, welcomed


@pytest.mark.parametrize(
    "text, epoch",
    [("a", Epoch("a", 0, 0)), ("a~3", Epoch("a", 3, 0)), ("a.2", Epoch("a", 0, 2)), ("a~3.2", Epoch("a", 3, 2)), ("", Epoch("", 0, 0))],
)
def test_is_read(text: str, epoch: Epoch) -> None:
    assert parse_epoch(text) == epoch


def test_of_the_same_life_in_another_generation_counts_versions_on() -> None:
    assert is_same_life("a~1", "a") and not is_same_life("a", "b")
    assert is_same_lineage("a~1", "a~2") and not is_same_lineage("a", "a.1")
    assert in_generation_of("a~1.3", "a~2") == "a~2.3"
    tracker = VersionTracker()
    tracker.resume(5, "a~1", "v")
    tracker.continue_in("a~2")
    assert tracker.epoch == "a~2"
    tracker.continue_in("b")
    assert tracker.epoch == "a~2"


def test_a_link_says_revisions_in_the_epoch_of_its_hello_and_the_next_one_in_the_last() -> None:
    session = welcomed()
    before = session.said_epoch
    down = LinkDown()
    down.epochs.append("e~2")
    assert session.handle_message(down.SerializeToString()) == [EpochChange("e~2")]
    assert (session.said_epoch, session.epoch) == (before, "e~2")
    session.handle_break()
    assert session.said_epoch == "e~2"
    assert sent(session)[0].hello.epoch == "e~2"

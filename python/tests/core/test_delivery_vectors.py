"""Version tracker, backoff, rings and conditions, by the vectors that every language reads."""

from typing import Any, Dict, List, Optional

import pytest
from bridged_state._core import update_ring as ring_module
from bridged_state._core.backoff import Backoff, BackoffOptions
from bridged_state._core.condition import NO_VALUE, check_condition, meets
from bridged_state._core.condition_text import condition_text
from bridged_state._core.lossless_json import parse_json
from bridged_state._core.update_ring import RingEntry, UpdateRing
from bridged_state._core.version_tracker import VersionTracker
from vectors import read_vectors


@pytest.mark.parametrize("sequence", read_vectors("versions.json")["sequences"], ids=lambda one: one["name"])
def test_versions(sequence: Dict[str, Any]) -> None:
    tracker = VersionTracker()
    said = [[tracker.accept(*accept), tracker.is_resync] for accept in sequence["accepts"]]
    assert said == sequence["expect"]


def test_backoff() -> None:
    for one in read_vectors("backoff.json")["delays"]:
        given = one["options"]
        options = BackoffOptions(given["baseMs"], given["factor"], given["capMs"], given["jitter"], given["spreadMs"])
        assert Backoff(options, one["failures"]).delay_ms(one["chance"]) == pytest.approx(one["delayMs"], rel=1e-12)


def test_backoff_begins_anew_after_a_life_that_lasted() -> None:
    backoff = Backoff().next().next()
    assert backoff.after_live(9_999).attempt == 2
    assert backoff.after_live(10_000).attempt == 0


@pytest.mark.parametrize("vector", read_vectors("conditions.json")["conditions"], ids=lambda one: str(one["text"])[:60])
def test_conditions(vector: Dict[str, Any]) -> None:
    given = vector["condition"]
    condition = check_condition({"gt": float("inf")} if given == {"gt": "Infinity"} else given)
    for case in vector["cases"]:
        old = NO_VALUE if case.get("none") else case["old"]
        assert meets(condition, old, case["value"]) is case["meets"], case
    text = condition_text(condition)
    assert text is not None
    # Written otherwise, the same numbers.
    assert parse_json(text, "text", True) == parse_json(vector["text"], "text", True)


FLAGS = {name: getattr(ring_module, name) for name in ("INITIAL", "RESYNC", "BASELINE", "HAS_OLD", "DELETED", "JOINED")}


def names_of(flags: int) -> List[str]:
    return [name for name, flag in FLAGS.items() if flags & flag]


@pytest.mark.parametrize(
    "ring", read_vectors("update-rings.json")["rings"], ids=lambda one: f"{one['overflow']} {one['hasGroups']} {one['limit']}"
)
def test_update_ring(ring: Dict[str, Any]) -> None:
    tested: UpdateRing[RingEntry] = UpdateRing(
        ring["limit"], ring["overflow"], (lambda entry: entry.group) if ring["hasGroups"] else None
    )
    for step in ring["steps"]:
        if "push" in step:
            key, value, missed, filtered, names, old, group = step["push"]
            flags = sum(FLAGS[name] for name in names)
            entry = RingEntry(key, value, missed=missed, filtered=filtered, flags=flags, old=old, group=group)
            assert tested.push(entry) is step["isTaken"]
        else:
            assert told(tested.take()) == step["take"]
    end = [len(tested), tested.missed_total, tested.missed_waiting(), tested.filtered_waiting(), tested.is_idle]
    assert end == ring["end"]


def told(entry: Optional[RingEntry]) -> Any:
    if entry is None:
        return None
    return [entry.key, entry.value, entry.missed, entry.filtered, names_of(entry.flags), entry.old]

"""Which endpoint is next, by the vectors that every language reads; and when a client of Python waits."""

from typing import Any, Dict, List

import pytest
from bridged_state._core.endpoint_rotation import EndpointRotation
from vectors import read_vectors


@pytest.mark.parametrize("one", read_vectors("endpoints.json")["rotations"], ids=lambda one: one["name"])
def test_endpoints_are_tried(one: Dict[str, Any]) -> None:
    rotation = EndpointRotation(one["given"])
    assert [rotation.current, len(rotation.endpoints)] == one["tried"]
    for step in one["steps"]:
        if "servers" in step:
            rotation.handle_servers(step["servers"])
        else:
            rotation.advance()
        assert [rotation.current, len(rotation.endpoints)] == step["tried"], step


def advances(rotation: EndpointRotation, count: int) -> List[bool]:
    return [rotation.advance() for _ in range(count)]


def test_a_round_is_over_when_each_has_failed() -> None:
    assert advances(EndpointRotation(["a:1"]), 3) == [True, True, True]
    assert advances(EndpointRotation(["a:1", "b:2", "c:3"]), 6) == [False, False, True, False, False, True]


def test_a_round_begins_anew_when_one_is_reached_after_a_wait_or_lasts() -> None:
    rotation = EndpointRotation(["a:1", "b:2", "c:3"])
    assert advances(rotation, 5) == [False, False, True, False, False]
    rotation.handle_reached()
    assert advances(rotation, 2) == [False, False]
    rotation.handle_lasted()
    assert advances(rotation, 3) == [False, False, True]


def test_those_that_stand_and_break_are_waited_for_once_a_round() -> None:
    rotation = EndpointRotation(["a:1", "b:2"])
    waits: List[bool] = []
    for _ in range(6):
        rotation.handle_reached()
        waits.append(rotation.advance())
    assert waits == [False, True, False, True, False, True]


def test_a_list_that_changes_in_a_round_does_not_keep_it_from_its_end() -> None:
    rotation = EndpointRotation(["a:1"])
    rotation.handle_servers(["b:2", "c:3", "d:4"])
    advances(rotation, 3)
    # Shorter now than what has failed.
    rotation.handle_servers(["a:1"])
    assert rotation.advance()

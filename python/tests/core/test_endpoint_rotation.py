"""Which endpoint is next, and whether one is left that has not failed, by the vectors that every language reads."""

from typing import Any, Dict

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
        elif "reached" in step:
            rotation.handle_reached()
        elif "lasting" in step:
            rotation.handle_lasting()
        else:
            assert rotation.advance() is step["isOtherLeft"], step
        assert [rotation.current, len(rotation.endpoints)] == step["tried"], step

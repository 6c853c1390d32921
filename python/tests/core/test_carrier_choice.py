"""Which servers are asked for a link."""

import pytest

from bridged_state._core.carrier_choice import CarrierChoice


def test_a_server_without_links_is_asked_once_in_its_life() -> None:
    choice = CarrierChoice("auto")
    assert choice.takes_link("a:1", "life-1")
    assert choice.handle_no_link("a:1", "life-1")
    assert not choice.takes_link("a:1", "life-1")
    # Another version of it may have them, and so may another server.
    assert choice.takes_link("a:1", "life-2") and choice.takes_link("b:1", "life-1")
    # One that is not ours says no epoch.
    assert not choice.takes_link("a:1", "")


@pytest.mark.parametrize("transport", ["link", "stream"])
def test_what_was_asked_for_is_taken(transport: str) -> None:
    choice = CarrierChoice(transport)
    assert choice.takes_link("a:1", "") is choice.takes_link("a:1", "life") is (transport == "link")
    assert not choice.handle_no_link("a:1", "life")

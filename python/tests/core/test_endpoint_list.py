"""What of another program's words is an endpoint, by the vectors that every language reads."""

from bridged_state._core.endpoint_list import endpoints_of, is_endpoint, parse_endpoint_list
from vectors import read_vectors

VECTORS = read_vectors("endpoints.json")


def test_an_endpoint_is_a_host_and_a_port() -> None:
    for one in VECTORS["endpoints"]:
        assert is_endpoint(one["text"]) is one["isEndpoint"], one


def test_a_list_is_read_as_far_as_it_is_one() -> None:
    for one in VECTORS["lists"]:
        assert list(parse_endpoint_list(one["text"])) == one["endpoints"], one
        assert list(endpoints_of(one["text"].split(","))) == one["endpoints"], one

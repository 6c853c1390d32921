"""`bridge-servers`: where clients reach the servers over one state, those first that they shall ask first. Path: server -> [endpoint list] -> connection. Pure."""

import re
from typing import Iterable, Tuple

MOST_ENDPOINTS = 16
"""Of one list."""


def is_endpoint(text: str) -> bool:
    """A host and its port, as clients reach a server."""
    found = _ENDPOINT.fullmatch(text)
    return found is not None and 1 <= int(found[1]) <= 65_535


def parse_endpoint_list(text: str) -> Tuple[str, ...]:
    """As the header says it. What is none is left out: it comes from another program."""
    return endpoints_of(text.split(",", MOST_ENDPOINTS))


def endpoints_of(said: Iterable[str]) -> Tuple[str, ...]:
    """As the link says them."""
    return tuple(filter(is_endpoint, list(said)[:MOST_ENDPOINTS]))


_ENDPOINT = re.compile(r"(?:[\w.-]{1,253}|\[[\da-fA-F:.]{2,45}\]):(\d{1,5})", re.ASCII)

"""The epoch as the wire says it: the life of the state, from generation 1 on `~` and the session's, and from era 1 of a version on `.` and that.

A life that goes on in another generation may lack the end of what was told before: the server knows of what.
"""

import re
from typing import NamedTuple


class Epoch(NamedTuple):
    life: str
    generation: int
    era: int
    """Of the version that it stands beside."""


def parse_epoch(text: str) -> Epoch:
    found = _EPOCH.fullmatch(text)
    if found is None:
        return Epoch(text, 0, 0)
    life, generation, era = found.groups()
    return Epoch(life, int(generation or 0), int(era or 0))


def is_same_life(one: str, other: str) -> bool:
    return one == other or parse_epoch(one).life == parse_epoch(other).life


def is_same_lineage(one: str, other: str) -> bool:
    """Versions count on from one to the other."""
    if one == other:
        return True
    a, b = parse_epoch(one), parse_epoch(other)
    return a.life == b.life and a.era == b.era


def in_generation_of(text: str, other: str) -> str:
    """The same in the generation of another."""
    life, _, era = parse_epoch(text)
    generation = parse_epoch(other).generation
    said = life if generation == 0 else f"{life}~{generation}"
    return said if era == 0 else f"{said}.{era}"


_EPOCH = re.compile(r"(.*?)(?:~([0-9]{1,15}))?(?:\.([0-9]{1,7}))?", re.DOTALL)

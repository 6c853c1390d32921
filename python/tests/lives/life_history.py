"""What happened in a life, as the judge reads it. Path: performer, watched lives -> [life history] -> judge. Lists grow with the life and go with it."""

import threading
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from bridged_state import VariableUpdate

SLOT = 10_000_000
"""A number says of which variable it is, and by which set: `slot * SLOT + sequence`."""


@dataclass(frozen=True)
class Variable:
    """What every life has. `is_leg`: set only together with the others of its kind, to the same sequence."""

    slot: int
    name: str
    type: str
    is_leg: bool = False


VARIABLES: Tuple[Variable, ...] = (
    Variable(1, "n0", "integer"),
    Variable(2, "n1", "integer"),
    Variable(3, "f0", "float"),
    Variable(4, "s0", "string"),
    Variable(5, "m0", "map"),
    Variable(6, "room/0", "integer"),
    Variable(7, "room/1", "string"),
    Variable(8, "e0", "embedding"),
    Variable(9, "long", "string"),
    Variable(11, "leg/0", "integer", True),
    Variable(12, "leg/1", "integer", True),
    Variable(13, "leg/2", "string", True),
)
LEGS: Tuple[Variable, ...] = tuple(one for one in VARIABLES if one.is_leg)
SINGLES: Tuple[Variable, ...] = tuple(one for one in VARIABLES if not one.is_leg)
BY_NAME: Mapping[str, Variable] = {one.name: one for one in VARIABLES}


def value_of(variable: Variable, sequence: int) -> Any:
    number = variable.slot * SLOT + sequence
    if variable.name == "long" and sequence % 4 == 0:
        # It goes by a call, and fills a message.
        return f"{number}:" + "x" * 80_000
    if variable.type == "string":
        return f"{number}:é"
    if variable.type == "map":
        return {"number": number, "deep": [number]}
    if variable.type == "embedding":
        return [float(number), 0.5]
    return float(number) if variable.type == "float" else number


def sequence_in(value: Any, name: str) -> int:
    """Raises AssertionError where it is no value of that variable."""
    if isinstance(value, str):
        number = int(value.split(":")[0])
    elif isinstance(value, dict):
        number = value["number"]
        assert value["deep"] == [number], value
    elif isinstance(value, list):
        number = int(value[0])
    else:
        number = int(value)
    slot, sequence = divmod(number, SLOT)
    assert slot == BY_NAME[name].slot, f"{value!r} is told of {name}"
    return sequence


@dataclass
class SetRecord:
    """A set of one variable by one session. `outcome`: `made`, `refused`, `unknown`, `cancelled`; '' while it is under way."""

    session: int
    order: int
    name: str
    sequence: int
    begun_at: float
    by_link: bool
    batch: int = 0
    outcome: str = ""
    version: int = 0
    ended_at: float = 0.0
    code: str = ""


@dataclass
class WatchRecord:
    """A watch and what it was told, in order. `turns`: where each batch or step of the loop ended, as places in `told`."""

    label: str
    session: int
    names: Tuple[str, ...]
    patterns: Tuple[str, ...]
    options: Dict[str, Any]
    # By id instead of by name: the name that each id stands for.
    told: List[VariableUpdate] = field(default_factory=list)
    turns: List[int] = field(default_factory=list)
    began_at: float = 0.0
    # When its end had returned; 0 before.
    stopped_at: float = 0.0
    # Of its iterator, where it ended by itself.
    end: str = ""
    is_whole: bool = False
    # Nothing that it was told was dropped between the watch and its reader.
    stats: Mapping[str, int] = field(default_factory=dict)
    quiet: Optional[Mapping[str, int]] = None
    quiet_state: str = ""

    @property
    def is_plain(self) -> bool:
        """Nothing is kept out but what is missed."""
        options = self.options
        return not any(options.get(one) for one in ("filter_fn", "condition", "debounce_ms", "throttle_ms", "conflate"))

    @property
    def drops_last(self) -> bool:
        """The newest of a variable may have gone for that of another; its next one will say so."""
        return self.options.get("overflow") == "drop-oldest" and not self.is_roomy

    @property
    def is_roomy(self) -> bool:
        return bool(self.options.get("buffer_limit", 1024) >= 100_000)


@dataclass
class Trouble:
    """What is wrong whatever was told."""

    kind: str
    what: str


class History:
    def __init__(self, *, has_faults: bool, loses_state: bool) -> None:
        self.has_faults = has_faults
        # A server that ends takes its variables with it.
        self.loses_state = loses_state
        self.sets: List[SetRecord] = []
        self.watches: List[WatchRecord] = []
        self.troubles: List[Trouble] = []
        # Sets of a value that was there before: a sequence may be seen twice.
        self.repeated: Set[int] = set()
        # What was read of the server: (id, version, sequence).
        self.reads: List[Tuple[str, int, int, str]] = []
        # At the end, by name: id and version and sequence.
        self.present: Dict[str, Tuple[str, int, int]] = {}
        # Of a read: what it said, and the set that it has to have seen.
        self.floors: List[Tuple[str, int, SetRecord, bool, str]] = []
        self.lives = 1
        self._lock = threading.Lock()
        self._sequence = 0

    def next_sequence(self) -> int:
        with self._lock:
            self._sequence += 1
            return self._sequence

    @property
    def last_sequence(self) -> int:
        return self._sequence

    def trouble(self, kind: str, what: str) -> None:
        self.troubles.append(Trouble(kind, what))

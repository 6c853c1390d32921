"""What the lives of a program do, and how often. Path: life -> [life programs] -> performer. Pure: chance is an argument."""

from dataclasses import dataclass, replace
from random import Random
from typing import Any, Dict, Mapping, Tuple

SETTING = {"set": 20, "burst": 6, "batch": 5, "atomic": 6, "cancelled set": 3, "read": 4}
WATCHING = {"watch": 10, "end": 8, "cancel": 4}
HELPERS = {"helper": 4, "wait": 3}
LIVES = {"delete": 2, "register": 3}
BREAKS = {"cut": 6, "cut after": 4, "silence": 1, "pause": 0.7}


@dataclass(frozen=True)
class Program:
    weights: Mapping[str, float]
    pause_ms: float = 30.0
    buffer_limits: Tuple[int, ...] = (1024, 1024, 100_000, 64, 8)
    atomic_share: float = 0.25
    slow_share: float = 0.2
    is_sync: bool = False


_ALL = {**SETTING, **WATCHING, **HELPERS}

PROGRAMS: Dict[str, Program] = {
    # Every call has to succeed.
    "calm": Program({**_ALL, **LIVES}),
    # Loops that are slower than what comes, and short buffers.
    "overflow": Program({**_ALL, "burst": 20, "atomic": 12}, buffer_limits=(1, 4, 8, 16, 64), slow_share=0.7),
    # Faster than they open.
    "stopping": Program({**WATCHING, **HELPERS, "watch": 20, "end": 16, "cancel": 10, "burst": 8, "cut": 0.5}, pause_ms=6.0),
    "atomic": Program({"watch": 10, "end": 5, "atomic": 24, "set": 4, "cut": 5, "cut after": 5}, atomic_share=0.8),
    "helpers": Program({**SETTING, **HELPERS, **LIVES, "helper": 12, "wait": 10, "cut": 1}),
    "breaks": Program({**_ALL, **LIVES, **BREAKS}),
    "kills": Program({**_ALL, **LIVES, "kill": 1.0, "cut": 1.0}, pause_ms=50.0),
    # Sessions that close and open while everything is under way.
    "closing": Program({**_ALL, "reopen": 6, "visit": 6, "cut": 0.5, "pause": 0.3}),
    "everything": Program({**_ALL, **LIVES, **BREAKS, "kill": 0.4, "reopen": 1.5, "visit": 1}),
    # Threads with the synchronous face.
    "threads": Program({**_ALL, **LIVES, "cut": 1, "cut after": 1, "pause": 0.3}, is_sync=True),
}

ENGINES = ("memory", "sqlite", "redis")
FAULTS = frozenset(("cut", "cut after", "silence", "pause", "kill"))


def program_of(name: str, engine: str) -> Program:
    program = PROGRAMS[name]
    if engine == "redis":
        # Two servers: the other goes on.
        return replace(program, weights={**program.weights, **({"pause": 1.0} if "pause" in program.weights else {})})
    return program


def has_faults(program: Program) -> bool:
    return any(step in FAULTS for step in program.weights)


def draw_session_options(random: Random, is_hurried: bool) -> Dict[str, Any]:
    """Of one session. `is_hurried`: its calls may come to the end of their time."""
    options: Dict[str, Any] = {
        "transport": random.choice(("auto", "link", "stream")),
        "call_timeout_ms": random.choice((20_000, 20_000, 400)) if is_hurried else 20_000,
        "heartbeat_ms": random.choice((None, 150, 300)),
        "probe_timeout_ms": random.choice((None, 200)),
        "spacing_ms": random.choice((0, 4, 20)),
        "cache_ttl_ms": random.choice((0, 60_000)),
        "max_attempts": random.choice((0, 0, 0, 0, 0, 3)) if is_hurried else 0,
    }
    return options


def draw_watch_options(random: Random, program: Program) -> Dict[str, Any]:
    options: Dict[str, Any] = {
        "include_initial": random.random() < 0.6,
        "buffer_limit": random.choice(program.buffer_limits),
        "overflow": random.choice(("conflate", "conflate", "drop-oldest", "drop-oldest", "error")),
    }
    chance = random.random()
    if chance < 0.1:
        options["debounce_ms"] = random.choice((5, 40))
        options["max_wait_ms"] = random.choice((0, 60))
    elif chance < 0.2:
        options["throttle_ms"] = random.choice((5, 40, 100_000))
    elif chance < 0.25:
        options["conflate"] = True
    if random.random() < 0.05:
        options["reconnect"] = False
    if random.random() < 0.1:
        options["stale_after_ms"] = random.choice((300, 1000))
    return options

"""One life: its program, then quiet, then the end, and what the judge says. Path: whoever leads lives -> [life] -> performer, judge.

Bounded in time: what does not come is a violation.
"""

import asyncio
import gc
import logging
import sys
import threading
import warnings
from typing import Any, Iterator, List
from contextlib import contextmanager

from life_history import History
from life_judge import judge
from life_programs import has_faults, program_of
from life_world import LifeWorld
from performer import Performer
from watched_life import OnPurpose

SETTLE_S = 20.0
QUIET_S = 8.0


def lead_life(world: LifeWorld, program_name: str, seed: int, life: int, seconds: float) -> "tuple[History, List[str]]":
    program = program_of(program_name, world.engine)
    loses = world.engine == "memory" and "kill" in program.weights
    history = History(has_faults=has_faults(program), loses_state=loses)
    with _listening(history):
        if program.is_sync:
            from thread_life import lead_threads

            asyncio.run(lead_threads(world, program, f"{program_name}/{seed}/{life}", history, seconds))
        else:
            asyncio.run(_live(world, program, f"{program_name}/{seed}/{life}", history, seconds))
        gc.collect()
    return history, judge(history)


async def _live(world: LifeWorld, program: Any, seed: str, history: History, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    listen(loop, history)
    await world.enter_loop()
    session_id = f"life-{seed}"
    performer = Performer(program, seed, world, history, session_id)
    try:
        await performer.open()
        await performer.perform(seconds)
        await performer.heal()
        await performer.quiet(SETTLE_S)
        await performer.finish(SETTLE_S)
    finally:
        world.heal()
    await nothing_is_left(world, history)
    await world.leave_loop()
    await no_task_is_left(history)


async def nothing_is_left(world: LifeWorld, history: History) -> None:
    ends_at = asyncio.get_running_loop().time() + SETTLE_S
    while True:
        left = await world.left()
        if not left:
            return
        if asyncio.get_running_loop().time() > ends_at:
            history.trouble("left", left)
            return
        await asyncio.sleep(0.02)


async def no_task_is_left(history: History) -> None:
    gc.collect()
    # Of what was collected.
    for _ in range(5):
        await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if left:
        await asyncio.wait(left, timeout=0.1)
        for task in left:
            history.trouble("left", f"a task: {task!r}")
    # Whose exception nobody looked at says so as it is collected.
    del left
    gc.collect()
    await asyncio.sleep(0)


def listen(loop: asyncio.AbstractEventLoop, history: History) -> None:
    """To what nobody looked at. gRPC wakes one loop for another, and lets it be told so: that is no trouble."""

    def handle(_loop: asyncio.AbstractEventLoop, context: Any) -> None:
        if "PollerCompletionQueue._handle_events" not in str(context.get("message")):
            history.trouble("loop", _said_of(context))

    loop.set_exception_handler(handle)


def _said_of(context: Any) -> str:
    return f"{context.get('message')} {context.get('exception')!r} {context.get('future') or context.get('task') or context.get('handle') or ''}"


class _Heard(logging.Handler):
    """What is logged as wrong."""

    def __init__(self, history: History) -> None:
        super().__init__(logging.WARNING)
        self._history = history

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OnPurpose):
            return
        if record.name == "asyncio" or record.levelno >= logging.ERROR:
            self._history.trouble("logged", f"{record.name}: {self.format(record)}")


@contextmanager
def _listening(history: History) -> Iterator[None]:
    """To all that Python says of what nobody looked at."""
    handler = _Heard(history)
    loggers = [logging.getLogger(name) for name in ("asyncio", "bridged_state")]
    before = sys.unraisablehook, threading.excepthook
    for logger in loggers:
        logger.addHandler(handler)
    sys.unraisablehook = lambda said: history.trouble("unraisable", f"{said.err_msg} {said.exc_value!r} in {said.object!r}")
    threading.excepthook = lambda said: history.trouble("thread", f"{said.exc_value!r} in {said.thread}")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield
    finally:
        sys.unraisablehook, threading.excepthook = before
        for logger in loggers:
            logger.removeHandler(handler)
    for warning in told:
        history.trouble("warned", f"{warning.category.__name__}: {warning.message} ({warning.filename}:{warning.lineno})")

"""A life with the synchronous face: threads that share sessions, each doing what chance says. Path: life -> [thread life] -> bridged_state.sync.

Wires and the witness are of the event loop that leads it. Every call has to come back: a thread that does not is a trouble, with where it stands.
"""

import asyncio
import gc
import sys
import threading
import time
import traceback
from random import Random
from typing import Any, Dict, List, Optional

from bridged_state import BatchRefusedError, BridgeError, DeadlineExceededError, sync

from followed_tasks import ALWAYS, IN_TROUBLE
from life_history import BY_NAME, LEGS, SINGLES, History, SetRecord, WatchRecord, sequence_in, value_of
from life_programs import Program, draw_session_options, draw_watch_options
from life_world import LifeWorld
from performer import BACKOFF, DELETABLE, Performer
from watched_life import OnPurpose

STEPS = {
    "set": 12, "batch": 3, "atomic": 4, "read": 6, "watch": 8, "next": 2, "close one": 3, "delete": 1, "register": 2, "reopen": 3,
}  # fmt: skip


class Shared:
    """What threads hold together."""

    def __init__(self, world: LifeWorld, history: History, session_id: str) -> None:
        self.world = world
        self.history = history
        self.session_id = session_id
        self.lock = threading.Lock()
        self.sessions: List[Optional[sync.SessionContext]] = []
        self.options: List[Dict[str, Any]] = []
        self.generation = 0
        self.watches: List["OpenWatch"] = []
        self.is_over = threading.Event()

    def connect(self, place: int) -> sync.SessionContext:
        return sync.SessionContext.connect(
            self.world.endpoints, self.session_id, backoff=BACKOFF, connect_timeout_ms=15_000, **self.options[place]
        )


class OpenWatch:
    def __init__(self, watch: sync.Watch, record: WatchRecord) -> None:
        self.watch = watch
        self.record = record
        # Its close has returned.
        self.is_closed = False


class Actor:
    """One thread."""

    def __init__(self, shared: Shared, number: int, seed: str, program: Program) -> None:
        self._shared = shared
        self._number = number
        self._random = Random(seed)
        self._program = program
        self._order = 0
        self._labels = 0
        self.thread = threading.Thread(target=self._run, name=f"actor {number}", daemon=True)

    def _run(self) -> None:
        while not self._shared.is_over.is_set():
            step = self._random.choices(list(STEPS), list(STEPS.values()))[0]
            place = self._random.randrange(len(self._shared.sessions))
            session = self._shared.sessions[place]
            if session is None:
                time.sleep(0.001)
                continue
            try:
                self._step(step, place, session)
            except OnPurpose:
                pass
            except BridgeError as error:
                allowed = IN_TROUBLE if self._shared.history.has_faults else ALWAYS
                if error.code not in allowed:
                    self._shared.history.trouble("error", f"{step}: {error.code} {error}")
            except BaseException as error:
                self._shared.history.trouble("error", f"{step}: {''.join(traceback.format_exception(type(error), error, error.__traceback__)[-4:])}")

    def _step(self, step: str, place: int, session: sync.SessionContext) -> None:
        random = self._random
        if step == "set":
            for _ in range(random.choice((1, 1, 8))):
                self._set(session, [random.choice(SINGLES).name], False)
        elif step in ("batch", "atomic"):
            names = [leg.name for leg in LEGS] if step == "atomic" else [one.name for one in random.sample(SINGLES, 3)]
            self._set(session, names, step == "atomic")
        elif step == "read":
            name = random.choice(SINGLES).name
            if random.random() < 0.7:
                sequence_in(session.get_variable(name), name)
            else:
                for info in session.list_variables("*"):
                    if info.name not in BY_NAME:
                        continue
                    self._shared.history.reads.append((info.id, info.version, sequence_in(info.value, info.name), "list_variables"))
        elif step == "watch":
            self._watch(session)
        elif step == "next":
            watch = session.watch_variables(["n0"], include_initial=True, timeout=2)
            sequence_in(next(watch).value, "n0")
            if random.random() < 0.5:
                watch.close()
        elif step == "close one":
            self._close_one()
        elif step == "delete":
            session.delete_variable(random.choice(DELETABLE))
        elif step == "register":
            name = random.choice(DELETABLE)
            session.register_variable(name, BY_NAME[name].type, value_of(BY_NAME[name], self._shared.history.next_sequence()))
        else:
            self._reopen(place, session)

    def _set(self, session: sync.SessionContext, names: List[str], is_atomic: bool) -> None:
        history = self._shared.history
        self._order += 1
        sequence = history.next_sequence()
        number = 1000 + self._number + 100 * self._shared.generation
        by_link = session.transport == "link"
        records = []
        for name in names:
            own = sequence if is_atomic else history.next_sequence()
            record = SetRecord(number, self._order, name, own, time.monotonic(), by_link, sequence if is_atomic else 0)
            records.append(record)
            history.sets.append(record)
        values = {record.name: value_of(BY_NAME[record.name], record.sequence) for record in records}
        try:
            if len(names) == 1:
                versions = {names[0]: session.set_variable(names[0], values[names[0]])}
            else:
                versions = session.update_variables(values, atomic=is_atomic)
        except BatchRefusedError as error:
            for record in records:
                refused = error.details.refused.get(record.name)
                record.version = error.details.versions.get(record.name, 0)
                code = "" if refused is None else refused.code
                record.code = code
                # A session that is closed under a call may have sent it.
                record.outcome = "made" if record.version else "unknown" if code in ("UNKNOWN_OUTCOME", "CLOSED") else "refused"
        except BridgeError as error:
            for record in records:
                record.code = error.code
                record.outcome = "unknown" if error.code in ("UNKNOWN_OUTCOME", "CLOSED") else "refused"
            raise
        else:
            for record in records:
                record.version = versions[record.name]
                record.outcome = "made"

    def _watch(self, session: sync.SessionContext) -> None:
        random, shared = self._random, self._shared
        options = draw_watch_options(random, self._program)
        self._labels += 1
        way = random.choice(("loop", "batches", "with", "dropped", "raises"))
        names = tuple(one.name for one in random.sample(SINGLES, 2))
        if random.random() < 0.25:
            names, options["atomic"], way = tuple(leg.name for leg in LEGS), True, "batches"
            for one in ("debounce_ms", "throttle_ms", "conflate", "max_wait_ms"):
                options.pop(one, None)
        timeout = random.choice((0.01, 0.1, 0.3))
        record = WatchRecord(f"{way} {self._labels} of thread {self._number} over {names} {options}", 1000, names, (), options)
        shared.history.watches.append(record)
        opened = OpenWatch(session.watch_variables(list(names), timeout=timeout, **options), record)
        with shared.lock:
            shared.watches.append(opened)
        try:
            self._loop(opened, way)
            record.end = record.end or "left"
        except (BridgeError, OnPurpose) as error:
            record.end = repr(error)
            raise
        finally:
            with shared.lock:
                shared.watches.remove(opened)
            if random.random() < 0.7:
                opened.watch.close()
            if random.random() < 0.1:
                gc.collect()

    def _loop(self, opened: OpenWatch, way: str) -> None:
        random, watch, record = self._random, opened.watch, opened.record
        leaves_after, misses = random.choice((1, 5, 30)), 0
        while True:
            iterator = iter(watch.batches() if way == "batches" else watch)
            try:
                while True:
                    was_closed = opened.is_closed
                    given = next(iterator)
                    if was_closed:
                        self._shared.history.trouble("after the end", f"{record.label} gives {given}")
                    record.told.extend(given if isinstance(given, list) else [given])
                    record.turns.append(len(record.told))
                    if way == "raises" and len(record.told) >= leaves_after:
                        raise OnPurpose("a loop")
                    if len(record.told) >= leaves_after:
                        return
                    if random.random() < 0.1:
                        time.sleep(0.01)
            except StopIteration:
                record.end = "over"
                return
            except DeadlineExceededError:
                misses += 1
                if misses > 3 or self._shared.is_over.is_set():
                    return

    def _close_one(self) -> None:
        with self._shared.lock:
            if not self._shared.watches:
                return
            opened = self._random.choice(self._shared.watches)
        opened.watch.close()
        opened.is_closed = True

    def _reopen(self, place: int, session: sync.SessionContext) -> None:
        shared = self._shared
        with shared.lock:
            if shared.sessions[place] is not session:
                return
            shared.sessions[place] = None
            shared.generation += 1
        if self._random.random() < 0.8:
            session.close()
            if session.state != "closed":
                shared.history.trouble("close", f"a session is {session.state} after its close")
        del session
        # Opened by the first call, of whichever thread.
        shared.sessions[place] = shared.connect(place)


async def lead_threads(world: LifeWorld, program: Program, seed: str, history: History, seconds: float) -> None:
    from life import SETTLE_S, listen, no_task_is_left, nothing_is_left

    loop = asyncio.get_running_loop()
    listen(loop, history)
    await world.enter_loop()
    performer = Performer(program, seed, world, history, f"life-{seed}")
    await performer.open(has_clients=False)
    shared = Shared(world, history, performer.session_id)
    for place in range(2):
        shared.options.append(draw_session_options(performer.random, history.has_faults))
        shared.sessions.append(shared.connect(place))
    actors = [Actor(shared, number, f"{seed}/{number}", program) for number in range(4)]
    for actor in actors:
        actor.thread.start()
    ends_at = loop.time() + seconds
    while loop.time() < ends_at:
        await asyncio.sleep(performer.random.random() * 0.2)
        performer.break_by_chance()
    await performer.heal()
    shared.is_over.set()
    for actor in actors:
        await loop.run_in_executor(None, actor.thread.join, SETTLE_S)
        if actor.thread.is_alive():
            frames = sys._current_frames().get(actor.thread.ident or 0)
            history.trouble("stuck", f"{actor.thread.name} {''.join(traceback.format_stack(frames)[-4:])}")
    await performer.quiet(SETTLE_S)
    for session in shared.sessions:
        if session is not None:
            await loop.run_in_executor(None, session.close)
    shared.sessions.clear()
    gc.collect()
    await performer.finish(SETTLE_S)
    world.heal()
    await nothing_is_left(world, history)
    await world.leave_loop()
    await no_task_is_left(history)
    while any(thread.name == "bridged_state" for thread in threading.enumerate()):
        if loop.time() > ends_at + 2 * SETTLE_S:
            history.trouble("left", f"a thread of a session: {_what_is_left()}")
            break
        await asyncio.sleep(0.02)


def _what_is_left() -> str:
    """Of the sessions that were not collected: who holds them."""
    said = []
    for held in [one for one in gc.get_objects() if isinstance(one, (sync.SessionContext, sync._LoopThread))]:
        holders = [repr(type(one)) + repr(one)[:200] for one in gc.get_referrers(held) if not isinstance(one, list)]
        said.append(f"{held!r} {getattr(held, 'state', '')} held by {holders}")
        if isinstance(held, sync._LoopThread):
            said.append(repr(asyncio.all_tasks(held._loop)))
    return "; ".join(said)

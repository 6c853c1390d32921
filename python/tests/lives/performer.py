"""Does what a program says: opens and ends watches, sets, reads, breaks things. Path: life -> [performer] -> the package, the world.

All that it starts is followed: what does not settle in its time is a trouble, and so is an error that nothing explains. Closed: `finish` ends what is left.
"""

import asyncio
from random import Random
from typing import Any, Dict, List, Optional, Tuple

from bridged_state import BackoffOptions, BridgeError, SessionContext, reactive

from followed_tasks import FollowedTasks
from life_helpers import LifeHelpers
from life_history import BY_NAME, LEGS, SINGLES, VARIABLES, History, Variable, WatchRecord, sequence_in, value_of
from life_programs import FAULTS, Program, draw_session_options, draw_watch_options
from life_reads import LifeReads
from life_sets import Client, LifeSets
from life_world import LifeWorld
from watched_life import WAYS, WatchedLife

BACKOFF = BackoffOptions(base_ms=20, cap_ms=200)
DELETABLE = ("n1", "s0", "room/0", "room/1")


class Performer:
    def __init__(self, program: Program, seed: str, world: LifeWorld, history: History, session_id: str) -> None:
        self.program = program
        self.random = Random(seed)
        self.world = world
        self.history = history
        self.session_id = session_id
        self.clients: List[Client] = []
        self.keeper: Optional[SessionContext] = None
        self.witness: Optional[WatchedLife] = None
        self._loop = asyncio.get_running_loop()
        self._tasks = FollowedTasks(history, self.random)
        self._sets = LifeSets(history, self._tasks, self.random)
        self._reads = LifeReads(history, self._tasks, self.random)
        self._helpers = LifeHelpers(history, self._sets, self.random)
        self._lives: Dict["asyncio.Task[Any]", WatchedLife] = {}
        self._labels = 0
        self._keeping = asyncio.Lock()

    # --- its life

    async def open(self, has_clients: bool = True) -> None:
        await self._keep(True)
        for place in range(self.random.choice((1, 2, 3)) if has_clients else 0):
            client = Client(place, draw_session_options(self.random, self.history.has_faults))
            await self._connect(client)
            self.clients.append(client)

    async def _keep(self, is_first: bool = False) -> None:
        """One session past the wires, that registers and watches all."""
        async with self._keeping:
            if is_first:
                self.keeper = await SessionContext.connect(
                    self.world.quiet_endpoints, self.session_id, call_timeout_ms=20_000, backoff=BACKOFF
                )
            assert self.keeper is not None
            for variable in VARIABLES:
                await self._register(variable)
        if is_first:
            record = WatchRecord("witness", -1, (), ("*",), {"include_initial": True, "buffer_limit": 1_000_000})
            self.history.watches.append(record)
            life = self.witness = WatchedLife(self.history, record, Random(0), "batches", 0.0, 0)
            task = self._tasks.follow(life.live(self.keeper), "the witness")
            self._watching[task] = life
            await asyncio.sleep(0)
            await life.watch.synced()  # type: ignore[union-attr]

    async def _register(self, variable: Variable) -> None:
        assert self.keeper is not None
        try:
            sequence = self.history.next_sequence() if not variable.is_leg else 0
            self._sets.ids[variable.name] = await self.keeper.register_variable(variable.name, variable.type, value_of(variable, sequence))
        except BridgeError as error:
            if error.code not in ("ALREADY_EXISTS", "UNKNOWN_OUTCOME"):
                raise

    async def _connect(self, client: Client) -> None:
        client.session = await SessionContext.connect(
            self.world.endpoints, self.session_id, backoff=BACKOFF, connect_timeout_ms=15_000, **client.options
        )

    async def perform(self, seconds: float) -> None:
        ends_at = self._loop.time() + seconds
        steps = list(self.program.weights)
        weights = [self.program.weights[step] for step in steps]
        while self._loop.time() < ends_at:
            await self._step(self.random.choices(steps, weights)[0])
            pause_s = self.random.random() * self.program.pause_ms / 1000.0
            await asyncio.sleep(pause_s if self.random.random() < 0.7 else 0)

    async def heal(self) -> None:
        self.world.heal()
        await self._keep()

    @property
    def _watching(self) -> Dict["asyncio.Task[Any]", WatchedLife]:
        """Those that go on."""
        self._lives = {task: life for task, life in self._lives.items() if not task.done()}
        return self._lives

    # --- steps

    async def _step(self, step: str) -> None:
        random = self.random
        client = random.choice(self.clients)
        if client.session is None:
            return
        if step == "watch":
            self._open_watch(client)
        elif step == "end":
            self._end_one()
        elif step == "cancel":
            running = list(self._tasks.running)
            task = random.choice(running)
            what = self._tasks.running[task]
            if self._watching.get(task) is not self.witness and "reopen" not in what and what not in FAULTS:
                self._tasks.cancel_after(task)
        elif step == "set":
            self._sets.set_one(client, random.choice(SINGLES))
        elif step == "cancelled set":
            self._tasks.cancel_after(self._sets.set_one(client, random.choice(SINGLES)))
        elif step == "burst":
            for _ in range(random.choice((5, 20, 60))):
                self._sets.set_one(client, random.choice(SINGLES))
        elif step in ("batch", "atomic"):
            task = self._sets.set_batch(client, step == "atomic")
            if random.random() < 0.15:
                self._tasks.cancel_after(task)
        elif step == "read":
            self._reads.read(client)
        elif step == "helper":
            task = self._tasks.follow(self._helpers.live(client, random.random()), f"helper of client {client.number}")
            if random.random() < 0.3:
                self._tasks.cancel_after(task)
        elif step == "wait":
            task = self._tasks.follow(self._helpers.wait(client), f"wait of client {client.number}")
            if random.random() < 0.3:
                self._tasks.cancel_after(task)
        elif step == "delete":
            self._tasks.follow(self._sets.delete(client, random.choice(DELETABLE)), "delete")
        elif step == "register":
            self._tasks.follow(self._sets.register(client, BY_NAME[random.choice(DELETABLE)]), "register")
        elif step == "reopen":
            self._tasks.follow(self._reopen(client), f"reopen of client {client.number}")
        elif step == "visit":
            self._tasks.cancel_after(self._tasks.follow(self._visit(), "visit"))
        else:
            self._break(step)

    def break_by_chance(self) -> None:
        """For who leads the other steps."""
        faults = [step for step in self.program.weights if step in FAULTS]
        if faults:
            self._break(self.random.choices(faults, [self.program.weights[step] for step in faults])[0])

    def _break(self, step: str) -> None:
        random, world = self.random, self.world
        place = random.randrange(len(world.wires))
        if step == "cut":
            self._tasks.follow(self._cut_in_a_burst(place, random.choice((0, 5, 40)), random.randrange(12)), "cut")
        elif step == "cut after":
            self._tasks.follow(world.cut_after(place, random.randrange(2000)), "cut after")
        elif step == "silence":
            self._tasks.follow(world.silence(place, random.choice((0.1, 0.6))), "silence")
        elif step == "pause":
            self._tasks.follow(world.pause(place, random.choice((0.05, 0.4, 1.5))), "pause")
        elif not any(what == "kill" for what in self._tasks.running.values()):
            self._tasks.follow(self._kill(place, random.random() < 0.3), "kill")

    async def _cut_in_a_burst(self, place: int, sets: int, turns: int) -> None:
        """While answers to sets are on their way."""
        client = self.random.choice(self.clients) if self.clients else None
        for _ in range(sets if client is not None and client.session is not None else 0):
            self._sets.set_one(client, self.random.choice(SINGLES))
        for _ in range(turns):
            await asyncio.sleep(0)
        self.world.cut(place)

    async def _kill(self, place: int, drains: bool) -> None:
        await self.world.kill(place, drains)
        if self.history.loses_state:
            self.history.lives += 1
        await self._keep()

    def _open_watch(self, client: Client) -> None:
        random = self.random
        self._labels += 1
        way = random.choice(WAYS)
        options = draw_watch_options(random, self.program)
        patterns: Tuple[str, ...] = ()
        names: Tuple[str, ...] = ()
        if random.random() < self.program.atomic_share:
            names, options["atomic"], way = tuple(leg.name for leg in LEGS), True, "batches"
            for one in ("debounce_ms", "throttle_ms", "conflate", "max_wait_ms"):
                options.pop(one, None)
        elif random.random() < 0.25:
            patterns = random.choice((("room/*",), ("n*", "leg/?"), ("*",)))
        else:
            names = tuple(one.name for one in random.sample(SINGLES, random.choice((1, 1, 2, 4))))
            if random.random() < 0.2:
                names = tuple(self._sets.ids.get(name, name) for name in names)
            if random.random() < 0.3:
                options["missing"] = "wait"
            if random.random() < 0.1:
                options["condition"] = {"changedBy": SLOT_STEP}
                names = tuple(name for name in names if name in ("n0", "n1", "f0", "room/0")) or ("n0",)
        if not options.get("atomic") and random.random() < 0.08:
            options["filter_fn"] = _is_odd
        pause_s = random.choice((0.005, 0.05)) if random.random() < self.program.slow_share else 0.0
        leaves_after = random.choice((0, 0, 1, 5, 40))
        if way in ("dropped", "steps", "raises") and leaves_after == 0:
            leaves_after = 8
        label = f"{way} {self._labels} of client {client.number} ({client.options['transport']}) over {', '.join(patterns or names)} {_said(options)}"
        record = WatchRecord(label, client.number, names, patterns, options)
        self.history.watches.append(record)
        life = WatchedLife(self.history, record, Random(random.random()), way, pause_s, leaves_after)
        session = client.session
        assert session is not None
        self._watching[self._tasks.follow(life.live(session), label)] = life

    def _end_one(self) -> None:
        living = [(task, life) for task, life in self._watching.items() if life is not self.witness]
        if not living:
            return
        task, life = self.random.choice(living)
        if self.random.random() < 0.5:
            self._tasks.cancel_after(task)
        elif life.watch is not None and life.way != "dropped":
            self._tasks.follow(self._close(life), f"aclose of {life.record.label}")

    async def _close(self, life: WatchedLife) -> None:
        watch = life.watch
        if watch is None:
            return
        await watch.aclose()
        count = len(life.record.told)
        await asyncio.sleep(0.05)
        # One that was taken before may still be looked at.
        if len(life.record.told) > count + (1 if life.way != "batches" else 10**9):
            self.history.trouble("after the end", f"{life.record.label} told {len(life.record.told) - count} after aclose")

    # --- sessions

    async def _reopen(self, client: Client) -> None:
        session, client.session = client.session, None
        if session is None:
            return
        closing = self._tasks.follow(session.close(), "close of a reopen")
        if self.random.random() < 0.3:
            await asyncio.sleep(0)
            self._tasks.cancel(closing)
            await asyncio.wait([closing])
            await session.close()
        else:
            await closing
        if session.state != "closed":
            self.history.trouble("close", f"a session is {session.state} after its close")
        while True:
            try:
                client.generation += 1
                await self._connect(client)
                return
            except BridgeError as error:
                if error.code != "UNAVAILABLE" or not self.history.has_faults:
                    raise

    async def _visit(self) -> None:
        """A session that comes, looks and goes; cancelled at any of its awaits."""
        options = draw_session_options(self.random, self.history.has_faults)
        async with SessionContext.connect(self.world.endpoints, self.session_id, backoff=BACKOFF, **options) as session:
            async with session.watch_variables(["n0"], include_initial=True) as watch:
                async for update in watch:
                    sequence_in(update.value, "n0")
                    break
            async with await reactive(session, "f0") as variable:
                sequence_in(variable.value, "f0")

    # --- the end

    async def quiet(self, seconds: float) -> None:
        """Until every watch that stands knows what the server holds, or should have known it. Then it is written down."""
        await self._tasks.settle(seconds, lambda task: task in self._watching or task in self._helpers.open)
        ends_at = self._loop.time() + seconds
        while True:
            await self._read_present()
            if self._loop.time() > ends_at or all(self._is_calm(life) for life in self._watching.values()):
                break
            await asyncio.sleep(0.02)
        for life in self._watching.values():
            if life.watch is not None:
                life.record.quiet = dict(life.watch.stats)
                life.record.quiet_state = life.watch.state
        while self._loop.time() < ends_at and self._helpers.strange():
            await asyncio.sleep(0.02)
            await self._read_present()
        for strange in self._helpers.strange():
            self.history.trouble("helper", strange)

    async def _read_present(self) -> None:
        """What was cancelled may still be made."""
        assert self.keeper is not None
        self.history.present = {
            info.name: (info.id, info.version, sequence_in(info.value, info.name))
            for info in await self.keeper.list_variables("*")
            if info.name in BY_NAME
        }

    def _is_calm(self, life: WatchedLife) -> bool:
        watch = life.watch
        if watch is None or watch.state == "failed":
            return True
        if watch.state != "live" or watch.stats["buffered"]:
            return False
        last = {update.variable_id: update.version for update in life.record.told}
        known = {id: version for id, version, _ in self.history.present.values()}
        return not life.record.is_plain or life.record.drops_last or all(version >= known.get(id, 0) for id, version in last.items())

    async def finish(self, seconds: float) -> None:
        """Half of the watches are cancelled, the others end with their sessions."""
        self._helpers.ends.set()
        for place, task in enumerate(list(self._watching)):
            if place % 2 == 1:
                self._tasks.cancel(task)
        sessions = [client.session for client in self.clients if client.session is not None]
        for session in sessions:
            self._tasks.follow(session.close(), "close")
        await self._tasks.settle(seconds, lambda task: self._watching.get(task) is self.witness)
        if self.keeper is not None:
            self._tasks.follow(self.keeper.close(), "close of the keeper")
        await self._tasks.settle(seconds, lambda _task: False)
        for task in list(self._tasks.running):
            self._tasks.cancel(task)


SLOT_STEP = 20


def _is_odd(_old: Any, new: Any) -> bool:
    number = new["number"] if isinstance(new, dict) else new[0] if isinstance(new, list) else str(new).split(":")[0]
    return int(float(number)) % 2 == 1


def _said(options: Dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items() if not callable(value)) + (" filter" if "filter_fn" in options else "")

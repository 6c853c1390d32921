"""Reactive helpers and waiters of a life, from their opening to their close. Path: performer -> [life helpers] -> the package."""

import asyncio
from random import Random
from typing import Any, Dict, List

from bridged_state import BridgeError, combine, derive, group, reactive, watch_for_condition

from followed_tasks import trace_of
from life_history import BY_NAME, LEGS, SINGLES, History, sequence_in, value_of
from life_sets import Client, LifeSets
from watched_life import OnPurpose


class LifeHelpers:
    def __init__(self, history: History, sets: LifeSets, random: Random) -> None:
        self._history = history
        self._sets = sets
        self._random = random
        # That are open, by who leads them.
        self.open: Dict["asyncio.Task[Any]", Any] = {}
        self.ends = asyncio.Event()

    async def live(self, client: Client, chance: float) -> None:
        session = client.session
        if session is None:
            return
        closed = False

        def heard(what: Any, *_: Any) -> None:
            if closed:
                self._history.trouble("after the end", f"a helper of client {client.number} is told {what} after its close")

        def tell(error: BaseException) -> None:
            if not isinstance(error, (BridgeError, OnPurpose)):
                self._history.trouble("error", f"on_error of a helper: {error!r} {trace_of(error)}")

        kind = int(chance * 6)
        name = self._random.choice(SINGLES).name
        legs = [leg.name for leg in LEGS]
        check: Any = None
        if kind == 0:
            opening: Any = reactive(session, name, on_error=tell)
        elif kind in (1, 2):
            opening = group(session, legs, on_error=tell)
        elif kind == 3:
            opening = combine(session, legs, lambda *values: [sequence_in(one, leg) for one, leg in zip(values, legs)], on_error=tell)
        elif kind == 4:
            target = f"derived/{self._history.next_sequence()}"
            await session.register_variable(target, "integer", 0)
            opening = derive(session, target, ["n0"], lambda value: value, on_error=tell)
        else:
            opening = reactive(session, "n0", on_error=tell)
        async with await opening as helper:
            if kind in (1, 2):
                helper.on_change(lambda changed, values: heard(changed) or self._check_legs(values))  # type: ignore[func-returns-value]
            elif kind == 3:
                helper.on_change(lambda old, new: heard(new) or self._check_combined(new))  # type: ignore[func-returns-value]
            else:
                helper.on_change(heard)
            if kind == 5:
                mapped = await helper.map(lambda value: value + 1)
                await mapped.close()
            task = asyncio.current_task()
            assert task is not None
            self.open[task] = (kind, helper, name)
            if kind == 0:
                sequence = self._history.next_sequence()
                record = self._sets.record(client, name, sequence)
                await self._sets.outcome([record], helper.set(value_of(BY_NAME[name], sequence)))
            if self._random.random() < 0.4:
                await self.ends.wait()
            else:
                await asyncio.sleep(self._random.random() * 0.3)
        closed = True
        await asyncio.sleep(0.02)

    def _check_legs(self, values: Any) -> None:
        found = {name: sequence_in(value, name) for name, value in values.items()}
        if len(set(found.values())) > 1 and self._history.lives == 1:
            self._history.trouble("torn", f"a group is told {found}")

    def _check_combined(self, found: Any) -> None:
        if found is not None and len(set(found)) > 1 and self._history.lives == 1:
            self._history.trouble("torn", f"a computed value is of {found}")

    async def wait(self, client: Client) -> None:
        session = client.session
        if session is None:
            return
        legs = [leg.name for leg in LEGS]
        timeout = self._random.choice((0.005, 0.1, 1.0))
        if self._random.random() < 0.5:
            least = self._history.last_sequence + self._random.randrange(40)
            values = await watch_for_condition(session, legs, lambda one, *_: sequence_in(one, legs[0]) > least, timeout)
            self._check_legs(values)
            if sequence_in(values[legs[0]], legs[0]) <= least:
                self._history.trouble("wait", f"{values} does not meet > {least}")
        else:
            await watch_for_condition(session, ["n0", "f0"], {"gt": 1}, timeout)

    def strange(self) -> List[str]:
        """Of those that are open: what they say and the server does not."""
        found = []
        self.open = {task: one for task, one in self.open.items() if not task.done()}
        for kind, helper, name in self.open.values():
            if helper.is_closed:
                continue
            present = self._history.present
            if kind in (1, 2):
                values: Any = {leg: sequence_in(value, leg) for leg, value in helper.values.items()}
                wanted: Any = {leg.name: present[leg.name][2] for leg in LEGS if leg.name in present}
            elif kind == 3:
                values, wanted = helper.value, [present[leg.name][2] for leg in LEGS]
            else:
                variable = "n0" if kind in (4, 5) else name
                if variable not in present or getattr(helper, "is_deleted", False):
                    continue
                values, wanted = None if helper.value is None else sequence_in(helper.value, variable), present[variable][2]
            if values != wanted:
                found.append(f"{type(helper).__name__} of {helper.names} says {values}, the server {wanted}")
        return found

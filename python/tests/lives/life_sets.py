"""Sets of a life, and what became of each. Path: performer -> [life sets] -> the package."""

import asyncio
from typing import Any, Awaitable, Dict, List, Optional, Tuple

from bridged_state import BatchRefusedError, BridgeError, SessionContext

from followed_tasks import FollowedTasks
from life_history import BY_NAME, LEGS, SINGLES, History, SetRecord, Variable, value_of
from random import Random


class Client:
    """A session of the life, and the one before it where it was opened again."""

    def __init__(self, place: int, options: Dict[str, Any]) -> None:
        self.place = place
        self.options = options
        self.session: Optional[SessionContext] = None
        self.generation = 0

    @property
    def number(self) -> int:
        """Of the session: another one has an order of its own."""
        return self.place + 100 * self.generation


class LifeSets:
    def __init__(self, history: History, tasks: FollowedTasks, random: Random) -> None:
        self._history = history
        self._tasks = tasks
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._orders: Dict[int, int] = {}
        self._batch = 0
        # By name, as far as somebody has heard it.
        self.ids: Dict[str, str] = {}

    def record(self, client: Client, name: str, sequence: int, batch: int = 0) -> SetRecord:
        number = client.number
        order = self._orders[number] = self._orders.get(number, 0) + 1
        session = client.session
        assert session is not None
        record = SetRecord(number, order, name, sequence, self._loop.time(), session.transport == "link", batch)
        self._history.sets.append(record)
        return record

    def set_one(self, client: Client, variable: Variable) -> "asyncio.Task[Any]":
        identifier = self.ids.get(variable.name, variable.name) if self._random.random() < 0.15 else variable.name
        return self._tasks.follow(self._set(client, variable, identifier, self._random.random()), f"set of {variable.name}")

    async def _set(self, client: Client, variable: Variable, identifier: str, chance: float) -> None:
        session = client.session
        if session is None:
            return
        sequence = self._history.next_sequence()
        record = self.record(client, variable.name, sequence)
        expected = 0 if chance > 0.06 else 3
        metadata = {"sequence": str(sequence)} if chance > 0.8 else None
        await self.outcome([record], session.set_variable(identifier, value_of(variable, sequence), expected_version=expected, metadata=metadata))

    async def outcome(self, records: List[SetRecord], work: Awaitable[Any]) -> Any:
        """Writes down what became of them."""
        try:
            answer = await work
        except asyncio.CancelledError:
            self._end_sets(records, "cancelled", None)
            raise
        except BatchRefusedError as error:
            for record in records:
                version = error.details.versions.get(record.name)
                refused = error.details.refused.get(record.name)
                if version is not None:
                    record.version = version
                    self._end_sets([record], "made", None)
                else:
                    code = "" if refused is None else refused.code
                    self._end_sets([record], "unknown" if code == "UNKNOWN_OUTCOME" else "refused", code)
            return None
        except BridgeError as error:
            self._end_sets(records, "unknown" if error.code == "UNKNOWN_OUTCOME" else "refused", error.code)
            raise
        for record in records:
            record.version = answer if isinstance(answer, int) else answer[record.name]
        self._end_sets(records, "made", None)
        return answer

    def _end_sets(self, records: List[SetRecord], outcome: str, code: Optional[str]) -> None:
        for record in records:
            record.outcome, record.code, record.ended_at = outcome, code or "", self._loop.time()

    def set_batch(self, client: Client, is_atomic: bool) -> "asyncio.Task[Any]":
        variables = LEGS if is_atomic else tuple(self._random.sample(SINGLES, 4))
        if is_atomic and self._random.random() < 0.3:
            variables = (*LEGS, BY_NAME["n0"], BY_NAME["m0"])
        return self._tasks.follow(self._set_several(client, variables, is_atomic), "atomic batch" if is_atomic else "batch")

    async def _set_several(self, client: Client, variables: Tuple[Variable, ...], is_atomic: bool) -> None:
        session = client.session
        if session is None:
            return
        sequence = self._history.next_sequence()
        self._batch += 1
        batch = self._batch if is_atomic else 0
        sequences = {one: sequence if is_atomic else self._history.next_sequence() for one in variables}
        records = [self.record(client, one.name, sequences[one], batch) for one in variables]
        values = {one.name: value_of(one, sequences[one]) for one in variables}
        await self.outcome(records, session.update_variables(values, atomic=is_atomic))

    async def delete(self, client: Client, name: str) -> None:
        if client.session is not None:
            await client.session.delete_variable(name)

    async def register(self, client: Client, variable: Variable) -> None:
        if client.session is None:
            return
        sequence = self._history.next_sequence()
        self.ids[variable.name] = await client.session.register_variable(variable.name, variable.type, value_of(variable, sequence))

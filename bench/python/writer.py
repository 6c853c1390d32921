"""The setting service of a measurement, in Python: the package, or what one would write without it. Path: scenario -> [writer] -> server -> watcher.

Answers the calls of bench/processes/writer.ts over Node's IPC channel, and sets by the same schedule: what is due in one millisecond goes as one
batch, a batch keeps its time however late it is, and an answer that does not come holds the next ones back.
"""

import asyncio
import json
import os
from array import array

from channel import answer_parent, now_us

MAX_OPEN_BATCHES = 500
MAX_BATCH = 400


def variable_name(variable):
    return f"sensor-{variable}"


class PackageSetter:
    """`update_variables`, not atomic; by the link the batches of a turn are one message."""

    def __init__(self, transport):
        self.transport = transport

    async def connect(self, port, session):
        from bridged_state import SessionContext

        self.session = await SessionContext.connect(f"127.0.0.1:{port}", session, transport=self.transport)

    async def register(self, variables):
        for first in range(0, variables, 200):
            names = map(variable_name, range(first, min(first + 200, variables)))
            await asyncio.gather(*(self.session.register_variable(name, "integer", 0) for name in names))

    async def set(self, values):
        await self.session.update_variables(values)


class PlainSetter:
    """grpc.aio, one SetVariables call a batch, generated messages, json.dumps."""

    async def connect(self, port, session):
        import grpc
        from bridged_state._wire import messages

        self.messages = messages
        self.session_id = session
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.set_variables = self._method("SetVariables")
        await self._method("InitializeSession")(messages.InitializeSessionRequest(session_id=session))

    def _method(self, name):
        method = self.messages.METHODS[name]
        return self.channel.unary_unary(method.path, method.request.SerializeToString, method.response.FromString)

    async def register(self, variables):
        register = self._method("RegisterVariable")
        for variable in range(variables):
            request = self.messages.RegisterVariableRequest(
                session_id=self.session_id, name=variable_name(variable), type="integer"
            )
            request.initial_value.type_url = "type.googleapis.com/snakepit.integer"
            request.initial_value.value = b"0"
            await register(request)

    async def set(self, values):
        request = self.messages.BatchSetVariablesRequest(session_id=self.session_id)
        for name, value in values.items():
            sent = request.updates[name]
            sent.type_url = "type.googleapis.com/snakepit.integer"
            sent.value = json.dumps(value).encode()
        answer = await self.set_variables(request)
        if not answer.success:
            raise RuntimeError(str(dict(answer.errors)))


class RedisSetter:
    """redis-py, a pipeline of PUBLISH a batch."""

    async def connect(self, port, session):
        import redis.asyncio

        self.redis = redis.asyncio.Redis(port=port)

    async def register(self, variables):
        await self.redis.ping()

    async def set(self, values):
        pipeline = self.redis.pipeline(transaction=False)
        for name, value in values.items():
            pipeline.publish(name, value)
        await pipeline.execute()


class Writer:
    async def prepare(self, argument):
        kind = argument["kind"]
        self.setter = {"plain": PlainSetter, "redis": RedisSetter}.get(kind, lambda: PackageSetter(kind))()
        await self.setter.connect(argument["port"], argument["session"])
        await self.setter.register(argument["variables"])

    async def write(self, plan):
        start_us, per_second, sets, variables = plan["startUs"], plan["setsPerSecond"], plan["sets"], plan["variables"]
        scheduled = lambda place: start_us + int(place * 1000 / per_second) * 1000
        report = {"acknowledged": 0, "failed": 0, "failure": None}
        late_ms = array("d")
        open_batches = set()

        async def send(values):
            try:
                await self.setter.set(values)
                report["acknowledged"] += len(values)
            except Exception as error:
                report["failed"] += len(values)
                report["failure"] = report["failure"] or repr(error)

        largest = min(MAX_BATCH, variables)
        place = 0
        await asyncio.sleep(max(0, (start_us - now_us()) / 1e6))
        cpu = sum(os.times()[:2])
        while place < sets:
            await asyncio.sleep(max(0, (scheduled(place) - now_us()) / 1e6))
            while len(open_batches) > MAX_OPEN_BATCHES:
                await asyncio.sleep(0.001)
            at_us = now_us()
            while place < sets and scheduled(place) <= at_us:
                values = {}
                late_ms.append((at_us - scheduled(place)) / 1000)
                while place < sets and len(values) < largest and scheduled(place) <= at_us:
                    values[variable_name(place % variables)] = scheduled(place)
                    place += 1
                task = asyncio.ensure_future(send(values))
                open_batches.add(task)
                task.add_done_callback(open_batches.discard)
        while open_batches:
            await asyncio.sleep(0.001)
        cpu_us = (sum(os.times()[:2]) - cpu) * 1e6
        late = sorted(late_ms)
        return {**report, "lateP99Ms": late[int(len(late) * 0.99)] if late else 0, "cpuUs": cpu_us}


asyncio.run(answer_parent(Writer()))

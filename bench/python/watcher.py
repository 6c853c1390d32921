"""The watching service of a measurement, in Python: the package, or what one would write without it, doing the same job in a process of its own.

Answers the calls of bench/processes/watcher.ts over Node's IPC channel.
"""

import asyncio
import json
import os
import resource
from array import array

from channel import answer_parent, now_us


def variable_name(variable):
    return f"sensor-{variable}"


class Recorder:
    """As bench/processes/update-recorder.ts: how late each update was, and whether it is the version that had to come."""

    def __init__(self, watches):
        self.versions = [1] * watches
        self.part = None
        self.latencies_us = array("d")
        self.delivered = self.missed = self.lost = self.disordered = self.calls_in_time = 0
        self.last_at_us = None

    def handle_update(self, watch, scheduled_us, version, missed):
        at_us = now_us()
        self.delivered += 1
        last = self.versions[watch]
        if version != last + 1 or missed:
            if version <= last:
                self.disordered += 1
            else:
                self.missed += missed
                self.lost += max(0, version - last - 1 - missed)
        self.versions[watch] = version
        if self.part is None:
            return
        if self.part["fromUs"] <= at_us < self.part["toUs"]:
            self.calls_in_time += 1
        if scheduled_us >= self.part["fromUs"]:
            self.latencies_us.append(at_us - scheduled_us)
            self.last_at_us = at_us

    def read(self):
        latencies = sorted(self.latencies_us)
        recording = {
            "delivered": len(latencies),
            "missed": self.missed,
            "deliveredInAll": self.delivered,
            "missedInAll": self.missed,
            "lost": self.lost,
            "disordered": self.disordered,
            "callsInTime": self.calls_in_time,
        }
        if latencies:
            at = lambda percent: latencies[min(len(latencies) - 1, int(len(latencies) * percent / 100))] / 1000
            recording["lastAtUs"] = self.last_at_us
            recording["latencyMs"] = {
                "p50": at(50), "p90": at(90), "p99": at(99), "p999": at(99.9), "max": latencies[-1] / 1000,
                "curve": [at(percent) for percent in CURVE_PERCENTILES],
            }  # fmt: skip
        return recording


class PackageClient:
    """A watch a variable, as with the others."""

    def __init__(self, transport, spacing_ms):
        self.options = {"transport": transport}
        if spacing_ms is not None:
            self.options["spacing_ms"] = spacing_ms

    async def connect(self, port, session):
        from bridged_state import SessionContext

        self.context = SessionContext.connect(f"127.0.0.1:{port}", session, **self.options)
        self.session = await self.context.__aenter__()

    async def watch(self, name, on_update):
        return await self._begin(self._read, name, on_update)

    async def watch_all(self, names, on_update):
        return await self._begin(self._read_all, names, on_update)

    async def _begin(self, read, *arguments):
        registered = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(read(*arguments, registered))
        await registered
        return task

    async def _read(self, name, on_update, registered):
        # What is there at first says that the watch is registered.
        async for update in self.session.watch_variable(name, include_initial=True):
            if not update.is_initial:
                on_update(update.value, update.version, update.missed)
            elif not registered.done():
                registered.set_result(None)

    async def _read_all(self, names, on_update, registered):
        places = {name: place for place, name in enumerate(names)}
        waiting = len(names)
        async for update in self.session.watch_variables(names, include_initial=True):
            if not update.is_initial:
                on_update(places[update.variable_name], update.value, update.version, update.missed)
            else:
                waiting -= 1
                if waiting == 0:
                    registered.set_result(None)

    async def close(self):
        await self.context.__aexit__(None, None, None)


class PlainClient:
    """grpc.aio, one WatchVariables stream a watch, generated messages, json.loads."""

    async def connect(self, port, session):
        import grpc
        from bridged_state._wire import messages

        self.messages = messages
        self.session_id = session
        # As the product's streams: at most a thousand of them a connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(4)]
        self.streams = 0

    async def watch(self, name, on_update):
        from_bytes = self.messages.VariableUpdate.FromString
        request = self.messages.WatchVariablesRequest(session_id=self.session_id, variable_identifiers=[name])
        channel = self.channels[self.streams // 1000]
        self.streams += 1
        method = "/snakepit.bridge.BridgeService/WatchVariables"
        call = channel.unary_stream(method, type(request).SerializeToString, from_bytes)(request)
        await call.initial_metadata()

        async def read():
            async for update in call:
                if update.update_type != "heartbeat" and update.HasField("variable"):
                    variable = update.variable
                    on_update(json.loads(variable.value.value), variable.version, update.missed)

        return asyncio.ensure_future(read())

    async def close(self):
        for channel in self.channels:
            await channel.close()


class RedisClient:
    """redis-py, a subscribed channel a watch; nothing is kept, so that versions are counted here."""

    async def connect(self, port, session):
        import redis.asyncio

        self.redis = redis.asyncio.Redis(port=port)
        self.pubsub = self.redis.pubsub(ignore_subscribe_messages=True)
        self.watchers = {}
        self.subscribing = asyncio.Lock()
        self.task = None

    async def watch(self, name, on_update):
        self.watchers[name.encode()] = [on_update, 1]
        # One after the other: two at once would each open a connection.
        async with self.subscribing:
            await self.pubsub.subscribe(name)
            if self.task is None:
                self.task = asyncio.ensure_future(self.read())
        return self.task

    async def read(self):
        async for message in self.pubsub.listen():
            watcher = self.watchers[message["channel"]]
            watcher[1] += 1
            watcher[0](int(message["data"]), watcher[1], 0)

    async def close(self):
        await self.pubsub.close()
        await self.redis.close()


class Watcher:
    async def connect(self, argument):
        kind, spacing_ms = argument["choice"]["kind"], argument["choice"].get("spacingMs")
        self.client = {"plain": PlainClient, "redis": RedisClient}.get(kind, lambda: PackageClient(kind, spacing_ms))()
        await self.client.connect(argument["port"], argument["session"])

    async def watch(self, argument):
        self.recorder = Recorder(argument["watches"])
        started_us = now_us()
        self.tasks = []
        if argument.get("byOneCall"):
            names = [variable_name(variable) for variable in range(argument["variables"])]
            self.tasks.append(await self.client.watch_all(names, self.recorder.handle_update))
            return {"openMs": (now_us() - started_us) / 1000}
        for first in range(0, argument["watches"], 200):
            opening = [self._watch(watch) for watch in range(first, min(first + 200, argument["watches"]))]
            self.tasks += await asyncio.gather(*opening)
        return {"openMs": (now_us() - started_us) / 1000}

    def _watch(self, watch):
        handle_update = self.recorder.handle_update
        return self.client.watch(
            variable_name(watch), lambda value, version, missed: handle_update(watch, value, version, missed)
        )

    async def record(self, argument):
        part = self.recorder.part = argument["part"]
        await asyncio.sleep(max(0, (part["fromUs"] - now_us()) / 1e6))
        before = sum(os.times()[:2])
        await asyncio.sleep(max(0, (part["toUs"] - now_us()) / 1e6))
        cpu_us = (sum(os.times()[:2]) - before) * 1e6
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"usage": {"cpuUs": cpu_us, "rssBytes": rss}, "workUs": 0}

    async def settle(self, argument):
        recorder = self.recorder
        deadline_us = now_us() + 30e6
        seen, seen_at_us = -1, now_us()
        while True:
            accounted = recorder.delivered + recorder.missed
            if accounted != seen:
                seen, seen_at_us = accounted, now_us()
            if accounted >= argument["expected"] or now_us() - seen_at_us > 2e6 or now_us() > deadline_us:
                errors = [task.exception() for task in self.tasks if task.done() and not task.cancelled()]
                failed = [error for error in errors if error is not None]
                return {**recorder.read(), "errors": len(failed), "firstError": repr(failed[0]) if failed else None}
            await asyncio.sleep(0.02)


CURVE_PERCENTILES = [25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99]

asyncio.run(answer_parent(Watcher()))

"""A user's program, for `mypy --strict`: what the pages show has types, and nothing has to be silenced. It is checked and never run."""

import asyncio
from typing import Awaitable, Dict, Generic, Mapping, Protocol, TypeVar

from bridged_state import SessionContext, VariableUpdate, combine, group, reactive, sync, watch_for_condition


class Closable(Protocol):
    def aclose(self) -> Awaitable[object]: ...


T = TypeVar("T", bound=Closable)


class Closing(Generic[T]):
    """Typed as `contextlib.aclosing`, which Python has from 3.10 on."""

    def __init__(self, thing: T) -> None:
        self.thing = thing

    async def __aenter__(self) -> T:
        return self.thing

    async def __aexit__(self, *_: object) -> None:
        await self.thing.aclose()


async def watches(session: SessionContext, names: Mapping[str, float]) -> VariableUpdate:
    async for update in session.watch_variables(["temperature"]):
        print(f"{update.variable_name}: {update.old_value} -> {update.value}")
    async for update in session.watch_variables(names.keys(), filter_fn=lambda old, new: new > old):
        print(update.version + 1)
    async for updates in session.watch_variables({"a", "b"}, atomic=True).batches():
        print(updates[0].version + 1)
    async with Closing(session.watch_variables(["a"]).batches()) as batches:
        async for updates in batches:
            print(updates[0].version + 1)
    async with Closing(session.watch_variable("a").__aiter__()) as loop:
        print((await loop.__anext__()).version + 1)
    async with session.watch_pattern("room/*", filter_fn=lambda update: update.value > 3) as watch:
        waiting: "asyncio.Task[VariableUpdate]" = asyncio.create_task(watch.__anext__())
        await waiting
        return await asyncio.wait_for(watch.__anext__(), 5)


async def helpers(session: SessionContext) -> int:
    fan = await reactive(session, "fan")
    fan.on_change(lambda old, new, update: print(old, new, update.version))
    fan.value = True
    async with await group(session, ["a", "b"]) as both:
        both.on_change(lambda changed, values: print(sorted(changed), values["a"]))
    total = await combine(session, ["a", "b"], lambda a, b: a + b)
    print(total.value)
    values = await watch_for_condition(session, ["a", "b"], lambda a, b: abs(a - b) < 1, timeout=10)
    print(values["a"], await session.get_variables(name for name in values))
    versions: Dict[str, int] = await session.update_variables({"a": 1, "b": 2}, atomic=True)
    return versions["a"]


def script() -> None:
    with sync.SessionContext.connect(["127.0.0.1:50051", "127.0.0.1:50052"], "house") as session:
        session.set_variable("temperature", 23.0)
        for update in session.watch_variables({"temperature"}, timeout=60):
            print(update.value, update.version + 1)


async def main() -> None:
    async with SessionContext.connect("127.0.0.1:50051", "house") as session:
        print((await watches(session, {"a": 1})).version, await helpers(session))
    other: SessionContext = await SessionContext.connect("127.0.0.1:50051")
    await other.close()

"""Two short lives of a fixed seed: nothing that they find may be new. Path: pytest -> [test lives] -> life."""

import asyncio

from life import lead_life
from life_world import LifeWorld

SEED = 2026


def test_short_lives_break_no_promise() -> None:
    world = LifeWorld("memory")

    async def open_world() -> None:
        await world.open()
        await world.leave_loop()

    asyncio.run(open_world())
    try:
        for program in ("breaks", "threads"):
            history, found = lead_life(world, program, SEED, 0, 0.6)
            assert found == []
            assert len(history.sets) > 10 and any(watch.told for watch in history.watches)
    finally:
        asyncio.run(world.close())

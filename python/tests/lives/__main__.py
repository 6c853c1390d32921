"""`python3 python/tests/lives --seed 7 --minutes 3`: random lives, one after the other. Path: the shell -> [main] -> life. Exit 1 when a promise was broken."""

import argparse
import asyncio
import gc
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

from life import lead_life  # noqa: E402
from life_programs import ENGINES, PROGRAMS  # noqa: E402
from life_world import LifeWorld  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="lives", description="Random lives of the Python package, and what broke a promise.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--life", type=int, help="only this one of the seed")
    parser.add_argument("--lives", type=int, default=10**9, help="so many at most")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--length", type=float, default=3.0, help="seconds of a life")
    parser.add_argument("--program", choices=sorted(PROGRAMS), help="else they take turns")
    parser.add_argument("--engine", choices=ENGINES, default="memory")
    options = parser.parse_args()
    names = [options.program] if options.program else list(PROGRAMS)
    world = LifeWorld(options.engine)
    asyncio.run(_opened(world))
    ends_at = time.monotonic() + 60 * options.minutes
    failed = []
    life = options.life or 0
    led = 0
    try:
        while led < options.lives and time.monotonic() < ends_at:
            name = names[life % len(names)]
            begun = time.monotonic()
            history, found = lead_life(world, name, options.seed, life, options.length)
            told = sum(len(watch.told) for watch in history.watches)
            gc.collect()
            print(
                f"{name} {options.seed}/{life}: {len(history.watches)} watches, {len(history.sets)} sets, {told} updates, "
                f"{time.monotonic() - begun:.1f} s, {_resident_mb():.0f} MB, {len(gc.get_objects())} objects: "
                + ("good" if not found else f"{len(found)} VIOLATIONS"),
                flush=True,
            )
            for one in found[:8]:
                print(f"    {one}", flush=True)
            if found:
                failed.append(f"{options.seed}/{life} ({name})")
            del history, found
            led += 1
            if options.life is not None and options.lives >= 10**9:
                break
            if options.life is None:
                life += 1
    finally:
        asyncio.run(world.close())
    print(f"{led} lives, " + ("no violation" if not failed else f"violations in {', '.join(failed)}"))
    return 1 if failed else 0


async def _opened(world: LifeWorld) -> None:
    await world.open()
    await world.leave_loop()


def _resident_mb() -> float:
    with open("/proc/self/statm") as said:
        return int(said.read().split()[1]) * 4096 / 1e6


if __name__ == "__main__":
    sys.exit(main())

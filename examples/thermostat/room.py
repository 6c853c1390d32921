"""Simulates a room. Its clock is the exchange with the thermostat: a minute is over when the thermostat has answered the last reading, so that a
slow machine simulates the same as a fast one. It ends with 1 unless the room was comfortable through the last half hour."""

import argparse
import asyncio
import sys

from bridged_state import SessionContext, watch_for_condition

COMFORT = {"low": 20.0, "high": 23.0}
SETTLED_READINGS = 30


def outside(minute):
    """A hot day; after an hour the weather turns."""
    return 33.0 if minute < 60 else 2.0


def next_minute(temperature, minute, fan, heating):
    """The walls let a little of the difference through; the fan blows in cooled air."""
    change = (outside(minute) - temperature) / 120
    if fan:
        change -= 0.35
    if heating:
        change += 0.4
    return round(temperature + change, 2)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", default="127.0.0.1:50051")
    parser.add_argument("--minutes", type=int, default=120, help="to simulate")
    options = parser.parse_args()
    degrees = 28.0

    async with SessionContext.connect(options.endpoint, "house") as session:
        await session.register_variable("comfort", "map", COMFORT)
        await session.register_variable("fan", "boolean", False)
        await session.register_variable("heating", "boolean", False)
        await session.register_variable("answered", "integer", 0)
        await session.register_variable("temperature", "float", degrees)

        readings = []
        # The version of the last one, as a set returns it; registering makes version 1.
        reading = 1
        for minute in range(options.minutes):
            # The thermostat sets these three as one batch, and the condition is asked of all of it.
            controls = await watch_for_condition(
                session,
                ["fan", "heating", "answered"],
                lambda fan, heating, answered: answered >= reading,
                timeout=30,
            )
            degrees = next_minute(degrees, minute, controls["fan"], controls["heating"])
            # A reading that is equal to the last makes no new version, and is answered already.
            reading = await session.set_variable("temperature", degrees)
            readings.append(degrees)
            if minute % 30 == 29:
                print(f"after {minute + 1:3} minutes: {degrees:.1f} degrees, {outside(minute):.0f} outside")

        # Nothing to watch any more: that is how the thermostat learns that the simulation is over.
        await session.delete_variable("temperature")

    last = readings[-SETTLED_READINGS:]
    is_settled = len(last) == SETTLED_READINGS and all(COMFORT["low"] <= value <= COMFORT["high"] for value in last)
    print(f"{'stable' if is_settled else 'not stable'}: the last {len(last)} readings are {min(last)} to {max(last)} degrees")
    return 0 if is_settled else 1


sys.exit(asyncio.run(main()))

"""Looks for the two parameters with the lowest score, without knowing how they are scored: a random local search. It tries a place near the best one
so far, takes longer steps after a success and shorter ones after a failure. It ends with 1 when it has not come close to zero."""

import argparse
import asyncio
import random
import sys

from bridged_state import SessionContext, group, watch_for_condition

GOAL = 0.01


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", default="127.0.0.1:50051")
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1, help="another seed takes another way, maybe to another valley")
    parser.add_argument("--plot", help="the scorer's: where it draws the history")
    options = parser.parse_args()
    chance = random.Random(options.seed)

    async with SessionContext.connect(options.endpoint, "tuning") as session:
        await session.register_variable("score", "map", {"trial": 0, "value": 0.0})
        for name in ("x", "y"):
            await session.register_variable(name, "float", 0.0, constraints={"min": -5, "max": 5})
        await session.register_variable("trial", "integer", 0)
        parameters = await group(session, ["x", "y", "trial"])

        async def score_of(trial, x, y):
            # One batch (atomic is the default of a group), so that nobody scores the new x with the old y.
            await parameters.set({"x": x, "y": y, "trial": trial})
            # The score says which trial it belongs to. That makes it a new value even where the score is the same as before: setting an
            # equal value tells nobody.
            found = await watch_for_condition(session, "score", lambda score: score["trial"] == trial, timeout=30)
            return found["score"]["value"]

        def near(place, step):
            return min(5.0, max(-5.0, round(chance.gauss(place, step), 3)))

        best, x, y, step = float("inf"), 0.0, 0.0, 2.0
        for trial in range(1, options.trials + 1):
            trial_x, trial_y = near(x, step), near(y, step)
            score = await score_of(trial, trial_x, trial_y)
            if score < best:
                best, x, y = score, trial_x, trial_y
                step *= 1.6
                print(f"trial {trial:3}: x {x:6.3f}, y {y:6.3f}, score {score:.6f}")
            else:
                step *= 0.88

        # That is how the scorer learns that there are no more trials.
        await session.delete_variable("trial")

    print(f"best after {options.trials} trials: x {x:.3f}, y {y:.3f}, score {best:.6f}")
    return 0 if best <= GOAL else 1


sys.exit(asyncio.run(main()))

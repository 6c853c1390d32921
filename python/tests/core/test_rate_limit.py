"""Debounce and throttle in virtual time."""

import random
from typing import Any, Dict, List

from bridged_state._core.rate_limit import GO, RateLimit
from bridged_state._core.update_ring import HAS_OLD, INITIAL, RESYNC, RingEntry


def entry(key: str, value: Any, **more: Any) -> RingEntry:
    return RingEntry(key, value, **more)


def values(entries: List[RingEntry]) -> List[Any]:
    return [one.value for one in entries]


def test_debounce_tells_the_last_when_it_is_quiet() -> None:
    limit = RateLimit(debounce_ms=100)
    assert limit.is_limited and not RateLimit().is_limited
    assert limit.offer(entry("a", 1), 0) == 0
    assert limit.offer(entry("a", 2), 50) == 1
    assert limit.wake_at_ms() == 150
    assert limit.take_due(149) == []
    assert values(limit.take_due(150)) == [2]
    assert limit.wake_at_ms() is None and len(limit) == 0


def test_a_debounced_update_waits_no_longer_than_it_may() -> None:
    limit = RateLimit(debounce_ms=100, max_wait_ms=250)
    for now in range(0, 241, 60):
        limit.offer(entry("a", now), now)
    assert limit.wake_at_ms() == 250
    assert values(limit.take_due(250)) == [240]


def test_throttle_tells_the_first_at_once_and_the_newest_later() -> None:
    limit = RateLimit(throttle_ms=100)
    assert limit.offer(entry("a", 1), 0) == GO
    assert limit.offer(entry("a", 2), 10) == 0
    assert limit.offer(entry("a", 3), 20) == 1
    assert limit.offer(entry("b", 1), 20) == GO
    assert limit.wake_at_ms() == 100
    assert values(limit.take_due(100)) == [3]
    assert limit.offer(entry("a", 4), 150) == 0
    assert limit.wake_at_ms() == 200


def test_in_the_order_in_which_they_were_held_first() -> None:
    limit = RateLimit(debounce_ms=100)
    for key in "abc":
        limit.offer(entry(key, key), 0)
    limit.offer(entry("a", "later"), 50)
    assert values(limit.take_due(1_000)) == ["later", "b", "c"]


def test_the_newer_one_speaks_for_the_held_one() -> None:
    limit = RateLimit(debounce_ms=100)
    limit.offer(entry("a", 1, missed=2, filtered=1, flags=RESYNC | HAS_OLD, old=7), 0)
    limit.offer(entry("a", 2, missed=3, flags=HAS_OLD, old=1), 1)
    (told,) = limit.take_due(200)
    assert (told.missed, told.filtered, told.flags, told.old) == (5, 1, RESYNC | HAS_OLD, 7)
    # Its old value is what was told before, whatever was kept out between the two.
    limit.offer(entry("a", 3, flags=INITIAL), 300)
    limit.offer(entry("a", 4, flags=HAS_OLD, old=3), 301)
    (told,) = limit.take_due(500)
    assert told.flags == INITIAL


def test_what_cannot_wait_takes_what_is_held() -> None:
    limit = RateLimit(debounce_ms=100, throttle_ms=1_000)
    limit.offer(entry("a", 1), 0)
    taken = limit.take("a")
    assert taken is not None and taken.value == 1
    assert limit.take("a") is None and limit.wake_at_ms() is None


def test_nothing_is_kept_of_what_was_taken() -> None:
    limit = RateLimit(debounce_ms=100)
    for value in range(10_000):
        limit.offer(entry("a", value), value)
        limit.take("a")
    assert len(limit._due) < 100


def test_whatever_comes_the_newest_is_told_and_the_rest_is_counted() -> None:
    for seed in range(50):
        chance = random.Random(seed)
        limit = RateLimit(chance.choice([0, 5, 20]), chance.choice([0, 5, 30]), chance.choice([0, 40]))
        newest: Dict[str, int] = {}
        told: Dict[str, int] = {}
        count = offered = replaced = 0
        for now in range(300):
            for one in limit.take_due(now):
                told[one.key] = one.value
                count += 1
            if chance.random() < 0.4:
                key = chance.choice("abc")
                newest[key] = now
                offered += 1
                verdict = limit.offer(entry(key, now), now)
                if verdict == GO:
                    told[key] = now
                    count += 1
                else:
                    replaced += verdict
        for one in limit.take_due(10_000):
            told[one.key] = one.value
            count += 1
        assert told == newest
        assert offered == count + replaced and limit.wake_at_ms() is None


def test_what_is_conflated_is_due_when_its_turn_is_over() -> None:
    limit = RateLimit(conflates=True)
    assert limit.is_limited
    assert [limit.offer(entry("a", value), 5) for value in range(3)] == [0, 1, 1]
    assert limit.offer(entry("b", 7), 5) == 0
    assert limit.wake_at_ms() == 5
    assert values(limit.take_due(5)) == [2, 7]
    assert limit.wake_at_ms() is None

"""Changes go in the order of their calls, and no sooner than what was called before is over."""

import random
from typing import Dict, List, Tuple

from bridged_state._core.change_order import ALONE, LINK, REGISTER, ChangeOrder, Turn


class Changes:
    def __init__(self) -> None:
        self.order = ChangeOrder()
        self.started: List[str] = []
        self._turns: Dict[str, Turn] = {}

    def enter(self, kind: str, label: str, name: str = "") -> None:
        self._turns[label] = self.order.enter(kind, name, lambda: self.started.append(label))

    def leave(self, *labels: str) -> None:
        for label in labels:
            self.order.leave(self._turns[label])


def test_a_call_waits_for_the_sets_before_it_and_holds_those_behind_it() -> None:
    changes = Changes()
    for label in ("a", "b"):
        changes.enter(LINK, label)
    changes.enter(ALONE, "delete")
    changes.enter(LINK, "c")
    changes.enter(LINK, "d")
    assert changes.started == ["a", "b"]
    changes.leave("b", "b")
    assert changes.started == ["a", "b"]
    changes.leave("a")
    assert changes.started == ["a", "b", "delete"]
    changes.leave("delete")
    changes.enter(LINK, "e")
    assert changes.started == ["a", "b", "delete", "c", "d", "e"]


def test_registrations_go_together_unless_they_are_of_one_name() -> None:
    changes = Changes()
    changes.enter(REGISTER, "x", "x")
    changes.enter(REGISTER, "y", "y")
    changes.enter(REGISTER, "x again", "x")
    assert changes.started == ["x", "y"]
    changes.leave("x", "y")
    assert changes.started == ["x", "y", "x again"]


def test_what_may_start_now_needs_no_word() -> None:
    order = ChangeOrder()
    first = order.enter_now(LINK)
    second = order.enter_now(LINK)
    assert first is not None and second is not None and order.enter_now(ALONE) is None
    said: List[str] = []
    alone = order.enter(ALONE, "", lambda: said.append("alone"))
    assert order.enter_now(LINK) is None
    order.leave(first)
    assert said == []
    order.leave(second)
    assert said == ["alone"] and order.enter_now(LINK) is None
    order.leave(alone)
    assert order.enter_now(ALONE) is not None


def test_what_is_taken_back_is_never_started() -> None:
    changes = Changes()
    changes.enter(ALONE, "first")
    changes.enter(ALONE, "second")
    changes.enter(LINK, "third")
    changes.leave("second")
    assert changes.started == ["first"]
    changes.leave("first")
    assert changes.started == ["first", "third"]


def test_whatever_comes_and_goes_nothing_overtakes_and_nothing_is_left() -> None:
    for seed in range(200):
        chance = random.Random(seed)
        changes = Changes()
        entered: List[Tuple[str, str]] = []
        under_way: List[str] = []
        over: List[str] = []
        while len(over) < 40:
            if len(entered) < 40 and chance.random() < 0.6:
                kind, label = chance.choice((LINK, REGISTER, ALONE)), str(len(entered))
                entered.append((kind, label))
                under_way.append(label)
                changes.enter(kind, label, f"n{chance.randrange(3)}")
            elif under_way:
                # Also some that wait.
                label = under_way.pop(chance.randrange(len(under_way)))
                over.append(label)
                changes.leave(label)
            for place, (kind, label) in enumerate(entered):
                if label in changes.started and label not in over:
                    before = [other for other_kind, other in entered[:place] if other_kind != kind or kind == ALONE]
                    assert all(other in over for other in before), (seed, label)
        assert [int(label) for label in changes.started] == sorted(int(label) for label in changes.started), seed

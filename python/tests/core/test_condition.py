"""Conditions that are refused, and what the server is asked."""

import math
from typing import Any

import pytest
from bridged_state._core.condition import NO_VALUE, check_condition, meets, predicate_of
from bridged_state._core.condition_text import condition_text
from bridged_state.errors import InvalidOptionsError
from bridged_state.types import Embedding

deep: Any = {"gt": 1}
for _ in range(17):
    deep = {"not": deep}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [(5, "give a condition"), ("gt", "give a condition"), ([], "give a condition"), ({}, "exactly one"),
     ({"gt": 1, "lt": 2}, "exactly one"), ({"above": 1}, "exactly one"), ({"changedBy": -1}, "from 0"),
     ({"changedBy": True}, "give a number"), ({"crosses": math.nan}, "give a number"), ({"crosses": "x"}, "give a number"),
     ({"gt": None}, "give a number or a str"), ({"gte": []}, "give a number or a str"), ({"in": 5}, "give a list"),
     ({"in": "abc"}, "give a list"), ({"and": []}, "at least one"), ({"or": {"gt": 1}}, "give a list"),
     ({"and": [{"gt": 1}, {"x": 1}]}, r"condition.and\[1\]: "), ({"not": 1}, "condition.not: "),
     ({"eq": object()}, "condition.eq: "), ({"in": [{1: 2}]}, r"condition.in\[0\]: "), (deep, "deeper than 16")],
)  # fmt: skip
def test_refused(given: Any, sentence: str) -> None:
    with pytest.raises(InvalidOptionsError, match=sentence):
        check_condition(given)


def test_what_is_checked_is_a_copy() -> None:
    given: Any = {"in": [1, [2]]}
    condition = check_condition(given)
    given["in"][1].append(3)
    assert condition == {"in": [1, [2]]}


def test_python_spelling() -> None:
    assert check_condition({"changed_by": 2}) == {"changedBy": 2}
    assert condition_text(check_condition({"in": {1}})) == '{"in":[1]}'


def test_numbers_beyond_doubles() -> None:
    changed = predicate_of(check_condition({"changedBy": 1}))
    assert changed(10**400, 10**400 + 1) and not changed(10**400, 10**400)
    assert changed(10**400, 1.5)
    assert not changed(math.nan, math.nan) and changed(math.nan, 1) and not changed(math.inf, math.inf)
    assert meets({"gt": 10**400}, NO_VALUE, 10**401) and not meets({"gt": 10**400}, NO_VALUE, 1.5)


def test_equal_numbers_are_equal_whatever_their_dtypes() -> None:
    condition = check_condition({"eq": Embedding([1.0, 0.5], "float32")})
    assert meets(condition, NO_VALUE, Embedding([1.0, 0.5], "float64"))
    assert not meets(condition, NO_VALUE, Embedding([1.0, 0.25], "float32"))


@pytest.mark.parametrize(
    "given",
    [{"eq": math.nan}, {"eq": Embedding([1.0])}, {"in": list(range(1_000))}, {"eq": "x" * 17_000}, {"eq": "é" * 9_000}],
    ids=str,
)
def test_what_cannot_be_said_is_asked_here_alone(given: Any) -> None:
    assert condition_text(check_condition(given)) is None

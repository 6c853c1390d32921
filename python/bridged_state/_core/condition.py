"""A filter as data: checked once, then asked once an update. Path: watch -> [condition] -> buffer; the server asks the same over the link."""

import math
import operator
from typing import Any, Callable, Dict, Mapping, Sequence, Union

from ..errors import InvalidOptionsError, InvalidValueError
from ..types import Embedding, OpaqueBinary, Tensor
from .describe_value import describe_value
from .lossless_json import copy_json
from .value_equality import values_equal

Condition = Mapping[str, Any]
"""
Exactly one of: `changedBy` n: |new - old| >= n. `crosses` n: old and new lie on different sides of n (n itself counts as above).
`gt gte lt lte eq in` look at the new value; `and or not` join conditions. A number condition on a value that is not a number is false, and so
are `changedBy` and `crosses` without an old value.
"""

Predicate = Callable[[Any, Any], bool]
"""Asked of the old and the new value."""

MAX_CONDITION_DEPTH = 16
"""Conditions inside each other; deeper ones are refused."""

OPERATORS = ("changedBy", "crosses", "gt", "gte", "lt", "lte", "eq", "in", "and", "or", "not")


class _Nothing:
    """Stands for the old value where there is none."""


NO_VALUE: Any = _Nothing()


def check_condition(given: Any, path: str = "condition", depth: int = 0) -> Dict[str, Any]:
    """A copy, which nobody changes later. `changed_by` is `changedBy`. Raises InvalidOptionsError naming what is wrong."""
    if depth > MAX_CONDITION_DEPTH:
        raise InvalidOptionsError(f"{path}: conditions nest deeper than {MAX_CONDITION_DEPTH}: make it flatter")
    if not isinstance(given, Mapping):
        raise InvalidOptionsError(f'{path}: give a condition such as {{"changedBy": 1}}, not {describe_value(given)}')
    keys = ["changedBy" if key == "changed_by" else key for key in given]
    if len(keys) != 1 or keys[0] not in OPERATORS:
        got = ", ".join(str(key)[:40] for key in keys[:10]) or "none"
        raise InvalidOptionsError(
            f"{path}: a condition has exactly one of {', '.join(OPERATORS)}; join several with and/or (got {got})"
        )
    (key,) = keys
    (operand,) = given.values()
    at = f"{path}.{key}"
    if key in ("changedBy", "crosses"):
        if not _is_number(operand) or operand != operand or (key == "changedBy" and operand < 0):
            least = " from 0" if key == "changedBy" else ""
            raise InvalidOptionsError(f"{at}: give a number{least}, not {describe_value(operand)}")
        return {key: operand}
    if key in ("gt", "gte", "lt", "lte"):
        if not _is_number(operand) and not isinstance(operand, str):
            raise InvalidOptionsError(f"{at}: give a number or a str, not {describe_value(operand)}")
        return {key: operand}
    if key == "not":
        return {key: check_condition(operand, at, depth + 1)}
    if key == "eq":
        return {key: _checked_value(operand, at)}
    if not isinstance(operand, (list, tuple, set, frozenset) if key == "in" else (list, tuple)):
        raise InvalidOptionsError(f"{at}: give a list, not {describe_value(operand)}")
    if key == "in":
        return {key: [_checked_value(value, f"{at}[{place}]") for place, value in enumerate(operand)]}
    if len(operand) == 0:
        raise InvalidOptionsError(f"{at}: give a list of at least one condition")
    return {key: [check_condition(part, f"{at}[{place}]", depth + 1) for place, part in enumerate(operand)]}


def meets(condition: Condition, old: Any, value: Any) -> bool:
    """`old` is NO_VALUE where there is none. Of many questions `predicate_of` answers faster."""
    return predicate_of(condition)(old, value)


def predicate_of(condition: Condition) -> Predicate:
    """`condition` is what `check_condition` has returned."""
    ((key, operand),) = condition.items()
    if key == "and":
        return _all_of([predicate_of(part) for part in operand])
    if key == "or":
        return _any_of([predicate_of(part) for part in operand])
    if key == "not":
        inner = predicate_of(operand)
        return lambda old, value: not inner(old, value)
    return _PREDICATES[key](operand)


def _all_of(parts: Sequence[Predicate]) -> Predicate:
    def holds(old: Any, value: Any) -> bool:
        for part in parts:
            if not part(old, value):
                return False
        return True

    return holds


def _any_of(parts: Sequence[Predicate]) -> Predicate:
    def holds(old: Any, value: Any) -> bool:
        for part in parts:
            if part(old, value):
                return True
        return False

    return holds


def _comparing(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Predicate]:
    def predicate(operand: Any) -> Predicate:
        if not isinstance(operand, str):
            return lambda old, value: _is_number(value) and compare(value, operand)
        units = _units(operand)
        return lambda old, value: isinstance(value, str) and compare(_units(value), units)

    return predicate


def _changed_by(least: Union[int, float]) -> Predicate:
    def holds(old: Any, value: Any) -> bool:
        if not _is_number(old) or not _is_number(value):
            return False
        if isinstance(old, int) and isinstance(value, int):
            return abs(value - old) >= least
        try:
            change = abs(float(value) - float(old))
        except OverflowError:
            change = math.inf
        # Between the infinities the difference is NaN, and a change to or from NaN has no size: both are changes.
        return change >= least if change == change else not (old == value or (old != old and value != value))

    return holds


def _crosses(line: Union[int, float]) -> Predicate:
    return lambda old, value: _is_number(old) and _is_number(value) and (old < line) != (value < line)


def _equals(operand: Any) -> Predicate:
    return lambda old, value: operand is not None and values_equal(value, operand)


def _is_in(operand: Any) -> Predicate:
    return lambda old, value: any(values_equal(value, one) for one in operand)


def _units(text: str) -> bytes:
    """Texts are compared by UTF-16 units, as JavaScript does."""
    return text.encode("utf-16-be", "surrogatepass")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _checked_value(value: Any, at: str) -> Any:
    if isinstance(value, (Embedding, Tensor, OpaqueBinary)) or _is_number(value):
        return value
    try:
        return copy_json(value, at)
    except InvalidValueError as cause:
        raise InvalidOptionsError(cause.message) from cause


_PREDICATES: Dict[str, Callable[[Any], Predicate]] = {
    "changedBy": _changed_by,
    "crosses": _crosses,
    "gt": _comparing(operator.gt),
    "gte": _comparing(operator.ge),
    "lt": _comparing(operator.lt),
    "lte": _comparing(operator.le),
    "eq": _equals,
    "in": _is_in,
}

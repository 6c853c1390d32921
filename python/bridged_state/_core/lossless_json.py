"""JSON that loses nothing and takes nothing that other languages do not: no NaN, no infinity, no half of a surrogate pair, at most 100 levels.

Path: value codec, conditions <-> [lossless json]. Python's own integers hold every digit.
"""

import json
import math
import re
import sys
from typing import Any, Callable, Dict, List, Tuple

from ..errors import InvalidValueError
from .describe_value import describe_value

MAX_JSON_DEPTH = 100

MAX_INTEGER_DIGITS = 4_300
"""Decimal digits of an integer: what Python reads by default. Longer ones are refused, also because their cost is quadratic."""

INTEGER_LIMIT: int = 10**MAX_INTEGER_DIGITS


class _Refusal(Exception):
    """Carries a sentence out of json.loads."""


def parse_json(text: str, subject: str, allows_infinity: bool = False) -> Any:
    """
    The value that the text says. `allows_infinity`: a number that is too large for a double is one; else it is refused. Raises InvalidValueError
    for text that is not JSON, nests deeper than 100 levels, has an integer of more than 4,300 digits, or says what UTF-8 cannot.
    """
    # They may stand in a string.
    may_be_long = len(text) > MAX_INTEGER_DIGITS and _TOO_MANY_DIGITS.search(text) is not None
    read_float: Callable[[str], Any] = float
    if not allows_infinity and _MAYBE_INFINITE.search(text) is not None:
        read_float = _finite_float
    try:
        if read_float is not float or may_be_long or "-0" in text:
            value = json.loads(text, parse_constant=_refuse_constant, parse_float=read_float, parse_int=_signed_integer)
        else:
            value = _DECODER.decode(text)
    except _Refusal as refusal:
        raise InvalidValueError(f"{subject}: {refusal}") from None
    except RecursionError:
        raise too_deep(subject) from None
    except ValueError as cause:
        raise InvalidValueError(
            f"{subject}: {describe_value(text)} is not JSON: send the value's JSON text in UTF-8"
        ) from cause
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH:
        _check_depth(value, subject)
    if _MAYBE_HALF.search(text) is not None:
        _check_well_formed(value, subject)
    return value


def copy_json(value: Any, subject: str, path: str = "", inside: Tuple[int, ...] = ()) -> Any:
    """A copy of plain dicts, lists, strings and numbers. Raises InvalidValueError naming the place, such as `.a[3].b`, of what JSON cannot say."""
    kind = type(value)
    if kind is str:
        return check_well_formed(value, subject)
    if value is None or kind is bool:
        return value
    if isinstance(value, int):
        return check_digits(int(value), subject)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise InvalidValueError(
            f"{subject}: {path or 'the value'} is {value!r}, which JSON cannot say: give a string or None"
        )
    if isinstance(value, str):
        return check_well_formed(str.__str__(value), subject)
    if not isinstance(value, (dict, list, tuple)):
        scalar = numpy_scalar(value)
        if scalar is not value:
            return copy_json(scalar, subject, path, inside)
        raise InvalidValueError(
            f"{subject}: {path or 'the value'} is {describe_value(value)}, which JSON cannot say: convert it yourself"
        )
    if len(inside) >= MAX_JSON_DEPTH:
        raise too_deep(subject)
    if id(value) in inside:
        raise InvalidValueError(f"{subject}: {path or 'the value'} holds itself, which JSON cannot say: give a tree")
    inside = (*inside, id(value))
    if not isinstance(value, dict):
        return [copy_json(element, subject, f"{path}[{place}]", inside) for place, element in enumerate(value)]
    copy: Dict[str, Any] = {}
    for key, element in value.items():
        if not isinstance(key, str):
            raise InvalidValueError(
                f"{subject}: {path or 'the value'} has the key {describe_value(key)}, which is not a string: convert it yourself"
            )
        copy[check_well_formed(str.__str__(key), subject)] = copy_json(element, subject, f"{path}.{key}", inside)
    return copy


def json_text(value: Any) -> str:
    """Of what `copy_json` or `parse_json` has returned."""
    return _ENCODER.encode(value)


def check_well_formed(text: str, subject: str) -> str:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidValueError(
                f"{subject}: the text holds half of a surrogate pair, which UTF-8 cannot say: give well-formed text"
            ) from None
    return text


def check_digits(value: int, subject: str) -> int:
    if -INTEGER_LIMIT < value < INTEGER_LIMIT:
        return value
    raise InvalidValueError(
        f"{subject}: the integer has more than {MAX_INTEGER_DIGITS} digits: give a string variable the digits"
    )


def numpy_scalar(value: Any) -> Any:
    """The Python number or boolean that a numpy scalar stands for; anything else as it is."""
    numpy: Any = sys.modules.get("numpy")
    return value.item() if numpy is not None and isinstance(value, numpy.generic) else value


def too_deep(subject: str) -> InvalidValueError:
    return InvalidValueError(f"{subject}: it nests deeper than {MAX_JSON_DEPTH} levels: make it flatter")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _Refusal("a number is too large for a double: give it fewer digits or as a string")
    return number


def _signed_integer(digits: str) -> Any:
    """Zero keeps its sign: to other languages it is a number as 0.5 is."""
    if len(digits) > MAX_INTEGER_DIGITS + digits.startswith("-"):
        raise _Refusal(f"a number has more than {MAX_INTEGER_DIGITS} digits: send fewer")
    return -0.0 if digits == "-0" else int(digits)


def _check_depth(value: Any, subject: str) -> None:
    level: List[Any] = [value]
    for _ in range(MAX_JSON_DEPTH + 1):
        deeper: List[Any] = []
        for element in level:
            if isinstance(element, dict):
                deeper.extend(element.values())
            elif isinstance(element, list):
                deeper.extend(element)
        if not deeper and not any(isinstance(element, (dict, list)) for element in level):
            return
        level = deeper
    raise too_deep(subject)


def _check_well_formed(value: Any, subject: str) -> None:
    try:
        json_text(value).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidValueError(f"{subject}: a text holds half of a surrogate pair: escape both halves") from None


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=True, check_circular=False)

_TOO_MANY_DIGITS = re.compile(r"[0-9]{%d}" % (MAX_INTEGER_DIGITS + 1))
# An exponent of three digits, or as many digits before a point.
_MAYBE_INFINITE = re.compile(r"[eE]\+?0*[1-9]\d{2}|\d{309}")
_MAYBE_HALF = re.compile(r"\\u[dD][89a-fA-F]")

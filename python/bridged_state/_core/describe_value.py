"""A value in an error's sentence: short, and never more than the caller's own words show."""

import json
from typing import Any, NoReturn

from ..errors import InvalidValueError


def describe_value(value: Any) -> str:
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):
        # Digits of a huge integer cost quadratic time to write.
        return int.__repr__(value) if value.bit_length() <= _SHOWN_BITS else "a huge integer"
    if isinstance(value, str):
        shown = value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}…"
        # A sentence can be written anywhere, whatever it tells of.
        return json.dumps(shown.encode("utf-8", "backslashreplace").decode("utf-8"), ensure_ascii=False)
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, (list, tuple)):
        return "a list"
    name = type(value).__name__[:_SHOWN_CHARACTERS]
    return f"{'an' if name[:1] in 'AEIOaeio' else 'a'} {name}"


def refuse_value(type: str, value: Any, subject: str) -> NoReturn:
    """Raises the sentence `variable "fan": "high" is not a float: give a number`."""
    article = "an" if type[:1] in "aeiou" else "a"
    raise InvalidValueError(f"{subject}: {describe_value(value)} is not {article} {type}: give {_REMEDIES[type]}")


_REMEDIES = {
    "float": "a number",
    "integer": "a whole number",
    "string": "a str",
    "boolean": "True or False",
    "choice": "one of its choices as a str",
    "module": "a module's name as a str",
    "embedding": "a list of numbers, an array of floats or a numpy array",
    "tensor": '{"shape": […], "data": […]} or a numpy array',
    "map": "a dict",
    "list": "a list",
}

_SHOWN_CHARACTERS = 40
_SHOWN_BITS = 192

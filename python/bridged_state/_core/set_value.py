"""How a value travels in a set of the link. Path: caller -> [set value] -> set queue. A set needs no type; where one is known the value is checked."""

from typing import Any, Optional, Tuple

from .link_row import (
    FORM_DOUBLE,
    FORM_FALSE,
    FORM_HEADER_AND_BYTES,
    FORM_INTEGER,
    FORM_PAYLOAD,
    FORM_TEXT,
    FORM_TRUE,
)
from .value_codec import encode_value, normalize_value, type_of_value

FormedValue = Tuple[int, Any, Optional[bytes], int]
"""Form, value by its form, the bytes beside a header, and about how many bytes it takes."""

_LEAST_STEP = -(2**31)
_LAST_STEP = 2**31 - 1
_LAST_SAFE = 2**53 - 1


def form_of_value(value: Any, value_type: Optional[str], identifier: str) -> FormedValue:
    """Raises InvalidValueError for what cannot travel, or is not of the type."""
    # Exactly these, which most are: a subclass may say anything, and is normalised.
    kind = type(value)
    if kind is float:
        if value_type is None or value_type == "float":
            return FORM_DOUBLE, value, None, 8
    elif kind is int:
        if value_type is None or value_type == "integer":
            if _LEAST_STEP <= value <= _LAST_STEP:
                return FORM_INTEGER, value, None, 5
            if -_LAST_SAFE <= value <= _LAST_SAFE:
                return FORM_DOUBLE, float(value), None, 8
    elif kind is str and value_type is None and value.isascii():
        return FORM_TEXT, value, None, 4 + len(value)
    subject = f'variable "{identifier}"'
    known = type_of_value(value, subject) if value_type is None else value_type
    normal = normalize_value(known, value, subject)
    if known == "float":
        return FORM_DOUBLE, normal, None, 8
    if known == "boolean":
        return (FORM_TRUE if normal else FORM_FALSE), None, None, 0
    if known == "integer" and -_LAST_SAFE <= normal <= _LAST_SAFE:
        if _LEAST_STEP <= normal <= _LAST_STEP:
            return FORM_INTEGER, normal, None, 5
        return FORM_DOUBLE, float(normal), None, 8
    if known in ("string", "choice", "module"):
        return FORM_TEXT, normal, None, 4 + (len(normal) if normal.isascii() else len(normal.encode("utf-8")))
    encoded = encode_value(known, normal, 0)
    if encoded.binary is None:
        return FORM_PAYLOAD, encoded.value, None, 8 + len(encoded.value)
    return FORM_HEADER_AND_BYTES, encoded.value, encoded.binary, 12 + len(encoded.value) + len(encoded.binary)

"""Value <-> google.protobuf.Any and binary field, lossless both ways. Path: caller -> normalize_value -> encode_value -> wire -> decode_value.

A value of the wrong type is refused, never converted. What Python tells apart and the contract does not (3 and 3.0) fits both of its types.
"""

import math
import re
from typing import Any, NamedTuple, Optional

from ..errors import InvalidTypeError, InvalidValueError
from ..types import VARIABLE_TYPES, Embedding, OpaqueBinary, Tensor
from .binary_array import WIDTHS, copy_opaque, read_binary, write_binary
from .describe_value import describe_value, refuse_value
from .lossless_json import (
    MAX_INTEGER_DIGITS,
    check_digits,
    check_well_formed,
    copy_json,
    json_text,
    numpy_scalar,
    parse_json,
)
from .numeric_array import elements_text, float_named, float_text, is_array, read_embedding, read_tensor

BINARY_THRESHOLD_BYTES = 10_240
"""Bytes of data above which an embedding or tensor travels as binary, as published clients have it."""


class EncodedValue(NamedTuple):
    """A value as it travels. `binary` is None unless `type_url` ends in `.binary`."""

    type_url: str
    value: bytes
    binary: Optional[bytes] = None


def check_type(type: Any) -> str:
    """Raises InvalidTypeError naming the ten types."""
    if isinstance(type, str) and type in VARIABLE_TYPES:
        return type
    raise InvalidTypeError(f"type {describe_value(type)} is unknown: give one of {', '.join(VARIABLE_TYPES)}")


def normalize_value(type: str, value: Any, subject: str) -> Any:
    """The value in its type's one form, copied. Raises InvalidValueError beginning with `subject`, such as `variable "fan"`."""
    if type == "float":
        return _normalize_float(value, subject)
    if type == "integer":
        return _normalize_integer(value, subject)
    if type == "boolean":
        plain = numpy_scalar(value)
        return plain if isinstance(plain, bool) else refuse_value(type, value, subject)
    if type in _TEXT_TYPES:
        return check_well_formed(str.__str__(value), subject) if isinstance(value, str) else refuse_value(type, value, subject)
    if type == "embedding":
        return copy_opaque(value, subject) if isinstance(value, OpaqueBinary) else read_embedding(value, False, subject)
    if type == "tensor":
        return copy_opaque(value, subject) if isinstance(value, OpaqueBinary) else read_tensor(value, False, subject)
    if type == "map" and isinstance(value, dict) or type == "list" and isinstance(value, (list, tuple)):
        return copy_json(value, subject)
    return refuse_value(check_type(type), value, subject)


def encode_value(type: str, value: Any, binary_threshold_bytes: float = BINARY_THRESHOLD_BYTES) -> EncodedValue:
    """`value` is what `normalize_value` or `decode_value` has returned for that type."""
    if type == "float":
        return _encoded(type, float_text(value))
    if type == "integer":
        return _encoded(type, int.__repr__(value))
    if type == "boolean":
        return _encoded(type, "true" if value else "false")
    if type in ("embedding", "tensor"):
        return _encode_array(type, value, binary_threshold_bytes)
    return _encoded(check_type(type), json_text(value))


def decode_value(type: str, sent: EncodedValue, subject: str) -> Any:
    """
    The value that was sent for a variable of that type. What `type_url` names counts only by its `.binary`: readers go by the declared type.
    Raises InvalidValueError for bytes that are not UTF-8 or JSON, and JSON that is not of the type.
    """
    try:
        text = sent.value.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise InvalidValueError(
            f"{subject}: the value's bytes are not UTF-8: send its JSON text in UTF-8"
        ) from cause
    if sent.type_url.endswith(_BINARY_SUFFIX):
        if type not in ("embedding", "tensor"):
            raise InvalidValueError(
                f'{subject}: a {type} does not travel as binary, which "{sent.type_url}" says: send its JSON'
            )
        return read_binary(type, text, sent.binary or b"", subject)
    if type == "float":
        return _read_float(text, subject)
    if type == "integer":
        return _read_integer(text, subject)
    value = parse_json(text, subject)
    if type == "boolean":
        return value if isinstance(value, bool) else refuse_value(type, value, subject)
    if type in _TEXT_TYPES:
        return value if isinstance(value, str) else refuse_value(type, value, subject)
    if type == "embedding":
        return read_embedding(value, True, subject)
    if type == "tensor":
        return read_tensor(value, True, subject)
    if type == "map" and isinstance(value, dict) or type == "list" and isinstance(value, list):
        return value
    return refuse_value(check_type(type), value, subject)


def depends_on_type(value: Any) -> bool:
    """Whether the JSON of a number is another value to a variable of another type: a text for NaN and the infinities, rounded for long integers."""
    plain = numpy_scalar(value)
    if isinstance(plain, float):
        return not math.isfinite(plain)
    if not isinstance(plain, int) or -(2**53) <= plain <= 2**53:
        return False
    try:
        return float(plain) != plain
    except OverflowError:
        return True


def type_of_value(value: Any, subject: str) -> str:
    """The type that a value most likely is of, for a set whose variable's type nobody knows. Raises InvalidValueError for what is of none."""
    plain = numpy_scalar(value)
    if isinstance(plain, bool):
        return "boolean"
    if isinstance(plain, int):
        return "integer"
    if isinstance(plain, float):
        return "float"
    if isinstance(plain, str):
        return "string"
    if isinstance(plain, Embedding):
        return "embedding"
    if isinstance(plain, Tensor):
        return "tensor"
    if is_array(plain):
        return "embedding" if getattr(plain, "ndim", 1) == 1 else "tensor"
    # What JSON says alike for both types goes as a map or list; what it cannot say can be meant for the other type alone.
    if isinstance(plain, dict):
        data = plain.get("data") if plain.keys() == _TENSOR_KEYS else None
        return "tensor" if is_array(data) or _has_odd_float(data) else "map"
    if isinstance(plain, (list, tuple)):
        return "embedding" if _has_odd_float(plain) else "list"
    if isinstance(plain, OpaqueBinary):
        return "tensor"
    if hasattr(value, "dtype") and callable(getattr(value, "item", None)):
        raise InvalidValueError(f"{subject}: {describe_value(value)} of numpy is no value of a variable: give what its item() says")
    raise InvalidValueError(
        f"{subject}: {describe_value(value)} is no value of a variable: give a number, a str, a bool, a dict, a list or an array"
    )


def _has_odd_float(numbers: Any) -> bool:
    """Numbers alone, with a NaN or an infinity among them."""
    if not isinstance(numbers, (list, tuple)):
        return False
    has_odd = False
    for number in numbers:
        if isinstance(number, float):
            has_odd = has_odd or not math.isfinite(number)
        elif isinstance(number, bool) or not isinstance(number, int):
            return False
    return has_odd


def type_url_of(type: str) -> str:
    return f"{_TYPE_URL_PREFIX}{type}"


def _normalize_float(value: Any, subject: str) -> float:
    plain = value if isinstance(value, float) else numpy_scalar(value)
    if isinstance(plain, float):
        return float(plain)
    if isinstance(plain, bool) or not isinstance(plain, int):
        return refuse_value("float", value, subject)
    try:
        number = float(plain)
    except OverflowError:
        number = math.inf
    if number == plain:
        return number
    raise InvalidValueError(
        f"{subject}: {describe_value(plain)} has more digits than a float: give float(…) of it if that is meant"
    )


def _normalize_integer(value: Any, subject: str) -> int:
    plain = numpy_scalar(value)
    if isinstance(plain, bool):
        return refuse_value("integer", value, subject)
    if isinstance(plain, int):
        return check_digits(int(plain), subject)
    if not isinstance(plain, float) or not plain.is_integer():
        return refuse_value("integer", value, subject)
    if abs(plain) < 2**53:
        return int(plain)
    raise InvalidValueError(
        f"{subject}: {describe_value(plain)} is beyond 2^53 - 1, where a float has lost digits: give an int"
    )


def _read_float(text: str, subject: str) -> float:
    value = parse_json(text, subject, allows_infinity=True)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        named = float_named(value)
        return named if named is not None else refuse_value("float", value, subject)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isfinite(number):
        return number
    raise InvalidValueError(
        f'{subject}: the number is too large for a float: send "Infinity" or "-Infinity" if that is meant'
    )


def _read_integer(text: str, subject: str) -> int:
    """Every digit: `3.0` and `1e3` are integers too."""
    match = _JSON_NUMBER.fullmatch(text)
    if match is None:
        return refuse_value("integer", parse_json(text, subject), subject)
    sign, whole, fraction, exponent = match.group(1), match.group(2), match.group(3) or "", match.group(4) or "0"
    digits = f"{whole}{fraction}".rstrip("0")
    significant = digits.lstrip("0")
    if significant == "":
        return 0
    # A number of so many digits is beyond everything, whatever it says.
    zeros = len(whole) - len(digits) + (int(exponent) if len(exponent) < _MAX_EXPONENT_DIGITS else _exponent(exponent))
    shown = text[:_SHOWN_CHARACTERS].strip()
    if zeros < 0:
        raise InvalidValueError(f"{subject}: {shown} is not a whole number: send one")
    if len(significant) + zeros > MAX_INTEGER_DIGITS:
        raise InvalidValueError(f"{subject}: {shown} has more than {MAX_INTEGER_DIGITS} digits: send fewer")
    if match.group(4) is not None and math.isinf(float(text)):
        raise InvalidValueError(f"{subject}: {shown} is beyond what a float can hold: send the integer's digits")
    return int(f"{sign}{significant}{'0' * zeros}")


def _exponent(digits: str) -> int:
    return -_BEYOND if digits.startswith("-") else _BEYOND if digits.strip("+0") else 0


def _encoded(type: str, text: str) -> EncodedValue:
    return EncodedValue(f"{_TYPE_URL_PREFIX}{type}", text.encode("utf-8"))


def _encode_array(type: str, value: Any, threshold_bytes: float) -> EncodedValue:
    if isinstance(value, OpaqueBinary):
        return EncodedValue(f"{_TYPE_URL_PREFIX}{type}{_BINARY_SUFFIX}", value.header.encode("utf-8"), value.bytes)
    numbers = value.data if isinstance(value, Tensor) else value
    shape = value.shape if isinstance(value, Tensor) else (len(value),)
    if len(numbers) * WIDTHS[value.dtype] > threshold_bytes:
        header, data = write_binary(shape, numbers, value.dtype)
        return EncodedValue(f"{_TYPE_URL_PREFIX}{type}{_BINARY_SUFFIX}", header, data)
    elements = elements_text(numbers)
    if type == "embedding":
        return _encoded(type, elements)
    return _encoded(type, f'{{"shape":[{",".join(map(str, shape))}],"data":{elements}}}')


_TYPE_URL_PREFIX = "type.googleapis.com/snakepit."
_BINARY_SUFFIX = ".binary"
_TENSOR_KEYS = {"shape", "data"}
_TEXT_TYPES = ("string", "choice", "module")
_JSON_NUMBER = re.compile(r"[ \t\n\r]*(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?[ \t\n\r]*")
_MAX_EXPONENT_DIGITS = 16
_BEYOND = 10**18
# Of a number's text in an error.
_SHOWN_CHARACTERS = 40

"""Embeddings and tensors: checked, flattened and copied. Path: caller or JSON -> [numeric array] -> value codec.

An embedding may be empty: published servers accept `[]`, and a `dimensions` constraint refuses it where it matters.
"""

import math
import sys
from array import array
from typing import Any, List, NamedTuple, Optional, Sequence

from ..errors import InvalidValueError
from ..types import Embedding, Tensor
from .describe_value import describe_value
from .lossless_json import numpy_scalar

MAX_TENSOR_AXES = 32
"""Axes of a tensor: what numpy could hold for most of its life. More are refused."""


class Floats(NamedTuple):
    """Numbers of a dtype."""

    numbers: List[float]
    dtype: str
    shape: Optional[Sequence[int]]
    """Of an array that has one."""


def read_embedding(value: Any, is_json: bool, subject: str) -> Embedding:
    """A copy. `is_json`: NaN and the infinities are strings. Raises InvalidValueError."""
    floats = None if is_json else _floats_of_array(value, subject)
    if floats is not None:
        if floats.shape is not None and len(floats.shape) != 1:
            raise InvalidValueError(
                f"{subject}: an array of shape {shape_text(floats.shape)} is not an embedding: give one axis, or register a tensor"
            )
        return Embedding(floats.numbers, floats.dtype)
    if not isinstance(value, (list, tuple)):
        raise InvalidValueError(
            f"{subject}: {describe_value(value)} is not an embedding: give a list of numbers, an array of floats or a numpy array"
        )
    numbers = _read_numbers(value, is_json, subject)
    return Embedding(numbers, _fitting_dtype(value, numbers))


def read_tensor(value: Any, is_json: bool, subject: str) -> Tensor:
    """A copy whose data is flat. Raises InvalidValueError also when the data does not fill the shape exactly."""
    floats = None if is_json else _floats_of_array(value, subject)
    if floats is not None and floats.shape is not None:
        return Tensor(floats.shape, floats.numbers, floats.dtype)
    if not isinstance(value, dict) or "shape" not in value or "data" not in value:
        raise InvalidValueError(
            f'{subject}: {describe_value(value)} is not a tensor: give {{"shape": […], "data": […]}} or a numpy array'
        )
    shape = read_shape(value["shape"])
    if shape is None:
        raise InvalidValueError(
            f"{subject}: the shape {shape_text(value['shape'])} is not a shape: give up to {MAX_TENSOR_AXES} whole numbers from 0"
        )
    data = value["data"]
    inner = None if is_json else _floats_of_array(data, subject)
    if inner is not None:
        numbers, dtype = inner.numbers, inner.dtype
    else:
        numbers = _read_data(data, shape, is_json, subject)
        dtype = _fitting_dtype(value, numbers)
    if len(numbers) != elements_of(shape):
        raise InvalidValueError(
            f"{subject}: {len(numbers)} elements do not fill the shape {shape_text(shape)}, which holds {elements_of(shape)}: "
            "give as many as the shape says"
        )
    return Tensor(shape, numbers, dtype)


def is_array(value: Any) -> bool:
    """Of numpy, or of the standard library."""
    numpy = sys.modules.get("numpy")
    return isinstance(value, array) or (numpy is not None and isinstance(value, numpy.ndarray))


def read_shape(shape: Any) -> Optional[List[int]]:
    """None for what is no shape."""
    if not isinstance(shape, (list, tuple)) or len(shape) > MAX_TENSOR_AXES:
        return None
    sizes: List[int] = []
    for size in shape:
        size = numpy_scalar(size)
        if isinstance(size, bool) or not isinstance(size, (int, float)) or not 0 <= size < 2**53 or size != int(size):
            return None
        sizes.append(int(size))
    return sizes


def elements_of(shape: Sequence[int]) -> int:
    """Elements that a shape holds: 1 for the shape [] of a single number."""
    return math.prod(shape)


def shape_text(shape: Any) -> str:
    if isinstance(shape, (list, tuple)) and len(shape) <= MAX_TENSOR_AXES:
        return f"[{','.join(describe_value(size) for size in shape)}]"
    return describe_value(shape)


def float_text(number: float) -> str:
    """JSON of a float. What JSON cannot say becomes a JSON string; -0 keeps its sign."""
    if math.isfinite(number):
        return float.__repr__(number)
    return '"NaN"' if number != number else '"Infinity"' if number > 0 else '"-Infinity"'


def elements_text(numbers: Sequence[float]) -> str:
    return f"[{','.join(map(float_text, numbers))}]"


def float_named(name: Any) -> Optional[float]:
    """The float that JSON says by a string, or None."""
    return _NAMED.get(name) if isinstance(name, str) else None


def _fitting_dtype(value: Any, numbers: List[float]) -> str:
    """That of an embedding or tensor that came, unless somebody has written what it does not hold into it."""
    if getattr(value, "dtype", "") != "float32":
        return "float64"
    try:
        singles = array("d", array("f", numbers))
    except OverflowError:
        return "float64"
    return "float32" if singles.tobytes() == array("d", numbers).tobytes() else "float64"


def _floats_of_array(value: Any, subject: str) -> Optional[Floats]:
    if isinstance(value, array):
        if value.typecode not in ("f", "d"):
            raise InvalidValueError(f'{subject}: an array of typecode "{value.typecode}" has no floats: give "f" or "d"')
        return Floats([float(number) for number in value], "float32" if value.typecode == "f" else "float64", None)
    if not is_array(value):
        return None
    if value.dtype.kind not in "fiu" or value.dtype.itemsize > 8:
        raise InvalidValueError(f"{subject}: an array of {value.dtype} has no floats that travel: give float32 or float64")
    dtype = "float32" if value.dtype.kind == "f" and value.dtype.itemsize == 4 else "float64"
    return Floats(_read_numbers(value.ravel().tolist(), False, subject), dtype, value.shape)


def _read_numbers(numbers: Sequence[Any], is_json: bool, subject: str) -> List[float]:
    if set(map(type, numbers)) <= _PLAIN_NUMBERS:
        try:
            floats = list(map(float, numbers))
        except OverflowError:
            pass
        else:
            # An integer that a double does not hold is no float; JSON tells them not apart.
            if is_json or floats == list(numbers):
                return floats
    return [_read_number(number, place, is_json, subject) for place, number in enumerate(numbers)]


def _read_number(number: Any, place: int, is_json: bool, subject: str) -> float:
    if is_json:
        named = float_named(number)
        if named is not None:
            return named
    else:
        number = numpy_scalar(number)
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        try:
            converted = float(number)
        except OverflowError:
            converted = math.inf
        if is_json and math.isfinite(converted) or not is_json and (converted == number or number != number):
            return converted
        raise InvalidValueError(f"{subject}: element {place} has more digits than a double: give it fewer")
    raise InvalidValueError(
        f"{subject}: element {place} is {describe_value(number)}, not a number: "
        'give numbers (in JSON "NaN", "Infinity" and "-Infinity" too)'
    )


def _read_data(data: Any, shape: Sequence[int], is_json: bool, subject: str) -> List[float]:
    # numpy writes an array without axes as a bare number.
    if not isinstance(data, (list, tuple)):
        return _read_numbers([data], is_json, subject)
    if not data or not isinstance(data[0], (list, tuple)):
        return _read_numbers(data, is_json, subject)
    flat: List[Any] = []
    _flatten(data, shape, 0, flat, subject)
    return _read_numbers(flat, is_json, subject)


def _flatten(part: Any, shape: Sequence[int], axis: int, flat: List[Any], subject: str) -> None:
    is_list = isinstance(part, (list, tuple))
    if is_list != (axis < len(shape)) or (is_list and len(part) != shape[axis]):
        found = f"a list of {len(part)}" if is_list else describe_value(part)
        raise InvalidValueError(
            f"{subject}: the nested data has {found} on axis {axis}, which is not what the shape {shape_text(shape)} says: "
            "give lists as long as the shape, or flat data"
        )
    if not is_list:
        flat.append(part)
        return
    for inner in part:
        _flatten(inner, shape, axis + 1, flat, subject)


_NAMED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_PLAIN_NUMBERS = {int, float}

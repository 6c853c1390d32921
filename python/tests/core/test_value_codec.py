"""Values as they travel, by the vectors that every language reads, and what only Python can give."""

import base64
import math
import struct
from array import array
from enum import Enum, IntEnum
from typing import Any, Dict

import pytest
from bridged_state._core.value_codec import (
    EncodedValue,
    decode_value,
    encode_value,
    normalize_value,
    type_of_value,
)
from bridged_state.errors import InvalidTypeError, InvalidValueError
from bridged_state.types import Embedding, OpaqueBinary, Tensor
from vectors import read_vectors

SUBJECT = 'variable "fan"'
VECTORS = read_vectors("values.json")


def named(vectors: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: f"{vector['type']}: {vector['name']}")


def sent(vector: Dict[str, Any]) -> EncodedValue:
    value = base64.b64decode(vector["base64"]) if "base64" in vector else vector["json"].encode("utf-8")
    binary = base64.b64decode(vector["binary"]) if "binary" in vector else None
    return EncodedValue(vector.get("typeUrl", f"type.googleapis.com/snakepit.{vector['type']}"), value, binary)


def expected(type: str, value: Any) -> Any:
    if type == "float":
        return float(value)
    if type not in ("embedding", "tensor"):
        return value
    if "opaque" in value:
        return OpaqueBinary(value["opaque"]["header"], base64.b64decode(value["opaque"]["bytes"]))
    numbers = [float(number) for number in value["data"]]
    if type == "embedding":
        return Embedding(numbers, value["dtype"])
    return Tensor(value["shape"], numbers, value["dtype"])


def bits(value: Any) -> Any:
    """What tells NaN from NaN, 0 from -0, and float32 from float64."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, Tensor):
        return ("tensor", value.dtype, value["shape"], [bits(number) for number in value.data])
    if isinstance(value, Embedding):
        return ("embedding", value.dtype, [bits(number) for number in value])
    if isinstance(value, list):
        return [bits(element) for element in value]
    if isinstance(value, dict):
        return {key: bits(element) for key, element in value.items()}
    return (type(value).__name__, value)


@named(VECTORS["decode"])
def test_decode(vector: Dict[str, Any]) -> None:
    value = decode_value(vector["type"], sent(vector), SUBJECT)
    assert bits(value) == bits(expected(vector["type"], vector["expect"]))


@named(VECTORS["refuse"])
def test_refuse(vector: Dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=f"^{SUBJECT}: "):
        decode_value(vector["type"], sent(vector), SUBJECT)


@named(VECTORS["encode"])
def test_encode(vector: Dict[str, Any]) -> None:
    value = expected(vector["type"], vector["value"])
    normal = normalize_value(vector["type"], value, SUBJECT)
    assert bits(normal) == bits(value)
    encoded = encode_value(vector["type"], normal, vector.get("thresholdBytes", 10_240))
    assert encoded.type_url == vector["typeUrl"]
    assert encoded.binary == (base64.b64decode(vector["binary"]) if "binary" in vector else None)
    # Numbers may be written otherwise as long as they are the same numbers.
    as_sent = EncodedValue(encoded.type_url, vector["json"].encode("utf-8"), encoded.binary)
    assert bits(decode_value(vector["type"], encoded, SUBJECT)) == bits(decode_value(vector["type"], as_sent, SUBJECT))


ROUND_TRIPS = [
    ("float", math.nan), ("float", -0.0), ("float", math.inf), ("float", 5e-324), ("float", 1.7976931348623157e308),
    ("integer", 2**63), ("integer", -(2**63)), ("integer", 2**63 - 1), ("integer", 10**4299), ("integer", 0),
    ("string", ""), ("string", "a\u0000\n😀\U0010ffff"), ("string", "ü" * (2 * 1024 * 1024)),
    ("choice", "eco"), ("module", "Foo.Bar"), ("boolean", True), ("boolean", False),
    ("embedding", Embedding([struct.unpack("<f", struct.pack("<f", n / 7))[0] for n in range(3_072)], "float32")),
    ("embedding", Embedding([math.nan, -0.0, math.inf, -math.inf, 0.1])),
    ("tensor", Tensor([3, 224, 224], [n / 8 for n in range(3 * 224 * 224)], "float32")),
    ("tensor", Tensor([], [1.5])), ("tensor", Tensor([2, 0], [])),
    ("map", {"a": [1, None, {"": -0.0}], "😀": 2**63}), ("list", [[], {}, "", 1.5, 2**64, True, None]), ("map", {}),
]  # fmt: skip


@pytest.mark.parametrize(("type", "value"), ROUND_TRIPS, ids=lambda value: str(value)[:20])
def test_round_trip(type: str, value: Any) -> None:
    normal = normalize_value(type, value, SUBJECT)
    assert bits(decode_value(type, encode_value(type, normal), SUBJECT)) == bits(value)


def test_json_of_float32_is_read_as_doubles() -> None:
    value = Embedding([0.5, -0.0], "float32")
    assert bits(decode_value("embedding", encode_value("embedding", value), SUBJECT)) == bits(Embedding([0.5, -0.0]))


def test_what_float32_does_not_hold_makes_it_float64() -> None:
    value = Embedding([0.5, 1.5], "float32")
    assert normalize_value("embedding", value, SUBJECT).dtype == "float32"
    for number in (0.1, 1e300):
        value[0] = number
        assert bits(normalize_value("embedding", value, SUBJECT)) == bits(Embedding([number, 1.5]))
    tensor = Tensor([1], [0.1], "float32")
    assert bits(normalize_value("tensor", tensor, SUBJECT)) == bits(Tensor([1], [0.1]))


class Mode(str, Enum):
    ECO = "eco"


class Level(IntEnum):
    LOW = 3


ACCEPTED = [
    ("float", 3, 3.0), ("float", Level.LOW, 3.0), ("integer", 3.0, 3), ("integer", -0.0, 0), ("integer", Level.LOW, 3),
    ("choice", Mode.ECO, "eco"), ("list", (1, (2,)), [1, [2]]), ("map", {Mode.ECO: Level.LOW}, {"eco": 3}),
    ("embedding", (1, 2.5), Embedding([1.0, 2.5])), ("embedding", array("f", [0.5]), Embedding([0.5], "float32")),
    ("tensor", {"shape": (1, 2), "data": [[1, 2]]}, Tensor([1, 2], [1.0, 2.0])),
    ("tensor", {"shape": [2], "data": array("f", [1, 2])}, Tensor([2], [1.0, 2.0], "float32")),
]  # fmt: skip


@pytest.mark.parametrize(("type", "value", "normal"), ACCEPTED)
def test_what_python_gives_in_another_form(type: str, value: Any, normal: Any) -> None:
    result = normalize_value(type, value, SUBJECT)
    assert bits(result) == bits(normal)
    assert result is not value


circle: Any = []
circle += [circle, circle]
deep: Any = []
for _ in range(100):
    deep = [deep]

REFUSED = [
    ("float", True), ("float", "1"), ("float", None), ("float", 2**53 + 1), ("float", 10**400), ("float", 1j),
    ("integer", True), ("integer", 1.5), ("integer", 2.0**53), ("integer", math.nan), ("integer", math.inf),
    ("integer", "1"), ("integer", 10**4300), ("integer", -(10**4300)),
    ("boolean", 1), ("boolean", "true"), ("boolean", None), ("string", b"x"), ("string", None), ("string", "\ud83d"),
    ("choice", 1), ("module", ["a"]), ("map", [1]), ("map", {1: 2}), ("map", {"a": math.nan}), ("map", {"a": {2}}),
    ("map", {"a": "\udc00"}), ("map", {"\udc00": 1}), ("map", {"a": 10**4300}), ("list", {"a": 1}), ("list", "ab"),
    ("list", [object()]), ("list", circle), ("list", deep), ("list", {1, 2}), ("list", [math.inf]),
    ("embedding", "12"), ("embedding", [1, "NaN"]), ("embedding", [True]), ("embedding", [[1]]), ("embedding", None),
    ("embedding", [2**53 + 1]), ("embedding", array("i", [1])), ("embedding", {"shape": [1], "data": [1]}),
    ("embedding", OpaqueBinary("{}", b"")), ("embedding", OpaqueBinary("{", b"1")),
    ("tensor", [1, 2]), ("tensor", {"shape": [2]}), ("tensor", {"shape": [3], "data": [1]}),
    ("tensor", {"shape": [1] * 33, "data": [1]}), ("tensor", {"shape": [-1], "data": []}),
    ("tensor", {"shape": [True], "data": [1]}), ("tensor", {"shape": [2, 2], "data": [[1, 2, 3], [4]]}),
    ("tensor", {"shape": [math.nan], "data": [1]}), ("tensor", {"shape": [math.inf], "data": [1]}),
]  # fmt: skip


@pytest.mark.parametrize(("type", "value"), REFUSED, ids=lambda value: type(value).__name__)
def test_what_is_of_another_type_is_refused(type: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=f"^{SUBJECT}: ") as caught:
        normalize_value(type, value, SUBJECT)
    assert len(str(caught.value)) < 400


def test_unknown_types() -> None:
    with pytest.raises(InvalidTypeError, match="float, integer"):
        normalize_value("double", 1.0, SUBJECT)
    with pytest.raises(InvalidTypeError):
        decode_value("double", EncodedValue("", b"1"), SUBJECT)


def test_minus_zero_keeps_its_sign_without_a_point() -> None:
    assert bits(decode_value("float", EncodedValue("", b"-0"), SUBJECT)) == bits(-0.0)
    assert bits(decode_value("embedding", EncodedValue("", b"[-0]"), SUBJECT)) == bits(Embedding([-0.0]))


def test_depth_of_100_is_read_and_101_is_not() -> None:
    assert decode_value("list", EncodedValue("", b"[" * 100 + b"]" * 100), SUBJECT)
    for depth in (101, 100_000):
        with pytest.raises(InvalidValueError, match="deeper"):
            decode_value("list", EncodedValue("", b"[" * depth + b"]" * depth), SUBJECT)


def test_4300_digits_are_a_number_and_more_are_a_text_alone() -> None:
    digits = "7" * 4_300
    assert decode_value("list", EncodedValue("", f"[{digits},-{digits}]".encode()), SUBJECT)[1] == -int(digits)
    for longer in ("1" + digits, "-1" + digits):
        assert decode_value("string", EncodedValue("", f'"{longer}"'.encode()), SUBJECT) == longer
        for json in (f"[{longer}]", f'{{"a":{longer}}}'):
            with pytest.raises(InvalidValueError, match="4300 digits"):
                decode_value("list" if json[0] == "[" else "map", EncodedValue("", json.encode()), SUBJECT)
        with pytest.raises(InvalidValueError):
            decode_value("float", EncodedValue("", longer.encode()), SUBJECT)
        with pytest.raises(InvalidValueError):
            decode_value("embedding", EncodedValue("", f"[{longer}]".encode()), SUBJECT)
    fraction = "0." + "3" * 5_000
    assert decode_value("list", EncodedValue("", f"[{fraction}]".encode()), SUBJECT) == [1 / 3]


@pytest.mark.parametrize(
    ("value", "type"),
    [(True, "boolean"), (1, "integer"), (1.0, "float"), ("", "string"), ({}, "map"), ([], "list"), ((), "list"),
     (Embedding(), "embedding"), (Tensor([0], []), "tensor"), (array("d"), "embedding"),
     ([1, math.nan], "embedding"), ([math.inf, "x"], "list"), ([1, 2.5], "list"), ({"shape": [1], "data": [1.5]}, "map"),
     ({"shape": [1], "data": [math.nan]}, "tensor"), ({"shape": [1], "data": array("f", [1])}, "tensor"),
     ({"shape": [1], "data": [-math.inf, "x"]}, "map"), ({"shape": [1], "data": math.nan}, "map")],
)  # fmt: skip
def test_the_type_that_a_value_most_likely_is_of(value: Any, type: str) -> None:
    assert type_of_value(value, SUBJECT) == type


def test_what_is_a_value_of_no_type() -> None:
    for value in (None, object(), b"x", {1}, 1j):
        with pytest.raises(InvalidValueError):
            type_of_value(value, SUBJECT)


def test_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    single = normalize_value("embedding", numpy.array([0.5, 1.5], dtype="float32"), SUBJECT)
    assert bits(single) == bits(Embedding([0.5, 1.5], "float32"))
    tensor = normalize_value("tensor", numpy.arange(6.0).reshape(2, 3).T, SUBJECT)
    assert tensor.shape == (3, 2) and tensor.numpy().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert normalize_value("float", numpy.float32(0.5), SUBJECT) == 0.5
    assert normalize_value("integer", numpy.int64(7), SUBJECT) == 7
    assert normalize_value("boolean", numpy.bool_(True), SUBJECT) is True
    with pytest.raises(InvalidValueError):
        normalize_value("embedding", numpy.array([[1.0]]), SUBJECT)
    with pytest.raises(InvalidValueError):
        normalize_value("embedding", numpy.array(["a"]), SUBJECT)

"""Value <-> google.protobuf.Any and binary field, lossless both ways. (Skeleton: being filled.)"""

from typing import Any, NamedTuple, Optional


class EncodedValue(NamedTuple):
    """A value as it travels. `binary` is None unless `type_url` ends in `.binary`."""

    type_url: str
    value: bytes
    binary: Optional[bytes] = None


def normalize_value(type: str, value: Any, subject: str) -> Any:
    raise NotImplementedError


def encode_value(type: str, value: Any, binary_threshold_bytes: float = 10_240) -> EncodedValue:
    raise NotImplementedError


def decode_value(type: str, sent: EncodedValue, subject: str) -> Any:
    raise NotImplementedError


def type_of_value(value: Any) -> str:
    """The type that a value most likely is of, for a set whose variable's type nobody knows."""
    raise NotImplementedError

"""Large embeddings and tensors in the binary field: little-endian floats and a JSON header. Path: value codec <-> [binary array].

Bytes in a form that is not ours, such as a pickle, are carried as they came and never read.
"""

import sys
from array import array
from typing import Any, Optional, Sequence, Tuple, Union

from ..errors import InvalidValueError
from ..types import Embedding, OpaqueBinary, Tensor
from .lossless_json import parse_json
from .numeric_array import elements_of, read_shape, shape_text

WIDTHS = {"float32": 4, "float64": 8}
_TYPECODES = {"float32": "f", "float64": "d"}


def write_binary(shape: Sequence[int], numbers: Sequence[float], dtype: str) -> Tuple[bytes, bytes]:
    """Header and bytes."""
    elements = array(_TYPECODES[dtype], numbers)
    if sys.byteorder != "little":
        elements.byteswap()
    header = f'{{"dtype":"{dtype}","shape":[{",".join(map(str, shape))}]}}'
    return header.encode("ascii"), elements.tobytes()


def read_binary(type: str, header: str, data: bytes, subject: str) -> Union[Embedding, Tensor, OpaqueBinary]:
    """Raises InvalidValueError when the bytes are not what the header claims."""
    claim = _claim_of(parse_json(header, f"{subject}: binary header"))
    if claim is None:
        return copy_opaque(OpaqueBinary(header, data), subject)
    dtype, claimed = claim
    shape = read_shape(claimed)
    if shape is None or elements_of(shape) * WIDTHS[dtype] != len(data):
        if _is_pickle(data):
            return copy_opaque(OpaqueBinary(header, data), subject)
        raise InvalidValueError(
            f"{subject}: {len(data)} bytes are not {dtype} of shape {shape_text(claimed)}: send them little-endian without gaps, "
            'or say another "binary_format" in the header'
        )
    if type == "embedding" and len(shape) != 1:
        raise InvalidValueError(
            f"{subject}: an embedding of shape {shape_text(shape)} came: send one axis, or register a tensor"
        )
    elements = array(_TYPECODES[dtype])
    elements.frombytes(data)
    if sys.byteorder != "little":
        elements.byteswap()
    numbers = elements.tolist()
    return Embedding(numbers, dtype) if type == "embedding" else Tensor(shape, numbers, dtype)


def copy_opaque(binary: OpaqueBinary, subject: str) -> OpaqueBinary:
    """Raises InvalidValueError when there is nothing in it, or its header is not JSON."""
    if len(binary.bytes) == 0:
        raise InvalidValueError(f"{subject}: the binary field is empty: send the bytes that the header tells of")
    parse_json(binary.header, f"{subject}: binary header")
    return OpaqueBinary(binary.header, bytes(binary.bytes))


def _claim_of(header: Any) -> Optional[Tuple[str, Any]]:
    """dtype and shape that a header in our form says; None for another form."""
    if not isinstance(header, dict):
        return None
    dtype, shape = header.get("dtype"), header.get("shape")
    if not isinstance(dtype, str) or dtype not in WIDTHS or not isinstance(shape, list):
        return None
    return None if header.get("binary_format") is not None else (dtype, shape)


def _is_pickle(data: bytes) -> bool:
    """A pickle of protocol 2 to 5 begins with the PROTO opcode and its number."""
    return len(data) > 1 and data[0] == 0x80 and 2 <= data[1] <= 5

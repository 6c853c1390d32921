"""When two values of one variable are the same, whatever Python says of True and 1."""

from typing import Any

from ..types import Embedding, OpaqueBinary, Tensor


def values_equal(a: Any, b: Any) -> bool:
    """NaN is NaN, 0 is -0, 3 is 3.0, maps whatever the order of their keys, embeddings and tensors number by number, whatever their dtypes."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)):
        return isinstance(b, (int, float)) and (a == b or (a != a and b != b))
    if isinstance(a, str) or isinstance(b, str) or isinstance(a, OpaqueBinary):
        return bool(a == b)
    if isinstance(a, (Embedding, Tensor)) or isinstance(b, (Embedding, Tensor)):
        # Those of one dtype are of a class of their own.
        of_one_type = Embedding if isinstance(a, Embedding) else Tensor
        return isinstance(a, of_one_type) and isinstance(b, of_one_type) and _elements_equal(a, b)
    return _elements_equal(a, b)


def _elements_equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        if not isinstance(b, dict) or len(a) != len(b):
            return False
        return all(key in b and values_equal(element, b[key]) for key, element in a.items())
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(values_equal, a, b))
    return bool(a == b)

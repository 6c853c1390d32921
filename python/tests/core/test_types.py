"""What users hold, copied in every way that Python has: by `dataclasses`, `copy` and `pickle`."""

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from bridged_state import Embedding, Tensor, VariableUpdate


def shown(value: Any) -> Any:
    if isinstance(value, (Embedding, Tensor)):
        return "Tensor" if isinstance(value, Tensor) else "Embedding", value.dtype, value.copy()
    return value


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["embedding", "tensor"])
def test_copies_are_what_they_are_copies_of(kind: str, dtype: str) -> None:
    value: Any = Embedding([1.5, 2.5], dtype) if kind == "embedding" else Tensor([2, 1], [1.5, 2.5], dtype)
    update = VariableUpdate("id", "name", value, {"within": [value]})
    as_dict = dataclasses.asdict(update)
    for same in (
        as_dict["value"],
        as_dict["old_value"]["within"][0],
        dataclasses.astuple(update)[2],
        copy.copy(value),
        copy.deepcopy(value),
        pickle.loads(pickle.dumps(value)),
        dataclasses.replace(update, version=2).value,
    ):
        assert shown(same) == shown(value) and type(same) is type(value)
    # A copy, as asdict makes of all that it knows.
    as_dict["value"].clear()
    assert len(value) == 2


def test_a_tensor_is_made_as_a_dict_is() -> None:
    items = [("shape", (1, 2)), ("data", (1.0, 2.0))]
    for made in (Tensor(items), Tensor(dict(items)), Tensor(iter(items))):
        assert made == {"shape": [1, 2], "data": [1.0, 2.0]} and made.dtype == "float64"

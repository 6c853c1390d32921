"""What users of the package hold: updates, variables, entries of a history, and the values that are more than plain Python."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

VARIABLE_TYPES: Tuple[str, ...] = (
    "float",
    "integer",
    "string",
    "boolean",
    "choice",
    "module",
    "embedding",
    "tensor",
    "map",
    "list",
)
"""The ten types of a variable."""


class Embedding(List[float]):
    """
    The numbers of an embedding: a list that knows whether they travelled as `float32` or `float64`, so that it is set again as it came.
    `numpy()` gives an array where numpy is installed. Shared by everybody who holds the value: copy it before writing into it.
    """

    dtype: str
    """`float32` or `float64`."""

    def __new__(cls, numbers: Iterable[float] = (), dtype: str = "float64") -> "Embedding":
        if cls is Embedding and dtype == "float32":
            return super().__new__(_Float32Embedding)
        return super().__new__(cls)

    def __init__(self, numbers: Iterable[float] = (), dtype: str = "float64") -> None:
        super().__init__(numbers)
        self.dtype = dtype

    def numpy(self) -> Any:
        """A numpy array of its dtype. Raises ImportError where there is no numpy."""
        return import_module("numpy").array(self, dtype=self.dtype)


class _Float32Embedding(Embedding):
    """What `dataclasses.asdict` copies says nothing but its numbers: here its dtype is that of its class."""

    def __init__(self, numbers: Iterable[float] = (), dtype: str = "float32") -> None:
        super().__init__(numbers, dtype)

    def __reduce__(self) -> Tuple[Any, ...]:
        return Embedding, (list(self), self.dtype)


class Tensor(Dict[str, Any]):
    """
    `{"shape": […], "data": […]}` with the numbers in row-major order, as its JSON says it. `numpy()` gives an array where numpy is
    installed. Shared by everybody who holds the value: copy it before writing into it.
    """

    dtype: str
    """`float32` or `float64`."""

    def __new__(cls, shape: Iterable[Any] = (), data: Optional[Sequence[float]] = None, dtype: str = "float64") -> "Tensor":
        if cls is Tensor and dtype == "float32":
            return super().__new__(_Float32Tensor)
        return super().__new__(cls)

    def __init__(self, shape: Iterable[Any], data: Optional[Sequence[float]] = None, dtype: str = "float64") -> None:
        """Its shape and its numbers; or, as a dict is made, both in one mapping, or as its items."""
        if data is None:
            both = dict(shape)
            shape, data = both["shape"], both["data"]
        super().__init__(shape=list(shape), data=data if isinstance(data, list) else list(data))
        self.dtype = dtype

    @property
    def shape(self) -> Tuple[int, ...]:
        """How long each axis is."""
        return tuple(self["shape"])

    @property
    def data(self) -> List[float]:
        """The numbers, flat."""
        numbers: List[float] = self["data"]
        return numbers

    def numpy(self) -> Any:
        """A numpy array of its dtype and shape. Raises ImportError where there is no numpy."""
        return import_module("numpy").array(self.data, dtype=self.dtype).reshape(self.shape)


class _Float32Tensor(Tensor):
    """As `_Float32Embedding`."""

    def __init__(self, shape: Iterable[Any], data: Optional[Sequence[float]] = None, dtype: str = "float32") -> None:
        super().__init__(shape, data, dtype)

    def __reduce__(self) -> Tuple[Any, ...]:
        return Tensor, (self.shape, self.data, self.dtype)


@dataclass(frozen=True)
class OpaqueBinary:
    """The binary payload of an embedding or tensor in a form that is not ours, such as a pickle: carried as it came, never read."""

    header: str
    """The JSON text that came with the bytes and says what they are."""
    bytes: bytes
    """As they came."""


@dataclass(frozen=True)
class VariableUpdate:
    """One update of a watch. `old_value` and `value` chain: the value of one is the old value of the next of its variable."""

    variable_id: str
    """The server's id of the variable; another one when it was deleted and registered again."""
    variable_name: str
    """As it was registered, also where it is watched by its id."""
    value: Any
    """None where the variable is gone. Shared with the next update's `old_value`: copy a map or a list before writing into it."""
    old_value: Any = None
    """What this watch saw last of the variable; None with its first update."""
    version: int = 0
    """Of the variable: from 1 on, rising by 1 with each change."""
    missed: int = 0
    """Versions of this variable skipped right before this one, exactly."""
    is_initial: bool = False
    """The value at the registration, which `include_initial` asks for."""
    resync: bool = False
    """The present value: what came between could not be replayed, or the server lost its state."""
    deleted: Optional[str] = None
    """'deleted', 'expired' or 'session-ended' where the variable is gone."""
    source: str = ""
    """Who set it, as the setter said."""
    timestamp: float = 0.0
    """When it was set: milliseconds since 1970, the server's clock."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The setter's own map. Shared: copy it before writing into it."""
    revision: int = 0
    """The session's; updates of one atomic batch share it."""
    received_at: float = 0.0
    """Milliseconds since 1970, this process's clock."""


@dataclass(frozen=True)
class VariableInfo:
    """A variable as the server holds it."""

    id: str
    name: str
    type: str
    """One of `VARIABLE_TYPES`."""
    value: Any
    version: int
    """From 1 on, rising by 1 with each change."""
    constraints: Mapping[str, Any] = field(default_factory=dict)
    """Such as `{"min": 0, "max": 1}`; empty for none."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Given at the registration."""
    description: str = ""
    ttl_ms: int = 0
    """Milliseconds after its last set until it expires; 0 = never."""
    last_updated_at: float = 0.0
    """Milliseconds since 1970, the server's clock."""


@dataclass(frozen=True)
class VersionedValue:
    """An entry of a history."""

    version: int
    value: Any
    timestamp: float = 0.0
    """Milliseconds since 1970, the server's clock."""
    source: str = ""
    """Who set it, as the setter said."""
    metadata: Mapping[str, str] = field(default_factory=dict)

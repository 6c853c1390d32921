"""What is asked about variables, as calls of the published contract; several that do not fit into one answer come in pages. Path: session -> [variable calls] -> session calls.

Raises as the session calls, and InvalidValueError for a value that its variable cannot have.
"""

from typing import Any, AsyncIterator, Callable, Coroutine, Dict, List, Mapping, Optional, Sequence, Union

from ._core.value_codec import EncodedValue, depends_on_type
from ._wire.messages import (
    BatchGetVariablesRequest,
    BatchSetVariablesRequest,
    DeleteVariableRequest,
    GetVariableHistoryRequest,
    GetVariableRequest,
    ListVariablesRequest,
    Message,
    RegisterVariableRequest,
    RollbackVariableRequest,
    SetVariableRequest,
)
from .connection import Connection
from .errors import BridgeError, VariablesNotFoundError, VersionConflictError, VersionNotFoundError, code_of_sentence
from .types import VariableInfo, VersionedValue
from .wire_mapping import encoded, encoded_to_set, entry_of, info_of

_PAGE_BYTES = 2 * 1024 * 1024
# Of the published fields of 32 bits: the largest version that a server says, and the largest limit.
_MAX_VERSION = 2**31 - 2
_MAX_LIMIT = 2**31 - 1


async def register(
    connection: Connection,
    name: str,
    type: str,
    initial: EncodedValue,
    *,
    constraints: str,
    metadata: Dict[str, str],
    description: str,
    ttl_ms: int,
    source: str,
) -> str:
    """Its id. `constraints`: JSON."""
    request = RegisterVariableRequest(
        session_id=connection.options.session_id,
        name=name,
        type=type,
        constraints_json=constraints,
        metadata=metadata,
        description=description,
        ttl_ms=ttl_ms,
    )
    request.initial_value.type_url, request.initial_value.value = initial.type_url, initial.value
    request.initial_binary_value = initial.binary or b""
    request.setter.source = source
    answer = await connection.calls.change("RegisterVariable", request, identifiers=(name,), registers=name)
    return str(answer.variable_id)


async def read(connection: Connection, identifier: str) -> Message:
    request = GetVariableRequest(session_id=connection.options.session_id, variable_identifier=identifier)
    try:
        answer = await connection.calls.call("GetVariable", request, identifiers=(identifier,))
    except VariablesNotFoundError as cause:
        raise VariablesNotFoundError.of((identifier,)) from cause
    return answer.variable


async def read_several(connection: Connection, identifiers: Sequence[str]) -> AsyncIterator[Mapping[str, Message]]:
    """By the identifiers asked for, page by page; those that are missing are left out."""
    wanted = identifiers
    while wanted:
        request = BatchGetVariablesRequest(
            session_id=connection.options.session_id, variable_identifiers=wanted, max_bytes=_PAGE_BYTES
        )
        answer = await connection.calls.call("GetVariables", request)
        yield answer.variables
        wanted = list(answer.remaining_identifiers)


async def find(connection: Connection, pattern: str) -> List[VariableInfo]:
    """In the order of registration; an empty pattern finds all."""
    found: List[VariableInfo] = []
    page = ""
    while True:
        request = ListVariablesRequest(
            session_id=connection.options.session_id, pattern=pattern, page_token=page, max_bytes=_PAGE_BYTES
        )
        answer = await connection.calls.call("ListVariables", request)
        found.extend(info_of(variable) for variable in answer.variables)
        page = answer.next_page_token
        if not page:
            return found


async def history(connection: Connection, identifier: str, limit: int) -> List[VersionedValue]:
    """The newest `limit` entries, or all for 0, oldest first."""
    left = limit
    variable = await read(connection, identifier)
    entries: List[VersionedValue] = []
    before = 0
    while True:
        request = GetVariableHistoryRequest(
            session_id=connection.options.session_id,
            variable_identifier=identifier,
            limit=min(left, _MAX_LIMIT),
            before_version=before,
            max_bytes=_PAGE_BYTES,
        )
        answer = await connection.calls.call("GetVariableHistory", request, identifiers=(identifier,))
        page = [entry_of(entry, variable.type, variable.name) for entry in answer.entries]
        entries[:0] = page
        left = max(0, left - len(page)) if limit else 0
        if not answer.has_more or not page or (limit and left == 0):
            return entries
        before = page[0].version


async def set_one(
    connection: Connection, identifier: str, value: Any, source: str, metadata: Mapping[str, str], expected: int
) -> int:
    """Its version."""
    if expected > _MAX_VERSION:
        raise VersionConflictError(f'variable "{identifier}" is at no version as large as {expected}: read it again, then set')
    request = SetVariableRequest(
        session_id=connection.options.session_id, variable_identifier=identifier, metadata=metadata, expected_version=expected
    )
    _say_source(request, connection, source)

    def put(_identifier: str, sent: EncodedValue) -> None:
        request.value.type_url, request.value.value = sent.type_url, sent.value
        request.binary_value = sent.binary or b""

    prepare = _put_values(connection, {identifier: value}, put)
    answer = await connection.calls.change("SetVariable", request, identifiers=(identifier,), prepare=prepare)
    return int(answer.new_version)


async def set_several(
    connection: Connection, updates: Mapping[str, Any], atomic: bool, source: str, metadata: Dict[str, str]
) -> Dict[str, Union[int, BridgeError]]:
    """What became of each: a version, or why it was refused."""
    request = BatchSetVariablesRequest(session_id=connection.options.session_id, metadata=metadata, atomic=atomic)

    def put(identifier: str, sent: EncodedValue) -> None:
        request.updates[identifier].type_url = sent.type_url
        request.updates[identifier].value = sent.value
        if sent.binary is not None:
            request.binary_updates[identifier] = sent.binary

    prepare = _put_values(connection, updates, put)
    _say_source(request, connection, source)
    answer = await connection.calls.change("SetVariables", request, identifiers=tuple(updates), prepare=prepare)
    outcomes: Dict[str, Union[int, BridgeError]] = {}
    for identifier, version in answer.new_versions.items():
        outcomes[identifier] = int(version)
    for identifier, sentence in answer.errors.items():
        code = answer.error_codes.get(identifier) or code_of_sentence(sentence)
        outcomes[identifier] = BridgeError(sentence, code=code)
    # A map on the wire has no order.
    return {identifier: outcomes[identifier] for identifier in updates if identifier in outcomes}


async def delete(connection: Connection, identifier: str) -> None:
    request = DeleteVariableRequest(session_id=connection.options.session_id, variable_identifier=identifier)
    await connection.calls.change("DeleteVariable", request, identifiers=(identifier,))


async def roll_back(connection: Connection, identifier: str, version: int, source: str) -> int:
    """The version that this makes."""
    if version > _MAX_VERSION:
        raise VersionNotFoundError(f'variable "{identifier}" has no version {version}: over a bridge the largest is {_MAX_VERSION}')
    request = RollbackVariableRequest(
        session_id=connection.options.session_id, variable_identifier=identifier, target_version=version
    )
    request.setter.source = source
    answer = await connection.calls.change("RollbackVariable", request, identifiers=(identifier,))
    return int(answer.variable.version)


def _put_values(
    connection: Connection, values: Mapping[str, Any], put: Callable[[str, EncodedValue], None]
) -> Optional[Callable[[], Coroutine[Any, Any, None]]]:
    """Now, but for those that say nothing without the types of their variables: what is returned reads these first."""
    unclear: Dict[str, Any] = {}
    for identifier, value in values.items():
        if depends_on_type(value):
            unclear[identifier] = value
        else:
            put(identifier, encoded_to_set(value, bool(connection.epoch), f'variable "{identifier}"'))
    if not unclear:
        return None

    async def read_types() -> None:
        for identifier, value in unclear.items():
            variable = await read(connection, identifier)
            put(identifier, encoded(value, variable.type, f'variable "{identifier}"'))

    return read_types


def _say_source(request: Message, connection: Connection, source: str) -> None:
    """Ours reads the setter; another server the key of the metadata."""
    request.setter.source = source
    if not connection.epoch and "source" not in request.metadata:
        request.metadata["source"] = source

"""Messages of the contract <-> what users hold. Path: calls, stream carrier -> [wire mapping] -> session, watch feed. Pure."""

from typing import Any, Mapping

from ._core.link_events import CHANGE, DELETED, INITIAL, RESYNC, LinkedFeed, LinkedVariable, UndecodedValue, Update
from ._core.lossless_json import parse_json
from ._core.value_codec import BINARY_THRESHOLD_BYTES, EncodedValue, decode_value, encode_value, normalize_value, type_of_value
from ._wire.messages import Message
from .types import VariableInfo, VersionedValue

# `update_type` of a message that is about a variable; others are marks.
KIND_OF_TYPE: Mapping[str, str] = {
    "value_change": CHANGE,
    "initial_value": INITIAL,
    "resync": RESYNC,
    "deleted": DELETED,
}


def milliseconds_of(timestamp: Message) -> float:
    """Since 1970."""
    return float(timestamp.seconds) * 1000.0 + float(timestamp.nanos) / 1_000_000.0


def value_of(variable: Message) -> Any:
    """The value of a `Variable` message. Raises InvalidValueError."""
    sent = EncodedValue(variable.value.type_url, variable.value.value, variable.binary_value)
    return decode_value(variable.type, sent, f'variable "{variable.name}"')


def info_of(variable: Message) -> VariableInfo:
    constraints = parse_json(variable.constraints_json, "constraints") if variable.constraints_json else {}
    return VariableInfo(
        id=variable.id,
        name=variable.name,
        type=variable.type,
        value=value_of(variable),
        version=variable.version,
        constraints=constraints,
        metadata=dict(variable.metadata),
        description=variable.description,
        ttl_ms=variable.ttl_ms,
        last_updated_at=milliseconds_of(variable.last_updated_at),
    )


def entry_of(entry: Message, type: str, name: str) -> VersionedValue:
    """Of a history. Large embeddings and tensors are there in their JSON form, or as a header with its bytes behind it."""
    sent = EncodedValue(entry.value.type_url, entry.value.value, getattr(entry, "binary_value", b""))
    return VersionedValue(
        version=entry.version,
        value=decode_value(type, sent, f'variable "{name}"'),
        timestamp=milliseconds_of(entry.timestamp),
        source=entry.changed_by,
        metadata=dict(entry.metadata),
    )


def encoded(value: Any, known_type: str, subject: str) -> EncodedValue:
    """Its form for a call. Raises InvalidValueError."""
    return encode_value(known_type, normalize_value(known_type, value, subject))


def encoded_to_set(value: Any, is_ours: bool, subject: str) -> EncodedValue:
    """The same of a value whose variable's type nobody knows. Raises InvalidValueError."""
    type = type_of_value(value, subject)
    # As by the link: the JSON of an array, which says NaN as a text, would be taken by a list. Others may not read our binary.
    threshold = 0 if is_ours else BINARY_THRESHOLD_BYTES
    return encode_value(type, normalize_value(type, value, subject), threshold)


def update_of(message: Message, kind: str, linked: LinkedFeed) -> Update:
    """Of a `VariableUpdate` message that is about a variable, in the link's form: a watch feed knows one form only."""
    sent = message.variable
    identifiers = tuple(message.identifiers)
    variable = LinkedVariable(linked, message.variable_id or sent.id, sent.name, sent.type, sent.version, identifiers)
    value = None
    if kind != DELETED:
        value = UndecodedValue(EncodedValue(sent.value.type_url, sent.value.value, sent.binary_value))
    return Update(
        variable,
        kind,
        int(sent.version),
        value,
        int(message.revision),
        milliseconds_of(message.timestamp),
        message.update_source,
        int(message.missed),
        dict(message.update_metadata),
        bool(message.more),
        message.reason or None,
    )

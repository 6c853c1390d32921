"""The messages and calls of the contract. Path: callers, link session -> [messages] -> gRPC.

The classes are made at import in a descriptor pool of their own: the same package works with every protobuf from 3.21 on, and beside a
`bridge_pb2` of the program's own.
"""

from importlib import import_module
from typing import Any as Untyped
from typing import Dict, NamedTuple

from .descriptor import BRIDGE_FILE

# Classes that are made at run time have no static type.
Message = Untyped
MessageClass = Untyped


def _message_classes() -> Dict[str, MessageClass]:
    # By name: whether there are types for protobuf is the program's own matter.
    message_factory: Untyped = import_module("google.protobuf.message_factory")
    pool: Untyped = import_module("google.protobuf.descriptor_pool").DescriptorPool()
    for module in (import_module("google.protobuf.any_pb2"), import_module("google.protobuf.timestamp_pb2")):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(BRIDGE_FILE)
    if hasattr(message_factory, "GetMessageClass"):
        class_of = message_factory.GetMessageClass
    else:
        # Before protobuf 4.22.
        class_of = message_factory.MessageFactory(pool).GetPrototype
    messages = pool.FindFileByName("bridge.proto").message_types_by_name
    classes = {name: class_of(descriptor) for name, descriptor in messages.items()}
    for full_name in ("google.protobuf.Any", "google.protobuf.Timestamp"):
        classes[full_name.rsplit(".", 1)[-1]] = class_of(pool.FindMessageTypeByName(full_name))
    return classes


MESSAGE_CLASSES: Dict[str, MessageClass] = _message_classes()

Any: MessageClass = MESSAGE_CLASSES["Any"]
Timestamp: MessageClass = MESSAGE_CLASSES["Timestamp"]

PingRequest: MessageClass = MESSAGE_CLASSES["PingRequest"]
PingResponse: MessageClass = MESSAGE_CLASSES["PingResponse"]
InitializeSessionRequest: MessageClass = MESSAGE_CLASSES["InitializeSessionRequest"]
InitializeSessionResponse: MessageClass = MESSAGE_CLASSES["InitializeSessionResponse"]
SessionConfig: MessageClass = MESSAGE_CLASSES["SessionConfig"]
CleanupSessionRequest: MessageClass = MESSAGE_CLASSES["CleanupSessionRequest"]
CleanupSessionResponse: MessageClass = MESSAGE_CLASSES["CleanupSessionResponse"]
GetSessionRequest: MessageClass = MESSAGE_CLASSES["GetSessionRequest"]
GetSessionResponse: MessageClass = MESSAGE_CLASSES["GetSessionResponse"]
HeartbeatRequest: MessageClass = MESSAGE_CLASSES["HeartbeatRequest"]
HeartbeatResponse: MessageClass = MESSAGE_CLASSES["HeartbeatResponse"]

Variable: MessageClass = MESSAGE_CLASSES["Variable"]
OptimizationStatus: MessageClass = MESSAGE_CLASSES["OptimizationStatus"]
Setter: MessageClass = MESSAGE_CLASSES["Setter"]
RegisterVariableRequest: MessageClass = MESSAGE_CLASSES["RegisterVariableRequest"]
RegisterVariableResponse: MessageClass = MESSAGE_CLASSES["RegisterVariableResponse"]
GetVariableRequest: MessageClass = MESSAGE_CLASSES["GetVariableRequest"]
GetVariableResponse: MessageClass = MESSAGE_CLASSES["GetVariableResponse"]
SetVariableRequest: MessageClass = MESSAGE_CLASSES["SetVariableRequest"]
SetVariableResponse: MessageClass = MESSAGE_CLASSES["SetVariableResponse"]
BatchGetVariablesRequest: MessageClass = MESSAGE_CLASSES["BatchGetVariablesRequest"]
BatchGetVariablesResponse: MessageClass = MESSAGE_CLASSES["BatchGetVariablesResponse"]
BatchSetVariablesRequest: MessageClass = MESSAGE_CLASSES["BatchSetVariablesRequest"]
BatchSetVariablesResponse: MessageClass = MESSAGE_CLASSES["BatchSetVariablesResponse"]
ListVariablesRequest: MessageClass = MESSAGE_CLASSES["ListVariablesRequest"]
ListVariablesResponse: MessageClass = MESSAGE_CLASSES["ListVariablesResponse"]
DeleteVariableRequest: MessageClass = MESSAGE_CLASSES["DeleteVariableRequest"]
DeleteVariableResponse: MessageClass = MESSAGE_CLASSES["DeleteVariableResponse"]
WatchVariablesRequest: MessageClass = MESSAGE_CLASSES["WatchVariablesRequest"]
VariableUpdate: MessageClass = MESSAGE_CLASSES["VariableUpdate"]
UnwatchVariablesRequest: MessageClass = MESSAGE_CLASSES["UnwatchVariablesRequest"]
UnwatchVariablesResponse: MessageClass = MESSAGE_CLASSES["UnwatchVariablesResponse"]
LinkUp: MessageClass = MESSAGE_CLASSES["LinkUp"]
LinkHello: MessageClass = MESSAGE_CLASSES["LinkHello"]
LinkDown: MessageClass = MESSAGE_CLASSES["LinkDown"]
LinkWelcome: MessageClass = MESSAGE_CLASSES["LinkWelcome"]
GetVariableHistoryRequest: MessageClass = MESSAGE_CLASSES["GetVariableHistoryRequest"]
GetVariableHistoryResponse: MessageClass = MESSAGE_CLASSES["GetVariableHistoryResponse"]
VariableHistoryEntry: MessageClass = MESSAGE_CLASSES["VariableHistoryEntry"]
RollbackVariableRequest: MessageClass = MESSAGE_CLASSES["RollbackVariableRequest"]
RollbackVariableResponse: MessageClass = MESSAGE_CLASSES["RollbackVariableResponse"]
ToolSpec: MessageClass = MESSAGE_CLASSES["ToolSpec"]
ParameterSpec: MessageClass = MESSAGE_CLASSES["ParameterSpec"]
GetExposedElixirToolsRequest: MessageClass = MESSAGE_CLASSES["GetExposedElixirToolsRequest"]
GetExposedElixirToolsResponse: MessageClass = MESSAGE_CLASSES["GetExposedElixirToolsResponse"]


class Method(NamedTuple):
    """A call: where it is served, and what goes up and down."""

    path: str
    request: MessageClass
    response: MessageClass


# What published clients call; our server offers the same calls as snakepit.bridge.UnifiedBridge.
BRIDGE_SERVICE = "snakepit.bridge.BridgeService"
LINK_SERVICE = "snakepit.bridge.StreamLink"
LINK_PATH = f"/{LINK_SERVICE}/Open"


def _method(name: str, request: MessageClass, response: MessageClass) -> Method:
    return Method(f"/{BRIDGE_SERVICE}/{name}", request, response)


METHODS: Dict[str, Method] = {
    "Ping": _method("Ping", PingRequest, PingResponse),
    "InitializeSession": _method("InitializeSession", InitializeSessionRequest, InitializeSessionResponse),
    "CleanupSession": _method("CleanupSession", CleanupSessionRequest, CleanupSessionResponse),
    "GetSession": _method("GetSession", GetSessionRequest, GetSessionResponse),
    "Heartbeat": _method("Heartbeat", HeartbeatRequest, HeartbeatResponse),
    "GetVariable": _method("GetVariable", GetVariableRequest, GetVariableResponse),
    "SetVariable": _method("SetVariable", SetVariableRequest, SetVariableResponse),
    "GetVariables": _method("GetVariables", BatchGetVariablesRequest, BatchGetVariablesResponse),
    "SetVariables": _method("SetVariables", BatchSetVariablesRequest, BatchSetVariablesResponse),
    "RegisterVariable": _method("RegisterVariable", RegisterVariableRequest, RegisterVariableResponse),
    "ListVariables": _method("ListVariables", ListVariablesRequest, ListVariablesResponse),
    "DeleteVariable": _method("DeleteVariable", DeleteVariableRequest, DeleteVariableResponse),
    "WatchVariables": _method("WatchVariables", WatchVariablesRequest, VariableUpdate),
    "UnwatchVariables": _method("UnwatchVariables", UnwatchVariablesRequest, UnwatchVariablesResponse),
    "GetVariableHistory": _method("GetVariableHistory", GetVariableHistoryRequest, GetVariableHistoryResponse),
    "RollbackVariable": _method("RollbackVariable", RollbackVariableRequest, RollbackVariableResponse),
    "GetExposedElixirTools": _method("GetExposedElixirTools", GetExposedElixirToolsRequest, GetExposedElixirToolsResponse),
}

# Headers and trailers of docs/wire.md.
ERROR_TRAILER = "bridge-error"
EPOCH_HEADER = "bridge-epoch"
KEEPALIVE_HEADER = "bridge-keepalive-ms"
MAX_MESSAGE_HEADER = "bridge-max-message-bytes"
SERVERS_HEADER = "bridge-servers"
SESSION_TTL_HEADER = "bridge-session-ttl-ms"

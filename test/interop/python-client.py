"""A Python client of the bridge that knows nothing but proto/bridge.proto.

`python.test.ts` drives it: a JSON line on stdin is one call of `BridgeClient`, a JSON line on stdout its result.
The messages are those that `protoc --python_out` makes; the calls need no gRPC plugin, only their paths.
"""

import base64
import json
import math
import pickle
import queue
import struct
import sys
import threading

import bridge_pb2
import grpc
from google.protobuf import any_pb2

SERVICE = "snakepit.bridge.BridgeService"
TYPE_URL = "type.googleapis.com/snakepit."
# Above this an embedding or tensor travels beside its JSON, as published clients do it.
BINARY_THRESHOLD_BYTES = 10_240
DEADLINE_S = 10

METHODS = bridge_pb2.DESCRIPTOR.services_by_name["BridgeService"].methods_by_name


class BridgeClient:
    """One session of one server.

    Args:
        endpoint: HOST:PORT of the server.
        session_id: The session; made when it is not there.
        service: The name under which the calls are made.
    """

    def __init__(self, endpoint, session_id, service=SERVICE):
        self.session_id = session_id
        self._service = service
        self._channel = grpc.insecure_channel(endpoint)
        self._watches = []
        request = bridge_pb2.InitializeSessionRequest(session_id=session_id)
        response, _ = self._call("InitializeSession", request)
        if not response.success:
            raise RuntimeError(response.error_message)

    def ping(self, message):
        response, _ = self._call("Ping", bridge_pb2.PingRequest(message=message))
        return response.message

    def register(self, name, type, value, constraints="", metadata=None):
        """Makes a variable at version 1."""
        any_value, binary = encode(type, value)
        request = bridge_pb2.RegisterVariableRequest(
            session_id=self.session_id,
            name=name,
            type=type,
            initial_value=any_value,
            constraints_json=constraints,
            metadata=metadata or {},
            initial_binary_value=binary,
        )
        response, code = self._call("RegisterVariable", request)
        return {
            "success": response.success,
            "id": response.variable_id,
            "sentence": response.error_message,
            "code": code,
        }

    def get(self, name):
        request = bridge_pb2.GetVariableRequest(session_id=self.session_id, variable_identifier=name)
        response, _ = self._call("GetVariable", request)
        return describe_variable(response.variable)

    def get_several(self, names):
        request = bridge_pb2.BatchGetVariablesRequest(session_id=self.session_id, variable_identifiers=names)
        response, _ = self._call("GetVariables", request)
        variables = {name: describe_variable(variable) for name, variable in response.variables.items()}
        return {"variables": variables, "missing": list(response.missing_variables)}

    def list(self, pattern=""):
        request = bridge_pb2.ListVariablesRequest(session_id=self.session_id, pattern=pattern)
        response, _ = self._call("ListVariables", request)
        return sorted(variable.name for variable in response.variables)

    def set(self, name, type, value, metadata=None, expected_version=0):
        any_value, binary = encode(type, value)
        return self._set(name, any_value, binary, metadata, expected_version)

    def set_json(self, name, type, text):
        """Sets a value whose JSON is given as it shall travel."""
        return self._set(name, any_of(type, text), b"", None, 0)

    def set_pickled(self, name, type, value, says_so=True):
        """Sets pickled bytes as published clients do, with or without a header that says what they are."""
        header = {"shape": [len(value)], "dtype": "float64"}
        if says_so:
            header["binary_format"] = "pickle"
        any_value = any_of(f"{type}.binary", json.dumps(header))
        return self._set(name, any_value, pickle.dumps(value, protocol=4), None, 0)

    def set_several(self, values, atomic=False, metadata=None):
        """Sets `{name: [type, value]}`."""
        request = bridge_pb2.BatchSetVariablesRequest(
            session_id=self.session_id, atomic=atomic, metadata=metadata or {}
        )
        for name, (type, value) in values.items():
            any_value, binary = encode(type, value)
            request.updates[name].CopyFrom(any_value)
            if binary:
                request.binary_updates[name] = binary
        response, code = self._call("SetVariables", request)
        return {
            "success": response.success,
            "versions": dict(response.new_versions),
            "errors": dict(response.errors),
            "codes": dict(response.error_codes),
            "code": code,
        }

    def delete(self, name):
        request = bridge_pb2.DeleteVariableRequest(session_id=self.session_id, variable_identifier=name)
        response, code = self._call("DeleteVariable", request)
        return {"success": response.success, "sentence": response.error_message, "code": code}

    def unpickle(self, name):
        """What Python finds in a variable that holds pickled bytes of its own."""
        request = bridge_pb2.GetVariableRequest(session_id=self.session_id, variable_identifier=name)
        response, _ = self._call("GetVariable", request)
        return pickle.loads(response.variable.binary_value)

    def watch(self, names, include_initial=False):
        """Returns when the server has registered the watch: its number, and what the headers say."""
        request = bridge_pb2.WatchVariablesRequest(
            session_id=self.session_id, variable_identifiers=names, include_initial_values=include_initial
        )
        watch = Watch(self._stream("WatchVariables", request))
        self._watches.append(watch)
        return {"watch": len(self._watches) - 1, "headers": dict(watch.stream.initial_metadata())}

    def next_update(self, watch):
        return self._watches[watch].next()

    def cancel(self, watch):
        self._watches[watch].stream.cancel()

    def call_unknown(self, method):
        """Calls what this contract does not have, with an empty message."""
        rpc = self._channel.unary_unary(f"/{self._service}/{method}", lambda message: message, lambda message: message)
        rpc(b"", timeout=DEADLINE_S)

    def close(self):
        self._channel.close()

    def _set(self, name, any_value, binary, metadata, expected_version):
        request = bridge_pb2.SetVariableRequest(
            session_id=self.session_id,
            variable_identifier=name,
            value=any_value,
            binary_value=binary,
            metadata=metadata or {},
            expected_version=expected_version,
        )
        response, code = self._call("SetVariable", request)
        return {
            "success": response.success,
            "version": response.new_version,
            "sentence": response.error_message,
            "code": code,
        }

    def _call(self, method, request):
        """The answer, and the code in the trailer of one that refuses."""
        rpc = self._channel.unary_unary(
            f"/{self._service}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response_type(method).FromString,
        )
        response, call = rpc.with_call(request, timeout=DEADLINE_S)
        return response, error_code(call)

    def _stream(self, method, request):
        rpc = self._channel.unary_stream(
            f"/{self._service}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response_type(method).FromString,
        )
        return rpc(request)


class Watch:
    """A stream and what has come on it. A thread of its own reads it: gRPC hands updates to whoever iterates."""

    def __init__(self, stream):
        self.stream = stream
        self._arrived = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self):
        """The next update, or how the stream ended.

        Raises:
            queue.Empty: Nothing came within the deadline.
        """
        return self._arrived.get(timeout=DEADLINE_S)

    def _read(self):
        try:
            for update in self.stream:
                if update.update_type != "heartbeat":
                    self._arrived.put(describe_update(update))
            self._arrived.put({"ended": "OK"})
        except grpc.RpcError as error:
            self._arrived.put({"ended": error.code().name, "sentence": error.details(), "code": error_code(error)})


def encode(type, value):
    """A Python value as the contract wants it: an Any with JSON, and bytes where they travel beside it."""
    if type == "tensor":
        binary = struct.pack(f"<{len(value['data'])}d", *value["data"])
        if len(binary) > BINARY_THRESHOLD_BYTES:
            return any_of("tensor.binary", json.dumps({"dtype": "float64", "shape": value["shape"]})), binary
    if type == "float" and isinstance(value, float) and not math.isfinite(value):
        value = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return any_of(type, json.dumps(value, ensure_ascii=False)), b""


def any_of(type, text):
    return any_pb2.Any(type_url=TYPE_URL + type, value=text.encode("utf-8"))


def decode(any_value):
    """The Python value of an Any that holds JSON."""
    value = json.loads(any_value.value)
    if any_value.type_url == TYPE_URL + "float":
        # "NaN", "Infinity" and "-Infinity" are strings, because JSON has no words for them.
        return float(value)
    return value


def describe_value(any_value, binary):
    """`json` as it travelled, `python` as Python has it, and what is in the binary field."""
    is_binary = any_value.type_url.endswith(".binary")
    return {
        "type_url": any_value.type_url,
        "json": any_value.value.decode("utf-8"),
        "python": repr(decode(any_value)),
        "binary": describe_binary(json.loads(any_value.value), binary) if is_binary else None,
    }


def describe_binary(header, binary):
    if "binary_format" in header or binary[:1] == b"\x80":
        return {"base64": base64.b64encode(binary).decode("ascii")}
    code, width = ("f", 4) if header["dtype"] == "float32" else ("d", 8)
    numbers = struct.unpack(f"<{len(binary) // width}{code}", binary)
    return {"bytes": len(binary), "first": numbers[0], "last": numbers[-1], "sum": sum(numbers)}


def describe_variable(variable):
    return {
        "id": variable.id,
        "name": variable.name,
        "type": variable.type,
        "version": variable.version,
        "source": variable.source,
        "metadata": dict(variable.metadata),
        "constraints": variable.constraints_json,
        **describe_value(variable.value, variable.binary_value),
    }


def describe_update(update):
    return {
        "type": update.update_type,
        "variable_id": update.variable_id,
        "variable": describe_variable(update.variable) if update.HasField("variable") else None,
        "old": describe_value(update.old_value, update.old_binary_value) if update.HasField("old_value") else None,
        "source": update.update_source,
        "metadata": dict(update.update_metadata),
        "missed": update.missed,
        "epoch": update.epoch,
        "revision": update.revision,
        "reason": update.reason,
        "seconds": update.timestamp.seconds,
    }


def response_type(method):
    return getattr(bridge_pb2, METHODS[method].output_type.name)


def error_code(call):
    """The library's own code: of a refusal in the answer, or of a failed call."""
    return dict(call.trailing_metadata() or ()).get("bridge-error")


def run(clients, command):
    """One command: `open` makes a client, anything else is a method of one."""
    if command["do"] == "open":
        clients.append(BridgeClient(**command["arguments"]))
        return len(clients) - 1
    arguments = command["arguments"]
    # Values come as JSON of their own, in which every digit of an integer stays.
    if "json" in arguments:
        arguments["value"] = json.loads(arguments.pop("json"), parse_constant=float)
    return getattr(clients[command["client"]], command["do"])(**arguments)


def main():
    clients = []
    for line in sys.stdin:
        command = json.loads(line)
        answer = {"id": command["id"]}
        try:
            answer["result"] = run(clients, command)
        except grpc.RpcError as error:
            answer["error"] = {"status": error.code().name, "sentence": error.details(), "code": error_code(error)}
        except Exception as error:  # The test shall see what went wrong here, whatever it is.
            answer["error"] = {"status": type(error).__name__, "sentence": str(error), "code": None}
        print(json.dumps(answer), flush=True)
    for client in clients:
        client.close()


if __name__ == "__main__":
    main()

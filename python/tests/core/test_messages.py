"""The contract in the package is proto/bridge.proto, and its classes are nobody else's."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from bridged_state._wire import messages
from bridged_state._wire.descriptor import BRIDGE_FILE
from google.protobuf import descriptor_pb2, descriptor_pool

PYTHON = Path(__file__).resolve().parents[2]


def make_descriptor() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_descriptor", PYTHON / "scripts" / "make_descriptor.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(shutil.which("protoc") is None, reason="there is no protoc: apt-get install protobuf-compiler")
def test_the_descriptor_is_that_of_the_contract() -> None:
    maker = make_descriptor()
    made = descriptor_pb2.FileDescriptorProto.FromString(maker.bridge_file())
    assert descriptor_pb2.FileDescriptorProto.FromString(BRIDGE_FILE) == made, "run python/scripts/make_descriptor.py"


def test_every_message_is_exported() -> None:
    for name, message_class in messages.MESSAGE_CLASSES.items():
        assert getattr(messages, name) is message_class
    services = descriptor_pb2.FileDescriptorProto.FromString(BRIDGE_FILE).service
    (bridge,) = (service for service in services if service.name == "BridgeService")
    assert {method.name for method in bridge.method} == set(messages.METHODS)
    for method in bridge.method:
        known = messages.METHODS[method.name]
        assert known.path == f"/snakepit.bridge.BridgeService/{method.name}"
        assert known.request.DESCRIPTOR.full_name == method.input_type[1:]
        assert known.response.DESCRIPTOR.full_name == method.output_type[1:]


def test_a_program_may_have_a_bridge_pb2_of_its_own() -> None:
    other = descriptor_pb2.FileDescriptorProto(name="bridge.proto", package="snakepit.bridge", syntax="proto3")
    field = other.message_type.add(name="LinkUp").field.add(name="other", number=1)
    field.type, field.label = field.TYPE_STRING, field.LABEL_OPTIONAL
    # In a process of its own: a pool keeps what it is given.
    program = (
        "import sys\n"
        "from google.protobuf import descriptor_pool\n"
        f"descriptor_pool.Default().AddSerializedFile({other.SerializeToString()!r})\n"
        "from bridged_state._wire.messages import LinkUp\n"
        "assert LinkUp(set_names=['x']).SerializeToString()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(PYTHON)}, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("snakepit.bridge.LinkUp")

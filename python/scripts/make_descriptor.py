"""Writes bridged_state/_wire/descriptor.py from proto/bridge.proto. Path: proto/bridge.proto -> protoc -> [make descriptor] -> descriptor.py.

Run it after the contract has changed: `python3 python/scripts/make_descriptor.py`. It needs `protoc`; the package does not.
"""

import base64
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from google.protobuf import any_pb2, descriptor_pb2, timestamp_pb2

REPOSITORY = Path(__file__).resolve().parents[2]
PROTO_FOLDER = REPOSITORY / "proto"
TARGET = REPOSITORY / "python" / "bridged_state" / "_wire" / "descriptor.py"

HEAD = '''"""The contract, proto/bridge.proto, as a serialized FileDescriptorProto. Printed by scripts/make_descriptor.py: do not edit.

A descriptor rather than generated code, because generated code works with few versions of protobuf only.
"""

from base64 import b64decode

BRIDGE_FILE: bytes = b64decode(
'''


def bridge_file() -> bytes:
    """What protoc makes of the contract now, without comments."""
    with tempfile.TemporaryDirectory() as folder:
        imports = Path(folder) / "imports.bin"
        target = Path(folder) / "bridge.bin"
        # Not every protoc brings the files that the contract imports; the runtime has them in itself.
        known = descriptor_pb2.FileDescriptorSet()
        for module in (any_pb2, timestamp_pb2):
            known.file.add().MergeFromString(module.DESCRIPTOR.serialized_pb)
        imports.write_bytes(known.SerializeToString())
        subprocess.run(
            [
                "protoc",
                f"--proto_path={PROTO_FOLDER}",
                f"--descriptor_set_in={imports}",
                f"--descriptor_set_out={target}",
                "bridge.proto",
            ],
            check=True,
        )
        made = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
    (contract,) = (file for file in made.file if file.name == "bridge.proto")
    return bytes(contract.SerializeToString(deterministic=True))


def source_text(descriptor: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(descriptor).decode("ascii"), 110)
    return HEAD + "".join(f'    "{line}"\n' for line in lines) + ")\n"


def main() -> int:
    TARGET.write_text(source_text(bridge_file()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

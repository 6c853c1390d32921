"""The wire contract: its messages, calls, headers. Path: _core and the transport -> [_wire] -> protobuf."""

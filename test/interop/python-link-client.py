"""ENDPOINT SESSION NAME OTHER JSON: watches both variables by the link, sets NAME to the JSON value, and prints what comes, until it is ended."""
import json, queue, sys
import grpc, bridge_pb2 as pb  # protoc --python_out=. bridge.proto

VALUES = {  # Where the value of a row is, in three bits: which columns give it.
    0: lambda take: None, 1: lambda take: take("doubles"), 2: lambda take: take("integers"), 3: lambda take: True, 4: lambda take: False,
    5: lambda take: take("texts"), 6: lambda take: json.loads(take("payloads")), 7: lambda take: f'{take("payloads").decode()} {len(take("payloads"))} bytes',
}

def main(endpoint, session_id, name, other, value):
    channel = grpc.insecure_channel(endpoint)
    join = channel.unary_unary("/snakepit.bridge.BridgeService/InitializeSession", pb.InitializeSessionRequest.SerializeToString)
    join(pb.InitializeSessionRequest(session_id=session_id, without_variables=True))
    asked = queue.SimpleQueue()  # What we say, in order; None would end the link.
    asked.put(pb.LinkUp(hello=pb.LinkHello(session_id=session_id, max_bytes=4 << 20)))
    asked.put(pb.LinkUp(watch_feeds=[0], watch_flags=[1 | 8], watch_identifier_counts=[2], watch_identifiers=[name, other],
                        watch_pattern_counts=[0]))  # Feed 0, with present values (1) and a mark behind them (8).
    handles = {}  # Name and version of the variable that a handle stands for.
    link = channel.stream_stream("/snakepit.bridge.StreamLink/Open", pb.LinkUp.SerializeToString, pb.LinkDown.FromString)
    for down in link(iter(asked.get, None)):
        columns = {field.name: iter(getattr(down, field.name)) for field in down.DESCRIPTOR.fields if field.name != "welcome"}
        take = lambda column: next(columns[column])
        source = ""
        for kind in down.kinds:
            row = kind & 7
            target = take("targets") if row != 6 else None  # 6 is a heartbeat.
            if row == 7:
                return print("ended:", take("end_statuses"), take("end_codes"), take("end_messages"))
            if row == 5:  # The mark: everything up to the registration has come. Payload (6), with a name (8) and a source (32).
                asked.put(pb.LinkUp(set_kinds=[6 | 8 | 32], set_targets=[0], set_names=[name], set_payloads=[value.encode()], set_sources=["plain"]))
            if row > 3:
                continue
            step, source = take("version_steps"), take("sources") if kind & 128 else source
            missed = int(take("missed")) if kind & 512 else 0
            metadata = {take("metadata_texts"): take("metadata_texts") for _ in range(take("metadata_counts") if kind & 1024 else 0)}
            if kind & 2048:  # From here on the handle stands for this variable, at this version.
                handles[target] = [take("announced_names"), int(take("announced_versions"))]
            else:
                handles[target][1] += step
            print(["change", "initial", "resync", "deleted"][row], *handles[target], json.dumps(VALUES[kind >> 3 & 7](take)), f"source={source}",
                  f"missed={missed}", metadata, flush=True)
        for version in down.set_versions:
            print(f"set: version {version:.0f}" if version else f"refused: {take('refusal_codes')}: {take('refusal_messages')}", flush=True)

main(*sys.argv[1:])

"""A bridge server that has the contract as it was published and nothing of ours.

`published-server.test.ts` starts it and kills it. Its messages come from proto/bridge.proto without what is marked "Ours."
(published-server-process.ts takes that out), so it cannot say or read a field of ours if it wanted to: no link, no epoch,
no resume, no marks, no `bridge-` headers. Path: gRPC -> [session] -> queue of each watch -> its stream.

It keeps what it was told in a journal, one JSON line a change, and reads it when it starts: a restart loses nothing. Without
`--journal` a restart loses everything. A watch that does not take its updates is ended when QUEUE_LIMIT of them wait.
Prints the port that it listens on; ends when it is killed.
"""

import argparse
import asyncio
import fnmatch
import json
import math
import uuid

import grpc
import published_pb2 as bridge

SERVICE = "snakepit.bridge.BridgeService"
TYPE_URL = "type.googleapis.com/snakepit."
QUEUE_LIMIT = 10_000
HISTORY_LIMIT = 100

METHODS = bridge.DESCRIPTOR.services_by_name["BridgeService"].methods_by_name


class Refused(Exception):
    """What a caller may not do; its text is the answer's error_message."""


class Missing(Refused):
    pass


class Session:
    """Variables of one session, and the queues of those that watch them."""

    def __init__(self):
        self.variables = {}
        self.histories = {}
        self.watches = {}

    def find(self, identifier):
        """By name or id."""
        variable = self.variables.get(identifier)
        if variable is None:
            variable = next((each for each in self.variables.values() if each.id == identifier), None)
        if variable is None:
            raise Missing(f"Variable not found: {identifier}")
        return variable

    def put(self, variable, changed_by, metadata):
        """A version of a variable, the first or a later one: kept, remembered and told."""
        variable.last_updated_at.GetCurrentTime()
        self.variables[variable.name] = variable
        entry = bridge.VariableHistoryEntry(
            version=variable.version,
            value=variable.value,
            timestamp=variable.last_updated_at,
            changed_by=changed_by,
            metadata=metadata,
        )
        history = self.histories.setdefault(variable.id, [])
        history.append((entry, variable.binary_value))
        del history[:-HISTORY_LIMIT]
        for watch in list(self.watches.get(variable.id, ())):
            watch.tell(update_of(variable, "value_change", changed_by, metadata))

    def drop(self, variable):
        del self.variables[variable.name]
        self.histories.pop(variable.id, None)
        # The contract has no word for it: watches of a deleted variable hear nothing more of it.
        self.watches.pop(variable.id, None)


class Watch:
    """Updates that wait for their stream; None says that it fell behind."""

    def __init__(self):
        self.queue = asyncio.Queue()

    def tell(self, update):
        if self.queue.qsize() < QUEUE_LIMIT:
            self.queue.put_nowait(update)
        elif self.queue.qsize() == QUEUE_LIMIT:
            self.queue.put_nowait(None)


class Server:
    """The calls of the contract, by their names.

    Args:
        journal: Path of a file to read at first and append to; None keeps nothing.
    """

    def __init__(self, journal):
        self.sessions = {}
        self.journal = None
        if journal is not None:
            self._replay(journal)
            self.journal = open(journal, "a", encoding="utf-8")

    async def Ping(self, request, context):
        return bridge.PingResponse(message=f"pong: {request.message}")

    async def InitializeSession(self, request, context):
        session = self.sessions.setdefault(request.session_id, Session())
        return bridge.InitializeSessionResponse(success=True, initial_variables=session.variables)

    async def CleanupSession(self, request, context):
        session = self.sessions.pop(request.session_id, None)
        cleaned = 0 if session is None else len(session.variables)
        return bridge.CleanupSessionResponse(success=session is not None, resources_cleaned=cleaned)

    async def GetSession(self, request, context):
        session = await self._session(request, context)
        return bridge.GetSessionResponse(session_id=request.session_id, variable_count=len(session.variables))

    async def Heartbeat(self, request, context):
        return bridge.HeartbeatResponse(session_valid=request.session_id in self.sessions)

    async def RegisterVariable(self, request, context):
        session = await self._session(request, context)
        try:
            if request.name in session.variables:
                raise Refused(f"Variable already exists: {request.name}")
            check(request.type, request.constraints_json, request.initial_value)
        except Refused as error:
            return bridge.RegisterVariableResponse(error_message=str(error))
        variable = bridge.Variable(
            id=f"var_{request.name}_{uuid.uuid4().hex[:8]}",
            name=request.name,
            type=request.type,
            value=request.initial_value,
            binary_value=request.initial_binary_value,
            constraints_json=request.constraints_json,
            metadata=request.metadata,
            version=1,
        )
        self._commit(request.session_id, variable, request.metadata.get("source", ""), {})
        return bridge.RegisterVariableResponse(success=True, variable_id=variable.id)

    async def GetVariable(self, request, context):
        session = await self._session(request, context)
        return bridge.GetVariableResponse(variable=await self._variable(session, request, context))

    async def SetVariable(self, request, context):
        session = await self._session(request, context)
        try:
            variable = session.find(request.variable_identifier)
            if request.expected_version not in (0, variable.version):
                raise Refused(f"Version mismatch: expected {request.expected_version}, is {variable.version}")
            version = self._set(request, variable, request.value, request.binary_value)
        except Refused as error:
            return bridge.SetVariableResponse(error_message=str(error))
        return bridge.SetVariableResponse(success=True, new_version=version)

    async def GetVariables(self, request, context):
        session = await self._session(request, context)
        answer = bridge.BatchGetVariablesResponse()
        for identifier in request.variable_identifiers:
            try:
                variable = session.find(identifier)
            except Missing:
                answer.missing_variables.append(identifier)
            else:
                answer.variables[identifier].CopyFrom(variable)
        return answer

    async def SetVariables(self, request, context):
        session = await self._session(request, context)
        answer = bridge.BatchSetVariablesResponse()
        for identifier, value in request.updates.items():
            try:
                variable = session.find(identifier)
                check(variable.type, variable.constraints_json, value)
            except Refused as error:
                answer.errors[identifier] = str(error)
        if request.atomic and answer.errors:
            return answer
        for identifier, value in request.updates.items():
            if identifier not in answer.errors:
                binary = request.binary_updates.get(identifier, b"")
                answer.new_versions[identifier] = self._set(request, session.find(identifier), value, binary)
        answer.success = not answer.errors
        return answer

    async def ListVariables(self, request, context):
        session = await self._session(request, context)
        pattern = request.pattern or "*"
        variables = [each for name, each in session.variables.items() if fnmatch.fnmatchcase(name, pattern)]
        return bridge.ListVariablesResponse(variables=variables)

    async def DeleteVariable(self, request, context):
        session = await self._session(request, context)
        try:
            variable = session.find(request.variable_identifier)
        except Missing as error:
            return bridge.DeleteVariableResponse(error_message=str(error))
        session.drop(variable)
        self._note({"session": request.session_id, "deleted": variable.name})
        return bridge.DeleteVariableResponse(success=True)

    async def GetVariableHistory(self, request, context):
        session = await self._session(request, context)
        variable = await self._variable(session, request, context)
        entries = [entry for entry, _ in session.histories[variable.id]]
        return bridge.GetVariableHistoryResponse(entries=entries[-request.limit :])

    async def RollbackVariable(self, request, context):
        session = await self._session(request, context)
        try:
            variable = session.find(request.variable_identifier)
            kept = next((each for each in session.histories[variable.id] if each[0].version == request.target_version), None)
            if kept is None:
                raise Refused(f"Version not found: {request.target_version} of {variable.name}")
        except Refused as error:
            return bridge.RollbackVariableResponse(error_message=str(error))
        changed = self._changed(variable, kept[0].value, kept[1])
        self._commit(request.session_id, changed, "rollback", {})
        return bridge.RollbackVariableResponse(success=True, variable=changed)

    async def WatchVariables(self, request, context):
        session = await self._session(request, context)
        try:
            variables = [session.find(identifier) for identifier in request.variable_identifiers]
        except Missing as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        watch = Watch()
        for variable in variables:
            session.watches.setdefault(variable.id, set()).add(watch)
        try:
            await context.send_initial_metadata(())
            if request.include_initial_values:
                for variable in variables:
                    yield update_of(variable, "initial_value", "", {})
            while (update := await watch.queue.get()) is not None:
                yield update
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the watch fell behind")
        finally:
            for variable in variables:
                session.watches.get(variable.id, set()).discard(watch)

    async def GetExposedElixirTools(self, request, context):
        return bridge.GetExposedElixirToolsResponse()

    async def _session(self, request, context):
        session = self.sessions.get(request.session_id)
        if session is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Session not found: {request.session_id}")
        return session

    async def _variable(self, session, request, context):
        try:
            return session.find(request.variable_identifier)
        except Missing as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))

    def _set(self, request, variable, value, binary):
        check(variable.type, variable.constraints_json, value)
        if (value.value, binary) == (variable.value.value, variable.binary_value):
            return variable.version
        changed = self._changed(variable, value, binary)
        metadata = dict(request.metadata)
        self._commit(request.session_id, changed, metadata.get("source", ""), metadata)
        return changed.version

    def _changed(self, variable, value, binary):
        # A copy: updates that wait for a slow watch keep the value that they tell.
        changed = bridge.Variable()
        changed.CopyFrom(variable)
        changed.value.CopyFrom(value)
        changed.binary_value = binary
        changed.version += 1
        return changed

    def _commit(self, session_id, variable, changed_by, metadata):
        # On disk first: what a watch was told, a restart must know.
        said = {"name": variable.name, "version": variable.version, "value": variable.value.value.decode()}
        kept = {"session": session_id, "variable": variable.SerializeToString().hex(), "by": changed_by}
        self._note({**said, **kept})
        self.sessions[session_id].put(variable, changed_by, metadata)

    def _note(self, entry):
        if self.journal is not None:
            self.journal.write(json.dumps(entry) + "\n")
            self.journal.flush()

    def _replay(self, path):
        try:
            file = open(path, encoding="utf-8")
        except FileNotFoundError:
            return
        with file:
            for line in file:
                entry = json.loads(line)
                session = self.sessions.setdefault(entry["session"], Session())
                if "deleted" in entry:
                    session.drop(session.find(entry["deleted"]))
                else:
                    session.put(bridge.Variable.FromString(bytes.fromhex(entry["variable"])), entry["by"], {})


def update_of(variable, update_type, source, metadata):
    return bridge.VariableUpdate(
        variable_id=variable.id,
        variable=variable,
        update_source=source,
        update_metadata=metadata,
        timestamp=variable.last_updated_at,
        update_type=update_type,
    )


def check(type, constraints_json, any_value):
    """Refuses what is of another type, or what the constraints do not allow."""
    if not any_value.type_url.removeprefix(TYPE_URL).removesuffix(".binary") == type:
        raise Refused(f"Invalid type: {any_value.type_url} for a {type}")
    constraints = json.loads(constraints_json or "{}")
    value = json.loads(any_value.value)
    if type == "float":
        value = float(value)
    if type in ("float", "integer"):
        if value < constraints.get("min", -math.inf) or value > constraints.get("max", math.inf):
            raise Refused(f"Constraint violation: {value} is outside {constraints_json}")
    if value not in constraints.get("choices", [value]):
        raise Refused(f"Constraint violation: {value} is none of {constraints['choices']}")


def handlers(server):
    """One gRPC method for each of the contract."""
    made = {}
    for name, method in METHODS.items():
        make = grpc.unary_stream_rpc_method_handler if name == "WatchVariables" else grpc.unary_unary_rpc_method_handler
        made[name] = make(
            getattr(server, name),
            request_deserializer=getattr(bridge, method.input_type.name).FromString,
            response_serializer=getattr(bridge, method.output_type.name).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(SERVICE, made)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--journal")
    options = parser.parse_args()
    # A port is reused at once after a kill, and shared with nobody.
    listener = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    listener.add_generic_rpc_handlers((handlers(Server(options.journal)),))
    port = listener.add_insecure_port(f"127.0.0.1:{options.port}")
    await listener.start()
    print(port, flush=True)
    await listener.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())

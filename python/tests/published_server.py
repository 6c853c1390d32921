"""A server that has the published contract and nothing of ours: no link, no epoch, no replay, no unwatch. Path: tests -> [published server].

It sends its headers with the first update, cannot resume, and knows a variable by its name alone.
"""

import asyncio
from typing import Any, AsyncIterator, Dict, List, Set

import grpc
import grpc.aio

from bridged_state._wire import messages as wire


class PublishedServer:
    """Owner: whoever starts it. Its variables outlive `stop`."""

    def __init__(self) -> None:
        self.variables: Dict[str, Any] = {}
        self.watchers: Dict["asyncio.Queue[Any]", Set[str]] = {}
        self.port = 0
        self.cancelled = 0
        self._sessions: Set[str] = set()
        self._server: Any = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> "PublishedServer":
        await self.start()
        return self

    async def __aexit__(self, *_reason: Any) -> None:
        await self.stop()

    async def start(self) -> None:
        server = self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handlers = {}
        for name in ("Ping", "InitializeSession", "GetVariable", "SetVariable", "GetVariables", "RegisterVariable"):
            method = wire.METHODS[name]
            handlers[name] = grpc.unary_unary_rpc_method_handler(
                getattr(self, name), method.request.FromString, method.response.SerializeToString
            )
        method = wire.METHODS["WatchVariables"]
        handlers["WatchVariables"] = grpc.unary_stream_rpc_method_handler(
            self.WatchVariables, method.request.FromString, method.response.SerializeToString
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(wire.BRIDGE_SERVICE, handlers),))
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        await server.start()

    async def stop(self) -> None:
        """At once, as if it were killed; its sessions are forgotten."""
        await self._server.stop(None)
        self.forget_sessions()

    def forget_sessions(self) -> None:
        self._sessions.clear()

    async def Ping(self, request: Any, context: Any) -> Any:
        return wire.PingResponse(message=request.message)

    async def InitializeSession(self, request: Any, context: Any) -> Any:
        self._sessions.add(request.session_id)
        return wire.InitializeSessionResponse(success=True)

    async def RegisterVariable(self, request: Any, context: Any) -> Any:
        variable = wire.Variable(id=f"id-{request.name}", name=request.name, type=request.type, version=1)
        variable.value.CopyFrom(request.initial_value)
        self.variables[request.name] = variable
        return wire.RegisterVariableResponse(success=True, variable_id=variable.id)

    async def GetVariable(self, request: Any, context: Any) -> Any:
        if request.session_id not in self._sessions:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Session not found: {request.session_id}")
        if request.variable_identifier not in self.variables:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Variable not found: {request.variable_identifier}")
        return wire.GetVariableResponse(variable=self.variables[request.variable_identifier])

    async def GetVariables(self, request: Any, context: Any) -> Any:
        answer = wire.BatchGetVariablesResponse()
        for name in request.variable_identifiers:
            if name in self.variables:
                answer.variables[name].CopyFrom(self.variables[name])
            else:
                answer.missing_variables.append(name)
        return answer

    async def SetVariable(self, request: Any, context: Any) -> Any:
        variable = self.variables.get(request.variable_identifier)
        if variable is None:
            return wire.SetVariableResponse(error_message=f"Variable not found: {request.variable_identifier}")
        self.change(variable, request.value.value, dict(request.metadata))
        return wire.SetVariableResponse(success=True, new_version=variable.version)

    def change(self, variable: Any, value: bytes, metadata: Dict[str, str]) -> None:
        variable.value.value = value
        variable.version += 1
        for queue, names in self.watchers.items():
            if variable.name in names:
                queue.put_nowait(self._update(variable, "value_change", metadata))

    def _update(self, variable: Any, kind: str, metadata: Dict[str, str]) -> Any:
        update = wire.VariableUpdate(variable_id=variable.id, variable=variable, update_type=kind)
        update.update_source = metadata.get("source", "")
        return update

    async def WatchVariables(self, request: Any, context: Any) -> AsyncIterator[Any]:
        missing: List[str] = [name for name in request.variable_identifiers if name not in self.variables]
        if missing:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Variable not found: {', '.join(missing)}")
        queue: "asyncio.Queue[Any]" = asyncio.Queue()
        self.watchers[queue] = set(request.variable_identifiers)
        try:
            if request.include_initial_values:
                for name in request.variable_identifiers:
                    yield self._update(self.variables[name], "initial_value", {})
            while True:
                yield await queue.get()
        finally:
            self.cancelled += 1
            del self.watchers[queue]

"""Node and Python on one session: what one sets the other sees, with the same promises."""

import math
import random
from array import array
from typing import Any, Dict, List, Tuple

from servers import NodePeer, Server, asynchronous, take

from bridged_state import BridgeError, Embedding, SessionContext, Tensor


@asynchronous
async def test_python_sees_what_node_sets_in_order(server: Server, session_id: str, transport: str) -> None:
    node = await NodePeer.start(server.endpoint, session_id)
    await node.ask(command="register", name="temperature", type="float", value=0)
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        assert session.transport == transport
        seen = []
        async with session.watch_variables(["temperature"], include_initial=True) as updates:
            first = await take(updates, 1)
            await node.ask(command="set", name="temperature", values=[1, 2, 3, 4, 5], source="node")
            seen = first + await take(updates, 5)
        assert [update.value for update in seen] == [0, 1, 2, 3, 4, 5]
        assert [update.old_value for update in seen] == [None, 0, 1, 2, 3, 4]
        assert [update.version for update in seen] == [1, 2, 3, 4, 5, 6]
        assert [update.is_initial for update in seen] == [True] + [False] * 5
        assert {update.source for update in seen[1:]} == {"node"}
        assert all(update.missed == 0 and update.variable_name == "temperature" for update in seen)
    await node.close()
    await server.until_no_observer()


@asynchronous
async def test_node_sees_what_python_sets_with_its_source(server: Server, session_id: str, transport: str) -> None:
    node = await NodePeer.start(server.endpoint, session_id)
    await node.ask(command="register", name="mode", type="string", value="off")
    assert await node.ask(command="watch", names=["mode"]) == {"watching": True}
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        for state in ("eco", "boost", "off"):
            await session.set_variable("mode", state, source="thermostat")
    seen = [await node.line() for _ in range(3)]
    assert [one["value"] for one in seen] == ["eco", "boost", "off"]
    assert [one["old"] for one in seen] == ["off", "eco", "boost"]
    assert {one["source"] for one in seen} == {"thermostat"}
    await node.close()


VALUES = [
    ("float", 0.1),
    ("float", -0.0),
    ("float", math.inf),
    ("float", -math.inf),
    ("float", math.nan),
    ("float", 5e-324),
    ("integer", 2**63),
    ("integer", -(2**200)),
    ("integer", 2**53 + 1),
    ("boolean", True),
    ("string", ""),
    ("string", "𝄞 naïve \u0000 \U0010ffff"),
    ("choice", "eco"),
    ("module", "dspy.Predict"),
    ("map", {"a": [1, None, {"b": "ü"}], "": False}),
    ("list", [1, "two", [3.5], {}]),
    ("embedding", [0.5, -1.25]),
]


@asynchronous
async def test_every_type_comes_back_as_it_went(server: Server, session_id: str, transport: str) -> None:
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        async with SessionContext.connect(server.endpoint, session_id, transport=transport) as other:
            for place, (type, value) in enumerate(VALUES):
                name = f"v{place}"
                constraints = {"choices": [value]} if type == "choice" else None
                await session.register_variable(name, type, value, constraints=constraints)
                await _expect(other, name, value)


@asynchronous
async def test_large_values_come_back_as_they_went(server: Server, session_id: str, transport: str) -> None:
    floats = array("f", [random.random() for _ in range(1536)])
    pixels = Tensor([3, 224, 224], array("f", map(float, range(3 * 224 * 224))).tolist(), "float32")
    text = "x" * 4_000_000
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        await session.register_variable("words", "embedding", [0.0])
        await session.register_variable("image", "tensor", {"shape": [1], "data": [0.0]})
        await session.register_variable("text", "string", "")
        watch = session.watch_variables(["words", "image", "text"])
        await watch.ready()
        await session.set_variable("words", floats)
        await session.set_variable("image", pixels)
        await session.set_variable("text", text)
        words, image, said = await take(watch, 3)
        # Streams carry small ones as JSON, which has the numbers and not how wide they were.
        assert isinstance(words.value, Embedding)
        assert words.value.dtype == ("float32" if transport == "link" else "float64")
        assert array("f", words.value).tobytes() == floats.tobytes()
        assert isinstance(image.value, Tensor) and image.value.shape == (3, 224, 224)
        assert image.value.data == pixels.data and image.value.dtype == "float32"
        assert said.value == text
        assert await session.get_variable("text") == text
        await watch.aclose()


async def _expect(session: SessionContext, name: str, value: object) -> None:
    watch = session.watch_variables([name], include_initial=True)
    (initial,) = await take(watch, 1)
    await watch.aclose()
    for got in (initial.value, await session.get_variable(name)):
        if isinstance(value, float) and math.isnan(value):
            assert math.isnan(got)
        else:
            assert got == value
            assert not isinstance(value, float) or math.copysign(1, got) == math.copysign(1, value)


LIMITED = {"constraints": {"min": 0, "max": 10}}
CALLS: List[Tuple[str, str, Tuple[Any, ...], Dict[str, Any], Dict[str, Any]]] = [
    # Node's method and Python's, what both are given, and their options.
    ("registerVariable", "register_variable", ("a", "integer", 1), LIMITED, LIMITED),
    ("registerVariable", "register_variable", ("b", "float", 1.5), {}, {}),
    ("registerVariable", "register_variable", ("a", "integer", 1), {}, {}),
    ("registerVariable", "register_variable", ("", "integer", 1), {}, {}),
    ("registerVariable", "register_variable", (5, "integer", 1), {}, {}),
    ("registerVariable", "register_variable", ("c", "complex", 1), {}, {}),
    ("registerVariable", "register_variable", ("c", "float", "high"), {}, {}),
    ("registerVariable", "register_variable", ("c", "integer", 11), LIMITED, LIMITED),
    ("registerVariable", "register_variable", ("c", "integer", 1), {"constraints": {"size": 1}}, {"constraints": {"size": 1}}),
    ("registerVariable", "register_variable", ("c", "integer", 1), {"ttlMs": -1}, {"ttl_ms": -1}),
    ("registerVariable", "register_variable", ("c", "integer", 1), {"description": 5}, {"description": 5}),
    ("registerVariable", "register_variable", ("c", "integer", 1), {"metadata": {"k": 1}}, {"metadata": {"k": 1}}),
    ("setVariable", "set_variable", ("a", 2), {"metadata": {"k": 1}}, {"metadata": {"k": 1}}),
    ("setVariable", "set_variable", ("a", 2), {"source": 5}, {"source": 5}),
    ("setVariable", "set_variable", ("a", 2), {"expectedVersion": 7}, {"expected_version": 7}),
    ("setVariable", "set_variable", ("a", 2), {"expectedVersion": -1}, {"expected_version": -1}),
    ("setVariable", "set_variable", ("a", 11), {}, {}),
    ("setVariable", "set_variable", ("a", "high"), {}, {}),
    ("setVariable", "set_variable", ("nobody", 1), {}, {}),
    ("setVariable", "set_variable", ("", 1), {}, {}),
    ("updateVariables", "update_variables", ({"b": 2.5, "a": 30},), {"atomic": True}, {"atomic": True}),
    ("updateVariables", "update_variables", ({"nobody": 1, "a": 30, "b": 2.5},), {"atomic": True}, {"atomic": True}),
    ("updateVariables", "update_variables", ({"nobody": 1, "a": 30, "b": 2.5},), {}, {}),
    ("updateVariables", "update_variables", ({"a": 3, "b": 3.5},), {"atomic": True}, {"atomic": True}),
    ("rollback", "rollback", ("a", 0), {}, {}),
    ("rollback", "rollback", ("a", 99), {}, {}),
    ("rollback", "rollback", ("a", 1), {}, {}),
    ("getVariable", "get_variable", ("nobody",), {}, {}),
    ("listVariables", "list_variables", (5,), {}, {}),
    ("deleteVariable", "delete_variable", ("a",), {}, {}),
    ("deleteVariable", "delete_variable", ("a",), {}, {}),
]


@asynchronous
async def test_both_are_told_the_same(server: Server, session_id: str, transport: str) -> None:
    node = await NodePeer.start(server.endpoint, f"{session_id}-node")
    async with SessionContext.connect(server.endpoint, session_id, transport=transport) as session:
        for there, here, given, node_options, options in CALLS:
            told = await node.ask(command="call", method=there, args=[*given, node_options] if node_options else list(given))
            try:
                own: Dict[str, Any] = {"result": await getattr(session, here)(*given, **options)}
            except BridgeError as error:
                refused = [[name, one.code] for name, one in error.details.refused.items()]
                own = {"code": error.code, "refused": refused}
            if here == "register_variable" and "result" in own:
                # Each has an id of its own.
                own, told = {}, {key: value for key, value in told.items() if key != "result"}
            assert own == told, (here, given, options)
        entry = (await session.history("b"))[0]
        assert entry.source == "python"
    await node.close()

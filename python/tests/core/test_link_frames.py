"""Frames of the link, by the vectors that every language reads: what TypeScript wrote is read, and what is asked says the same to it."""

import base64
from typing import Any, Dict, List

import pytest
from bridged_state._core.link_events import (
    Draining,
    Ended,
    Event,
    Heartbeat,
    KeptAnswer,
    KeptOut,
    Position,
    Registered,
    Servers,
    SetResult,
    Synced,
    Update,
    Welcome,
)
from bridged_state._core.link_session import FromRevision, FromVersions, LinkSession, LinkSet
from bridged_state._wire.messages import LinkUp
from bridged_state.types import Embedding, OpaqueBinary, Tensor
from link_helpers import one_by_one, set_batch, set_one
from vectors import read_vectors

VECTORS = read_vectors("link-frames.json")


def told_value(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value) if value in (0, float("inf"), float("-inf")) or value != value else value
    if isinstance(value, Tensor):
        return {"dtype": value.dtype, "data": [told_value(one) for one in value.data], "shape": value["shape"]}
    if isinstance(value, Embedding):
        return {"dtype": value.dtype, "data": [told_value(one) for one in value]}
    if isinstance(value, OpaqueBinary):
        return {"opaque": {"header": value.header, "bytes": base64.b64encode(value.bytes).decode("ascii")}}
    return value


def expected_value(type: str, value: Any) -> Any:
    if type == "float":
        return told_value(None if value is None else float(value))
    if type in ("embedding", "tensor") and value is not None and "data" in value:
        return {**value, "data": [told_value(float(one)) for one in value["data"]]}
    return value


def told(event: Event) -> Dict[str, Any]:
    if isinstance(event, Update):
        update = {
            "event": "update", "feed": event.feed, "id": event.id, "name": event.name, "type": event.type,
            "kind": event.kind, "version": event.version, "value": told_value(event.value), "missed": event.missed,
            "more": event.more, "revision": event.revision, "timestamp": event.timestamp, "source": event.source,
            "metadata": event.metadata,
        }  # fmt: skip
        if event.kind == "deleted":
            update["reason"] = event.reason
        if event.has_before:
            update["before"] = told_value(event.before)
        if event.identifiers:
            update["identifiers"] = list(event.identifiers)
        return update
    if isinstance(event, (Registered, Synced)):
        return {"event": type(event).__name__.lower(), "feed": event.feed}
    if isinstance(event, Heartbeat):
        return {"event": "heartbeat"}
    if isinstance(event, Position):
        return {"event": "position", "revision": event.revision}
    if isinstance(event, Draining):
        return {"event": "draining", "spreadMs": event.spread_ms}
    if isinstance(event, Servers):
        return {"event": "servers", "endpoints": list(event.endpoints)}
    if isinstance(event, KeptOut):
        return {"event": "kept", "feed": event.feed, "id": event.variable_id, "version": event.version}
    if isinstance(event, KeptAnswer):
        return {"event": "keptAnswer", "question": event.question}
    if isinstance(event, Ended):
        return {"event": "ended", "feed": event.feed, "status": event.status, "code": event.code, "message": event.message}
    if isinstance(event, SetResult):
        if event.error is None:
            return {"event": "set", "version": event.version}
        return {"event": "set", "version": 0, "code": event.error.code, "message": event.error.message}
    assert isinstance(event, Welcome)
    return {"event": "welcome", "epoch": event.epoch, "asksConditions": event.asks_conditions}


def expected(event: Dict[str, Any]) -> Dict[str, Any]:
    if event["event"] == "welcome":
        return {key: event[key] for key in ("event", "epoch", "asksConditions")}
    if event["event"] != "update":
        return event
    event = {**event, "value": expected_value(event["type"], event["value"])}
    if "before" in event:
        event["before"] = expected_value(event["type"], event["before"])
    return event


@pytest.mark.parametrize("link", VECTORS["down"], ids=lambda link: link["name"])
def test_down(link: Dict[str, Any]) -> None:
    session = LinkSession("house", b"0" * 16)
    for step in link["steps"]:
        if "watch" in step:
            session.watch(step["watch"], ["x"], condition=step.get("condition"))
        elif "unwatch" in step:
            session.unwatch(step["unwatch"])
        elif "sets" in step:
            assert session.is_welcome
            for _ in range(step["sets"]):
                set_one(session, "x", 1)
        else:
            while session.take_message() is not None:
                pass
            events = session.handle_message(base64.b64decode(step["frame"]), 0.0)
            assert [told(event) for event in one_by_one(events)] == [expected(event) for event in step["events"]]


@pytest.mark.parametrize("asked", VECTORS["up"], ids=lambda asked: asked["name"])
def test_up(asked: Dict[str, Any]) -> None:
    hello = asked.get("hello")
    link_id = base64.b64decode(hello["linkId"]) if hello else b""
    session = LinkSession(
        hello["sessionId"] if hello else "", link_id, hello["maxBytes"] if hello else 0, hello["epoch"] if hello else "e1"
    )
    if hello is None:
        # It was said before.
        assert session.take_message() is not None
    for feed in asked["unwatched"]:
        session.watch(feed, ["x"])
    while asked["unwatched"] and session.take_message() is not None:
        pass
    for row in asked["watches"]:
        watch(session, row)
    for feed in asked["unwatched"]:
        session.unwatch(feed)
    if asked["heartbeatMs"]:
        session.set_heartbeat(asked["heartbeatMs"])
    make_sets(session, asked["sets"])
    # As on a link that is welcome already.
    session.is_welcome = True
    message = session.take_message()
    assert message is not None
    wanted = LinkUp.FromString(base64.b64decode(asked["frame"]))
    wanted.kept_question = 0
    # By their bytes: messages with a NaN are not equal to themselves.
    assert LinkUp.FromString(message).SerializeToString() == wanted.SerializeToString()
    assert session.take_message() is None


def watch(session: LinkSession, row: Dict[str, Any]) -> None:
    resume: Any = None
    if row["fromRevision"] is not None:
        resume = FromRevision(session.epoch, row["fromRevision"])
    elif row["resume"] is not None:
        resume = FromVersions(row["resume"]["epoch"], dict(row["resume"]["seen"]))
    session.watch(
        row["feed"],
        row["identifiers"],
        row["patterns"],
        include_initial=row["includesInitialValues"],
        wait_missing=row["waitsForMissing"],
        wants_mark=row["wantsMark"],
        atomic=row["keepsBatches"],
        condition=row["condition"],
        resume=resume,
        unseen_initial=row["unseenAreInitial"],
    )


def make_sets(session: LinkSession, sets: List[Dict[str, Any]]) -> None:
    batch: List[LinkSet] = []
    for one in sets:
        value = float(one["value"]) if one["kind"] == "float" or one["value"] == "NaN" else one["value"]
        if one["isFollowed"] or batch:
            batch.append(LinkSet(one["identifier"], value, None, one["expectedVersion"]))
            if not one["isFollowed"]:
                metadata = {"batch": "yes"}
                set_batch(session, batch, source=one["source"], metadata=metadata)
                batch = []
            continue
        said = {"source": one["source"], "metadata": one["metadata"], "expected_version": one["expectedVersion"]}
        set_one(session, one["identifier"], value, **said)

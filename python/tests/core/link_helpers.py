"""A link session under test, what it sends, and frames for it. Path: tests -> [link helpers] -> link session."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from bridged_state._core.link_events import EMPTY_METADATA, Event, SetResult, SetsMade
from bridged_state._core.link_session import LinkSession, LinkSet
from bridged_state._wire.messages import LinkUp, Message
from plain_server import PlainServer

LINK_ID = bytes(range(16))


def new_session(**options: Any) -> LinkSession:
    return LinkSession("house", LINK_ID, **options)


def welcomed(**options: Any) -> LinkSession:
    """One whose server has taken the link."""
    session = new_session(**options)
    exchange(session, PlainServer())
    return session


def set_one(
    session: LinkSession,
    identifier: str,
    value: Any,
    value_type: Optional[str] = None,
    *,
    source: str = "",
    metadata: Mapping[str, str] = EMPTY_METADATA,
    expected_version: int = 0,
) -> int:
    """Formed and pushed; its number."""
    one = session.form(identifier, value, value_type, expected_version, source, metadata)
    session.push((one,))
    return one.sequence


def set_batch(
    session: LinkSession, sets: Sequence[LinkSet], *, source: str = "", metadata: Mapping[str, str] = EMPTY_METADATA
) -> List[int]:
    batch = session.form_batch(sets, source, metadata)
    session.push(batch)
    return [one.sequence for one in batch]


def sent(session: LinkSession) -> List[Message]:
    messages: List[Message] = []
    data = session.take_message()
    while data is not None:
        messages.append(LinkUp.FromString(data))
        data = session.take_message()
    return messages


def exchange(session: LinkSession, server: PlainServer) -> List[Event]:
    """Until nobody has anything to say."""
    events: List[Event] = []
    while True:
        data = session.take_message()
        if data is not None:
            server.handle(data)
        elif server.outbox:
            events += session.handle_message(server.outbox.pop(0), 0.0)
        else:
            return events


def results(events: List[Event]) -> Dict[int, Any]:
    return {one.sequence: one.error or one.version for one in one_by_one(events) if isinstance(one, SetResult)}


def one_by_one(events: List[Event]) -> List[Event]:
    """With a result for each set."""
    told: List[Event] = []
    for event in events:
        if isinstance(event, SetsMade):
            told += [SetResult(sequence, version, None) for sequence, version in zip(event.sequences, event.versions)]
        else:
            told.append(event)
    return told


def announce(down: Message, handle: int, feed: int, name: str, version: int = 1, kind: int = 1, type: str = "float") -> None:
    """An initial value of 1.5."""
    down.kinds.append(kind | 1 << 3 | 64 | 2048)
    down.targets.append(handle)
    down.version_steps.append(0)
    down.timestamps.append(5.0)
    down.revisions.append(7)
    down.doubles.append(1.5)
    down.announced_feeds.append(feed)
    down.announced_ids.append(f"var_{name}")
    down.announced_names.append(name)
    down.announced_types.append(type)
    down.announced_versions.append(version)
    down.announced_identifier_counts.append(0)


def mark(down: Message, row: int, feed: int) -> None:
    down.kinds.append(row)
    down.targets.append(feed)

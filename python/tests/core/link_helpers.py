"""A link session under test, what it sends, and frames for it. Path: tests -> [link helpers] -> link session."""

from typing import Any, Dict, List

from bridged_state._core.link_events import Event, SetResult
from bridged_state._core.link_session import LinkSession
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
    return {one.sequence: one.error or one.version for one in events if isinstance(one, SetResult)}


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

"""What a client asks on the link, rows -> columns of LinkUp. Path: link session -> [link request] -> HTTP/2."""

from typing import Mapping, NamedTuple, Optional, Sequence, Union

from .._wire.messages import Message
from .link_row import (
    ASKS_BATCHES,
    ASKS_CONDITION,
    ASKS_FROM_REVISION,
    ASKS_INITIAL,
    ASKS_MARK,
    ASKS_RESUMES,
    ASKS_UNSEEN_INITIAL,
    ASKS_WAIT,
)
from .metadata import check_text


class FromRevision(NamedTuple):
    """Everything up to this revision of the session has come, in this epoch: `resume_of` says it after a break."""

    epoch: str
    revision: int


class FromVersions(NamedTuple):
    """The last version seen of each variable, by its id, all of one epoch."""

    epoch: str
    versions: Mapping[str, int]


Resume = Union[FromRevision, FromVersions]


class WatchRow:
    """A watch as it is asked for."""

    __slots__ = ("feed", "flags", "identifiers", "patterns", "condition", "resume", "size")

    def __init__(
        self,
        feed: int,
        identifiers: Sequence[str],
        patterns: Sequence[str],
        include_initial: bool,
        wait_missing: bool,
        wants_mark: bool,
        atomic: bool,
        condition: Optional[str],
        resume: Optional[Resume],
        unseen_initial: bool,
    ) -> None:
        """Raises InvalidArgumentError for a text that no message can carry."""
        for text in (*identifiers, *patterns, condition or ""):
            check_text(text, "watch")
        self.feed = feed
        self.identifiers = identifiers
        self.patterns = patterns
        self.condition = condition
        self.resume = resume
        self.flags = (
            (ASKS_INITIAL if include_initial else 0)
            | (ASKS_BATCHES if atomic else 0)
            | (ASKS_WAIT if wait_missing else 0)
            | (ASKS_MARK if wants_mark else 0)
            | (ASKS_CONDITION if condition is not None else 0)
            | (ASKS_FROM_REVISION if isinstance(resume, FromRevision) else 0)
            | (ASKS_RESUMES if isinstance(resume, FromVersions) else 0)
            | (ASKS_UNSEEN_INITIAL if unseen_initial else 0)
        )
        # By estimate, not below what is sent.
        self.size = _BYTES_AROUND_A_ROW + texts_size(identifiers) + texts_size(patterns) + text_size(condition or "")
        if isinstance(resume, FromVersions):
            self.size += text_size(resume.epoch) + texts_size(list(resume.versions)) + 8 * len(resume.versions)

    def write(self, message: Message) -> None:
        """Behind the rows that the message has already."""
        message.watch_feeds.append(self.feed)
        message.watch_flags.append(self.flags)
        message.watch_identifier_counts.append(len(self.identifiers))
        message.watch_identifiers.extend(self.identifiers)
        message.watch_pattern_counts.append(len(self.patterns))
        message.watch_patterns.extend(self.patterns)
        if self.condition is not None:
            message.watch_conditions.append(self.condition)
        resume = self.resume
        if isinstance(resume, FromRevision):
            message.resume_revisions.append(resume.revision)
        elif resume is not None:
            message.resume_epochs.append(resume.epoch)
            message.resume_counts.append(len(resume.versions))
            message.resume_ids.extend(resume.versions.keys())
            message.resume_versions.extend(resume.versions.values())


def text_size(text: str) -> int:
    """By estimate, not below what is sent."""
    return (len(text) if text.isascii() else 4 * len(text)) + 4


def texts_size(texts: Sequence[str]) -> int:
    return sum(map(text_size, texts))


# Epoch, counts, flags.
_BYTES_AROUND_A_ROW = 64

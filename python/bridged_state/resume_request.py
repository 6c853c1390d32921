"""What a watch asks the next stream or link for: its variables, and where it goes on. Path: watch feed -> [resume request] -> carriers. Pure."""

from typing import Dict, NamedTuple, Optional, Sequence, Set

from ._core.epoch_text import is_same_life, is_same_lineage, parse_epoch
from ._core.link_session import FromRevision, FromVersions, Resume
from .variable_feed import VariableFeed


class FeedRequest(NamedTuple):
    """What the next stream asks the server for."""

    identifiers: Sequence[str]
    patterns: Sequence[str]
    resume: Optional[Resume]
    waits: bool
    # Of variables that `resume` does not name nothing was told: their present values are initial.
    unseen_initial: bool = False


def resume_from(
    live: Sequence[VariableFeed], begun_in: str, server_epoch: str, position: Optional[FromRevision]
) -> Optional[Resume]:
    """
    Of the variables that are not gone. `begun_in`: the epoch of a pattern, which has one without a variable too; else ''. `position`: where its link
    broke, where that may be asked for. None: from the present values on.
    """
    if position is not None and position.epoch == server_epoch:
        if all(one.tracker.version > 0 and one.tracker.epoch == server_epoch for one in live):
            return position
    epochs = _epochs_of(live, begun_in)
    known = [epoch for epoch in epochs if server_epoch and is_same_life(epoch, server_epoch)]
    # What was seen in the earlier generation may be lost, whatever came since.
    resume_epoch = min(known or epochs, key=lambda epoch: parse_epoch(epoch).generation, default="")
    if not resume_epoch or not all(is_same_lineage(epoch, resume_epoch) for epoch in known):
        return None
    versions: Dict[str, int] = {}
    for one in live:
        tracker = one.tracker
        if tracker.version > 0 and tracker.variable_id and is_same_lineage(tracker.epoch, resume_epoch):
            versions[tracker.variable_id] = tracker.version
    return FromVersions(resume_epoch, versions)


def has_lost_state(live: Sequence[VariableFeed], begun_in: str, server_epoch: str) -> bool:
    """The server lives anew since something was seen of them."""
    return bool(server_epoch) and any(not is_same_life(epoch, server_epoch) for epoch in _epochs_of(live, begun_in))


def _epochs_of(live: Sequence[VariableFeed], begun_in: str) -> Set[str]:
    epochs = {one.tracker.epoch for one in live if one.tracker.version > 0}
    if begun_in:
        epochs.add(begun_in)
    return epochs

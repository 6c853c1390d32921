"""Is this the next version of a variable, one seen already, or are n missing? One tracker a watch and variable.

Path: link session or stream -> [version tracker] -> watch. Knows lineages: a new epoch or a new variable id begins its versions anew.
"""

from typing import Optional

from .epoch_text import in_generation_of, is_same_life, is_same_lineage

DUPLICATE = -1
"""Verdict of `accept` on a version that was seen already."""


class VersionTracker:
    __slots__ = ("version", "epoch", "variable_id", "is_resync")

    def __init__(self) -> None:
        # Last version accepted; 0 before the first.
        self.version = 0
        self.epoch = ""
        self.variable_id = ""
        # Whether the version accepted last began a lineage or closed a gap that no replay filled.
        self.is_resync = False

    def resume(self, version: int, epoch: str, variable_id: str) -> None:
        """Continues where an earlier tracker of the same watch and variable was."""
        self.version = version
        self.epoch = epoch
        self.variable_id = variable_id

    def continue_in(self, epoch: str) -> None:
        """All that it accepted is kept in the generation of another epoch of the same life."""
        if epoch != self.epoch and is_same_life(epoch, self.epoch):
            self.epoch = in_generation_of(self.epoch, epoch)

    def accept(
        self,
        version: int,
        epoch: str,
        variable_id: str,
        is_snapshot: bool,
        missed_in_new_life: Optional[int] = None,
    ) -> int:
        """
        How many versions were skipped right before this one, or DUPLICATE. `is_snapshot`: a present value and not a change.
        `missed_in_new_life`: versions of a new lineage before this one, which nobody of this watch saw; all of them unless it is said.
        The first version of a watch has skipped none.
        """
        seen = self.version
        if seen == 0:
            return self._begin(version, epoch, variable_id, False, 0)
        # A change of another generation goes on from what this watch saw; a present value is said where that may be lost.
        is_other_epoch = epoch not in ("", self.epoch) and self.epoch != ""
        if is_other_epoch and not is_snapshot:
            is_other_epoch = not is_same_lineage(epoch, self.epoch)
        is_other_variable = variable_id != "" and self.variable_id != "" and variable_id != self.variable_id
        # A server without epochs that is behind what we have seen has lost its state.
        is_behind = is_snapshot and version < seen and (epoch == "" or self.epoch == "")
        if is_other_epoch or is_other_variable or is_behind:
            missed = version - 1 if missed_in_new_life is None else missed_in_new_life
            return self._begin(version, epoch, variable_id, True, missed)
        if version <= seen:
            return DUPLICATE
        missed = version - seen - 1
        return self._begin(version, epoch, variable_id, is_snapshot and missed > 0, missed)

    def _begin(self, version: int, epoch: str, variable_id: str, is_resync: bool, missed: int) -> int:
        self.version = version
        if epoch != "":
            self.epoch = epoch
        if variable_id != "":
            self.variable_id = variable_id
        self.is_resync = is_resync
        return missed

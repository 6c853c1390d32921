"""Changes of one session in the order that they were called: sets of the link, which keeps their order, and those that are made by calls.

Path: session, link sets -> [change order] -> link session, calls. Rounds follow one another: the sets of the link between two calls, registrations
of different names, or one other call, whose identifier may stand for any variable. Pure. Waiting: as many as its callers, who take back those whose
time is up.
"""

from collections import deque
from typing import Callable, Deque, List, Optional, Set

LINK = "link"
"""Sets that the link carries."""
REGISTER = "register"
"""Goes together with those of other names."""
ALONE = "alone"


class Turn:
    """The place of one change."""

    __slots__ = ("round", "start", "is_over")

    def __init__(self, round: "_Round", start: Callable[[], None]) -> None:
        self.round = round
        self.start = start
        self.is_over = False


class _Round:
    __slots__ = ("kind", "names", "members", "waiting")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.names: Set[str] = set()
        # That are not over.
        self.members = 0
        self.waiting: List[Turn] = []

    def takes(self, kind: str, name: str) -> bool:
        return kind == self.kind and kind != ALONE and (kind != REGISTER or name not in self.names)


class ChangeOrder:
    def __init__(self) -> None:
        # The first is under way.
        self._rounds: Deque[_Round] = deque()

    def enter(self, kind: str, name: str, start: Callable[[], None]) -> Turn:
        """`start` is called now, or when all that has to be made before is over; it may not enter another. `name`: of a registration."""
        last = self._rounds[-1] if self._rounds else None
        if last is None or not last.takes(kind, name):
            last = _Round(kind)
            self._rounds.append(last)
        if kind == REGISTER:
            last.names.add(name)
        last.members += 1
        turn = Turn(last, start)
        if last is self._rounds[0]:
            start()
        else:
            last.waiting.append(turn)
        return turn

    def enter_now(self, kind: str) -> Optional[Turn]:
        """Only if it may start now. `kind`: but registrations."""
        rounds = self._rounds
        if not rounds:
            rounds.append(_Round(kind))
        elif len(rounds) > 1 or kind == ALONE or rounds[0].kind != kind:
            return None
        rounds[0].members += 1
        return Turn(rounds[0], _nothing)

    def leave(self, turn: Turn) -> None:
        """It is made, or will not be. A second time it does nothing."""
        if turn.is_over:
            return
        turn.is_over = True
        turn.round.members -= 1
        rounds = self._rounds
        while rounds and rounds[0].members == 0:
            rounds.popleft()
            if not rounds:
                return
            started, rounds[0].waiting = rounds[0].waiting, []
            for one in started:
                if not one.is_over:
                    one.start()


def _nothing() -> None:
    return None

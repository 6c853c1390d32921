"""Which endpoint is next: all in turn, starting with the first; then in the order that the server prefers which was reached last.

Path: a connection that broke, or was not made -> [endpoint rotation] -> connection. Pure.
"""

from typing import Sequence, Tuple


class EndpointRotation:
    def __init__(self, endpoints: Sequence[str]) -> None:
        """At least one."""
        # By the user: they stay, whatever servers say.
        self._given = tuple(endpoints)
        self._endpoints = self._given
        self._position = 0
        # That failed or broke in this round.
        self._misses = 0
        # A round has ended, and none was reached since.
        self._is_behind_round = False

    @property
    def current(self) -> str:
        return self._endpoints[self._position]

    @property
    def endpoints(self) -> Tuple[str, ...]:
        """All that are tried."""
        return self._endpoints

    def advance(self) -> bool:
        """The present one failed, or broke. Whether one is left that did not in this round; where none is, the next round begins: wait before it."""
        self._position = (self._position + 1) % len(self._endpoints)
        self._misses += 1
        if self._misses < len(self._endpoints):
            return True
        self._misses = 0
        self._is_behind_round = True
        return False

    def handle_reached(self) -> None:
        """The present one stands. Within a round that says little: one that stands and breaks at once must not keep it from its end."""
        if self._is_behind_round:
            self._misses = 0
        self._is_behind_round = False

    def handle_lasting(self) -> None:
        """The present one has stood for long: what happened before does not count."""
        self._misses = 0

    def handle_servers(self, servers: Sequence[str]) -> None:
        """What the present one says of all servers; nothing where they do not say it. The next attempts go to those, then to others that were given."""
        if not servers:
            return
        self._endpoints = tuple(dict.fromkeys((self.current, *servers, *self._given)))
        self._position = 0

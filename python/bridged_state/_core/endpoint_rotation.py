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
        # In a row. One that stands and breaks at once does not begin a round anew, or nobody would ever wait.
        self._failed = 0
        self._has_waited = False

    @property
    def current(self) -> str:
        return self._endpoints[self._position]

    @property
    def endpoints(self) -> Tuple[str, ...]:
        """All that are tried."""
        return self._endpoints

    def handle_reached(self) -> None:
        """The present one stands."""
        if self._has_waited:
            self._has_waited = False
            self._failed = 0

    def handle_lasted(self) -> None:
        """It stood for so long that what was before it does not count."""
        self._failed = 0

    def advance(self) -> bool:
        """The present one failed, or broke. True when that was so of as many as there are: then wait before the next."""
        self._position = (self._position + 1) % len(self._endpoints)
        self._failed += 1
        if self._failed < len(self._endpoints):
            return False
        self._failed = 0
        self._has_waited = True
        return True

    def handle_servers(self, servers: Sequence[str]) -> None:
        """What the present one says of all servers; nothing where they do not say it. The next attempts go to those, then to others that were given."""
        if not servers:
            return
        self._endpoints = tuple(dict.fromkeys((self.current, *servers, *self._given)))
        self._position = 0

"""By what the watches and sets of a connection travel. Path: connection -> [carrier choice]. A server that has no links is asked once in its life. Pure."""

from typing import Dict


class CarrierChoice:
    def __init__(self, transport: str) -> None:
        self._transport = transport
        # By endpoint: the epoch of the server that answered there that it has none.
        self._without_links: Dict[str, str] = {}

    def takes_link(self, endpoint: str, epoch: str) -> bool:
        """`epoch`: of the server that is connected there, '' where it says none: only one of ours has links."""
        if self._transport != "auto":
            return self._transport == "link"
        return epoch != "" and self._without_links.get(endpoint) != epoch

    def handle_no_link(self, endpoint: str, epoch: str) -> bool:
        """It answered UNIMPLEMENTED. False: links alone were asked for."""
        self._without_links[endpoint] = epoch
        return self._transport == "auto"

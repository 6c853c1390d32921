"""What a watch tells its user beside updates. Path: watch feed -> [watch callbacks] -> the user's functions.

What they raise is logged, and the watch goes on.
"""

import logging
from typing import Any, Callable, Optional, Sequence

from ._core.plain_function import ENDS_THE_PROGRAM
from .errors import BridgeError
from .watch_options import WatchOptions

logger = logging.getLogger("bridged_state")


class WatchCallbacks:
    def __init__(self, names: Sequence[str], options: WatchOptions) -> None:
        self._names = names
        self._options = options

    @property
    def subject(self) -> str:
        """For sentences."""
        return f"the watch of {', '.join(self._names[:3])}"

    def tell_error(self, error: BridgeError) -> None:
        if self._options.on_error is None:
            logger.debug("%s: %s", self.subject, error)
        else:
            self._call("on_error", self._options.on_error, error)

    def tell_state(self, state: str) -> None:
        self._call("on_state", self._options.on_state, state)

    def tell_synced(self) -> None:
        self._call("on_synced", self._options.on_synced)

    def _call(self, name: str, callback: Optional[Callable[..., Any]], *arguments: Any) -> None:
        if callback is None:
            return
        try:
            callback(*arguments)
        except ENDS_THE_PROGRAM:
            raise
        except BaseException:
            logger.exception("%s of %s raised", name, self.subject)

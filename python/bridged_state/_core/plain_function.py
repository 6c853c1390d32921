"""Functions of users that have to be plain: nobody waits for what an asynchronous one would say. Path: the user -> [plain function]. Pure."""

import inspect
from typing import Any


def is_asynchronous(given: Any) -> bool:
    """Of a function, or of an object that is called as one."""
    return inspect.iscoroutinefunction(given) or inspect.iscoroutinefunction(getattr(type(given), "__call__", None))


def was_awaitable(said: Any) -> bool:
    """Whether nobody will wait for it; closed then, so that nobody is warned of that either."""
    if not inspect.isawaitable(said):
        return False
    close = getattr(said, "close", None)
    if close is not None:
        close()
    return True


ENDS_THE_PROGRAM = (KeyboardInterrupt, SystemExit)
"""What a function of a user raises and is not told of: a loop passes it on. All else is, a cancelled future's CancelledError too."""

"""How tasks are ended that read from gRPC. Path: connection, carriers -> [end tasks]."""

import asyncio
from typing import Any, Iterable

_AGAIN_SECONDS = 1.0


async def end_tasks(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancels them until each is over: a read of grpc.aio may take the first cancellation for the end of its call, and the task goes on."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        over, left = await asyncio.wait(left, timeout=_AGAIN_SECONDS)
        for task in over:
            # Looked at, so that nobody is told that nobody looked.
            if not task.cancelled():
                task.exception()

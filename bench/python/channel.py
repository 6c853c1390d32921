"""The way of a bench process in Python to the scenario that started it: calls and answers, a line of JSON each, over Node's IPC channel."""

import asyncio
import json
import os
import socket
import time


def now_us():
    """CLOCK_MONOTONIC: one clock for all processes of a machine."""
    return time.monotonic_ns() / 1000.0


async def _answer(process, say, message):
    try:
        result = await getattr(process, message["name"])(message["argument"])
        say({"kind": "result", "id": message["id"], "result": result})
    except Exception as error:
        say({"kind": "error", "id": message["id"], "error": repr(error)})


async def answer_parent(process):
    """Calls of its methods, until the parent is gone."""
    channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
    reader, writer = await asyncio.open_unix_connection(sock=channel, limit=2**20)
    say = lambda message: writer.write(json.dumps(message).encode() + b"\n")
    answering = set()
    say({"kind": "ready"})
    while line := await reader.readline():
        message = json.loads(line)
        # Node's own: it is about to close the channel.
        if "name" in message:
            task = asyncio.ensure_future(_answer(process, say, message))
            answering.add(task)
            task.add_done_callback(answering.discard)
    # Also when the parent was killed: no bench process outlives it.
    os._exit(0)

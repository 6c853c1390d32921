"""Ctrl-C while the synchronous face waits: the call ends, and nothing is lost. Path: pytest -> [test interrupts] -> bridged_state.sync."""

import signal
import threading
from types import FrameType
from typing import Any, List, Optional

from servers import WAIT_SECONDS, Server

from bridged_state import sync

UPDATES = 150


class Interrupted(Exception):
    """As KeyboardInterrupt, where the thread waits for another."""


def interrupt(_signal: int, frame: Optional[FrameType]) -> None:
    if frame is not None and frame.f_code.co_filename.endswith(("threading.py", "_base.py")):
        raise Interrupted


def test_an_interrupted_wait_for_an_update_loses_none(server: Server, session_id: str, transport: str) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def lets_through(old: Any, new: int) -> bool:
        # On the thread of the session, in the turn in which the update comes.
        signal.pthread_kill(main, signal.SIGINT)
        return True

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with sync.SessionContext.connect(server.endpoint, session_id) as setter:
            setter.register_variable("n", "integer", 0)
            with sync.SessionContext.connect(server.endpoint, session_id, transport=transport, spacing_ms=0) as session:
                watch = session.watch_variables(["n"], filter_fn=lets_through, timeout=WAIT_SECONDS)
                setting = threading.Thread(target=lambda: [setter.set_variable("n", n) for n in range(1, UPDATES + 1)])
                setting.start()
                seen: List[int] = []
                interrupts = 0
                while len(seen) < UPDATES and (not seen or seen[-1] < UPDATES):
                    try:
                        seen.append(next(watch).value)
                    except Interrupted:
                        interrupts += 1
                setting.join()
                assert seen == list(range(1, UPDATES + 1))
                assert interrupts > 0
    finally:
        signal.signal(signal.SIGINT, before)

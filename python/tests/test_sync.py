"""The synchronous face where threads meet: whoever opens, calls and closes it at once is answered, and nothing is left."""

import asyncio
import itertools
import sys
import threading
from collections import Counter
from typing import Any, Callable, List

import pytest
from servers import Server

from bridged_state import BridgeError, ClosedError, DeadlineExceededError, InvalidArgumentError, sync


def connect(server: Server, session_id: str) -> sync.SessionContext:
    return sync.SessionContext.connect(server.endpoint, session_id)


def told(work: Callable[[], Any], outcomes: "Counter[str]") -> Callable[[], None]:
    """What became of it, once it is called."""

    def run() -> None:
        try:
            work()
            outcomes["done"] += 1
        except BridgeError as error:
            outcomes[error.code] += 1
        except BaseException as error:
            outcomes[repr(error)] += 1

    return run


def join(threads: List[threading.Thread]) -> None:
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "a call was not answered"


def sessions_threads() -> int:
    return sum(thread.name == "bridged_state" for thread in threading.enumerate())


def test_a_close_while_it_opens_leaves_no_thread(server: Server, session_id: str) -> None:
    before = sessions_threads()
    for _ in range(10):
        session = connect(server, session_id)
        outcomes: "Counter[str]" = Counter()
        opening = threading.Thread(target=told(session.open, outcomes))
        opening.start()
        session.close()
        join([opening])
        assert sum(outcomes.values()) == outcomes["done"] + outcomes["CLOSED"], outcomes
        assert session.state == "closed"
        with pytest.raises(ClosedError):
            session.open()
    assert sessions_threads() == before


def test_a_close_answers_what_others_wait_for(server: Server, session_id: str, transport: str) -> None:
    with connect(server, session_id) as first:
        first.register_variable("n", "integer", 0)
    outcomes: "Counter[str]" = Counter()
    for _ in range(5):
        session = sync.SessionContext.connect(server.endpoint, session_id, transport=transport).open()

        def call() -> None:
            for number in itertools.count():
                session.set_variable("n", number)
                session.get_variable("n")

        def loop() -> None:
            for _ in session.watch_variables(["n"], include_initial=True):
                pass

        threads = [threading.Thread(target=told(work, outcomes)) for work in (call, call, loop, loop)]
        for thread in threads:
            thread.start()
        session.close()
        join(threads)
    assert set(outcomes) <= {"CLOSED", "UNKNOWN_OUTCOME", "done"}, outcomes


def test_what_ends_with_the_thread_is_answered() -> None:
    thread = sync._LoopThread()

    async def end_it() -> int:
        asyncio.get_running_loop().stop()
        return 1

    outcomes: "Counter[str]" = Counter()
    waiting = threading.Thread(target=told(lambda: thread.wait_for(end_it()), outcomes), daemon=True)
    waiting.start()
    join([waiting])
    assert outcomes == {"done": 1}
    thread.end()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_exits_ends_the_session_and_answers(server: Server, session_id: str) -> None:
    before = sessions_threads()
    with connect(server, session_id) as session:
        session.register_variable("n", "integer", 0)
        with pytest.raises(ClosedError):
            for _ in session.watch_variables(["n"], include_initial=True, on_state=sys.exit, timeout=10):
                pass
        with pytest.raises(ClosedError):
            session.get_variable("n")
    assert sessions_threads() == before


def test_a_loop_whose_time_was_up_may_be_gone_on_with(server: Server, session_id: str) -> None:
    with connect(server, session_id) as session:
        session.register_variable("n", "integer", 0)
        watch = session.watch_variables(["n"], timeout=0.05)
        seen: List[int] = []
        for number in range(1, 4):
            with pytest.raises(DeadlineExceededError):
                for update in watch:
                    seen.append(update.value)
            session.set_variable("n", number)
        batches = watch.batches()
        assert [update.value for update in next(batches)] == [3]
        with pytest.raises(DeadlineExceededError):
            next(batches)
        assert watch.state == "live"
        session.set_variable("n", 4)
        assert [update.value for update in next(batches)] == [4]
        assert seen == [1, 2]
        del batches
        with pytest.raises(InvalidArgumentError, match="iterated already"):
            list(watch)

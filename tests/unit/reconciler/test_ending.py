"""A change ends at its deadline, or as soon as the run is interrupted."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from enos_ota.enos import AnswerLost, Credentials, EnosClient, RetryPolicy
from enos_ota.plan import Record, TaskSet, build_plan, days
from enos_ota.reconciler import Limits, Reconciler
from enos_ota.reconciler.deadline import Deadline, Stop, StoppableClock, Stopped
from tests.harness.clock import FakeClock
from tests.harness.scripted_server import ScriptedServer, drip, ok


def test_a_wait_does_not_go_beyond_the_deadline_and_ends_the_change_there() -> None:
    clock = FakeClock()
    ending = Deadline(clock, Stop(), 10)
    ending.sleep(4)
    with pytest.raises(Stopped, match="the deadline of 10 s for one set is over"):
        ending.sleep(300)
    assert clock.sleeps == [4, 6]


def test_nothing_begins_after_the_deadline() -> None:
    clock = FakeClock()
    ending = Deadline(clock, Stop(), 10)
    ending.check()
    clock.advance(10)
    with pytest.raises(Stopped):
        ending.check()
    assert (ending.left, ending.interrupted) == (0, False)


def test_nothing_begins_after_an_interrupt_and_its_first_reason_counts() -> None:
    stop = Stop()
    ending = Deadline(FakeClock(), stop)
    ending.check()
    stop.set("interrupted")
    stop.set("gone")
    with pytest.raises(Stopped, match=r"^interrupted$"):
        ending.check()
    assert ending.interrupted


def test_an_interrupt_ends_a_wait_that_is_under_way() -> None:
    stop = Stop()
    ending = Deadline(StoppableClock(stop), stop, 10_000)
    raised = threading.Event()

    def wait() -> None:
        try:
            ending.sleep(5_000)
        except Stopped:
            raised.set()

    thread = threading.Thread(target=wait)
    thread.start()
    stop.set("interrupted")
    thread.join()
    assert raised.is_set()


def test_a_signal_handler_can_interrupt_a_run_at_any_line_of_a_wait_of_its_own_thread() -> None:
    stop = Stop()

    def interrupt(*_: object) -> Any:
        stop.set("interrupted")
        return interrupt

    def wait() -> None:
        sys.settrace(interrupt)
        stop.wait(5_000)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it deadlocked"


def test_a_change_without_a_deadline_has_all_the_time_there_is() -> None:
    clock = FakeClock()
    ending = Deadline(clock, Stop())
    clock.advance(1e9)
    ending.check()
    assert ending.left == float("inf")


@pytest.mark.parametrize(("call", "seconds"), [("get_job", 10), ("stop_job", 13)])
def test_an_attempt_of_a_limited_client_ends_with_the_change_and_a_write_three_seconds_later(
    call: str, seconds: int
) -> None:
    clock = FakeClock()
    with ScriptedServer([drip(clock, b"HTTP/1.1 200 OK\r\nX-A: ", b"a")]) as server:
        once = RetryPolicy(attempts=1)
        client = EnosClient(server.url, "o1", Credentials("key", "secret"), clock=clock, retry=once)
        with client, pytest.raises(AnswerLost, match=rf" within {seconds} s\."):
            getattr(Deadline(clock, Stop(), 10).limit(client), call)("j")


def test_a_limited_client_makes_no_attempt_after_the_end() -> None:
    clock = FakeClock()
    steps = [drip(clock, b"HTTP/1.1 200 OK\r\nX-A: ", b"a")]
    with ScriptedServer(steps) as server:
        client = EnosClient(
            server.url, "o1", Credentials("key", "secret"), clock=clock, retry=RetryPolicy(standstill=1e9)
        )
        with client, pytest.raises(Stopped, match="the deadline of 10 s for one set is over"):
            Deadline(clock, Stop(), 10).limit(client).get_job("j")


def test_a_change_ends_at_its_deadline_however_slowly_enos_answers() -> None:
    clock = FakeClock()
    job = ok({"jobId": "j", "status": "started"})
    with ScriptedServer([job, drip(clock, b"HTTP/1.1 100 Continue\r\n", b"X-A: b\r\n")]) as server:
        once = RetryPolicy(standstill=1e9)
        with EnosClient(server.url, "o1", Credentials("key", "secret"), clock=clock, retry=once) as client:
            reconciler = Reconciler(client, limits=Limits(deadline=10), clock=clock)
            record = reconciler.apply(
                build_plan(TaskSet("pumps", "j", ("dk-01",)), Record(), today=days.today())
            ).record
    assert record.problem.startswith("the deadline of 10 s for one set is over")

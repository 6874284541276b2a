"""A call that is interrupted leaves a client that works."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.harness.clock import FakeClock
from tests.harness.scripted_server import Request, ScriptedServer, http, ok, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.enos.conftest import Connect

JOB = ok({"jobId": "j", "status": "started"})
HALF = JOB[:-10]


class Interrupted(FakeClock):
    """Raises KeyboardInterrupt at the next look at the time, once it is armed."""

    armed = False

    def monotonic(self) -> float:
        if self.armed:
            self.armed = False
            raise KeyboardInterrupt
        return super().monotonic()


def test_an_answer_cut_short_by_an_interrupt_is_not_taken_for_the_next_one(connect: Connect) -> None:
    clock = Interrupted()

    def half(_: Request) -> bytes:
        clock.armed = True
        return HALF  # the rest never comes, so the time is asked for in the middle of it

    with ScriptedServer([half, JOB]) as server:
        client = connect(server, clock=clock)
        with pytest.raises(KeyboardInterrupt):
            client.get_job("j")
        job = client.get_job("j")

    assert (job.job_id, server.connections) == ("j", 2)


@pytest.fixture
def _heeds_interrupts() -> Iterator[None]:
    """Handle SIGINT, which may be ignored by the process that started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeds_interrupts")
def test_a_connection_interrupted_before_its_answer_is_not_used_again(connect: Connect) -> None:
    def interrupt(_: Request) -> bytes:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        gone.wait(10)
        return ok({"jobId": "late"})

    gone = threading.Event()
    with ScriptedServer([interrupt, JOB]) as server:
        client = connect(server)
        with pytest.raises(KeyboardInterrupt):
            client.get_job("j")
        gone.set()
        job = client.get_job("j")

    assert (job.job_id, server.connections) == ("j", 2)


@pytest.mark.parametrize("step", [http(503), http(429), http(503, retry_after="7")])
def test_an_interrupted_wait_leaves_no_lock_behind(connect: Connect, step: bytes) -> None:
    with ScriptedServer([step, JOB]) as server:
        client = connect(server)
        with pytest.raises(KeyboardInterrupt):
            client.waiting_by(interrupting).get_job("j")
        other = run(lambda: client.get_job("j").job_id)

    assert other == "j"


def test_an_interrupted_request_for_a_token_leaves_no_lock_behind(connect: Connect) -> None:
    clock = Interrupted()

    def half(_: Request) -> bytes:
        clock.armed = True
        return token("t")[:-10]

    with ScriptedServer([JOB], tokens=[half, token("t")]) as server:
        client = connect(server, clock=clock)
        with pytest.raises(KeyboardInterrupt):
            client.get_job("j")
        other = run(lambda: client.get_job("j").job_id)

    assert other == "j"


def interrupting(_: float) -> None:
    raise KeyboardInterrupt


def run(call: Callable[[], object]) -> object:
    """In another thread, to which a lock that was left locked would never be given."""
    result: list[object] = []
    thread = threading.Thread(target=lambda: result.append(call()), daemon=True)
    thread.start()
    thread.join(30)
    return result[0] if result else "still waiting for a lock"

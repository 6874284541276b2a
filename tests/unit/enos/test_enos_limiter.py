"""The pace of all threads together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from enos_ota.enos.limiter import Limiter, NotYet
from tests.support.clock import FakeClock


def wait(limiter: Limiter, clock: FakeClock) -> None:
    while isinstance(turn := limiter.take(), NotYet):
        clock.sleep(turn.seconds)


def test_without_a_rate_nobody_waits(clock: FakeClock) -> None:
    limiter = Limiter(None, clock)

    for _ in range(10):
        wait(limiter, clock)

    assert clock.sleeps == []


def test_requests_are_spaced_by_the_rate(clock: FakeClock) -> None:
    limiter = Limiter(5, clock)

    for _ in range(11):
        wait(limiter, clock)

    assert clock.monotonic() == pytest.approx(2.0)


def test_an_idle_time_is_not_made_up_for(clock: FakeClock) -> None:
    limiter = Limiter(1, clock)
    wait(limiter, clock)
    clock.advance(100)

    wait(limiter, clock)
    wait(limiter, clock)

    assert clock.sleeps == [1.0]


def test_threads_share_the_pace(clock: FakeClock) -> None:
    limiter = Limiter(10, clock)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: wait(limiter, clock), range(41)))

    assert clock.monotonic() >= 4.0 - 1e-9


def test_nobody_sends_during_a_pause(clock: FakeClock) -> None:
    limiter = Limiter(None, clock)
    limiter.pause(30)

    wait(limiter, clock)

    assert clock.sleeps == [30]


def test_a_shorter_pause_does_not_end_a_longer_one(clock: FakeClock) -> None:
    limiter = Limiter(None, clock)
    limiter.pause(30)
    limiter.pause(1)

    assert limiter.pause_left() == 30


def test_a_pause_that_begins_while_waiting_is_kept() -> None:
    class Interrupting(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(self.sleeps) == 1:
                limiter.pause(7)

    clock = Interrupting()
    limiter = Limiter(1, clock)
    wait(limiter, clock)

    wait(limiter, clock)

    assert clock.sleeps == [1, 7]


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_is_not_positive_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        Limiter(rate, FakeClock())

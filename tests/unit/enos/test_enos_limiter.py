"""The request rate of all threads together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from enos_ota.enos.limiter import DECREASE, FIRST, Limiter, MustWait, Pause, Turn
from tests.harness.clock import FakeClock


def limiter_of(rate: float | None, clock: FakeClock) -> Limiter:
    return Limiter(rate, clock, backoff=lambda rounds: 2.0**rounds)


def wait(limiter: Limiter, clock: FakeClock) -> None:
    while isinstance(turn := limiter.take(), MustWait):
        clock.sleep(turn.seconds)


def test_without_a_rate_no_request_waits(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)

    for _ in range(10):
        wait(limiter, clock)

    assert clock.sleeps == []


def test_requests_are_spaced_by_the_rate(clock: FakeClock) -> None:
    limiter = limiter_of(5, clock)

    for _ in range(11):
        wait(limiter, clock)

    assert clock.monotonic() == pytest.approx(2.0)


def test_an_idle_time_is_not_made_up_for(clock: FakeClock) -> None:
    limiter = limiter_of(1, clock)
    wait(limiter, clock)
    clock.advance(100)

    wait(limiter, clock)
    wait(limiter, clock)

    assert clock.sleeps == [1.0]


def test_threads_share_the_pace(clock: FakeClock) -> None:
    limiter = limiter_of(10, clock)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: wait(limiter, clock), range(41)))

    assert clock.monotonic() >= 4.0 - 1e-9


def test_no_request_is_sent_during_a_pause(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    limiter.pause(30)

    wait(limiter, clock)

    assert clock.sleeps == [30]


def test_a_shorter_pause_does_not_end_a_longer_one(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    limiter.pause(30)
    limiter.pause(1)

    assert limiter.current_pause().seconds == 30


def test_a_pause_that_begins_while_waiting_is_kept() -> None:
    class Interrupting(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(self.sleeps) == 1:
                limiter.pause(7)

    clock = Interrupting()
    limiter = limiter_of(1, clock)
    wait(limiter, clock)

    wait(limiter, clock)

    assert clock.sleeps == [1, 7]


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_is_not_positive_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        limiter_of(rate, FakeClock())


def turn_of(limiter: Limiter) -> Turn:
    turn = limiter.take()
    assert isinstance(turn, Turn)
    return turn


def delay(limiter: Limiter) -> float:
    turn = limiter.take()
    return turn.seconds if isinstance(turn, MustWait) else 0


def test_a_refusal_without_a_time_pauses_all_threads(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)

    limiter.throttled(turn_of(limiter), None)

    assert (limiter.current_pause().seconds, limiter.take()) == (2, MustWait(2))


def test_a_refusal_with_a_time_pauses_all_threads_that_long(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)

    limiter.throttled(turn_of(limiter), 7)

    assert limiter.current_pause().seconds == 7


def test_refusals_of_what_had_left_by_then_are_one(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    turns = [turn_of(limiter) for _ in range(8)]

    for turn in turns:
        limiter.throttled(turn, None)
    wait(limiter, clock)

    assert clock.sleeps == [2]
    assert delay(limiter) == pytest.approx(1 / (FIRST * DECREASE))


def test_a_time_that_a_later_refusal_names_is_kept(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    first, second = turn_of(limiter), turn_of(limiter)

    limiter.throttled(first, None)
    limiter.throttled(second, 7)

    assert limiter.current_pause().seconds == 7


def test_pauses_grow_while_nothing_gets_through(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    pauses = []

    for _ in range(3):
        clock.advance(limiter.current_pause().seconds + 1)
        limiter.throttled(turn_of(limiter), None)
        pauses.append(limiter.current_pause().seconds)

    assert pauses == [2, 4, 8]


def test_a_request_that_gets_through_makes_the_next_pause_short_again(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    limiter.throttled(turn_of(limiter), None)
    limiter.passed()
    clock.advance(10)

    limiter.throttled(turn_of(limiter), None)

    assert limiter.current_pause().seconds == 2


def test_the_pace_is_learned_from_what_gets_through(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    for _ in range(30):
        limiter.take()
        limiter.passed()
        clock.advance(0.1)

    limiter.throttled(turn_of(limiter), 1)
    wait(limiter, clock)

    assert delay(limiter) == pytest.approx(0.1 / DECREASE, rel=0.05)


def test_the_pace_does_not_fall_while_nothing_gets_through(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)

    for _ in range(10):
        clock.advance(limiter.current_pause().seconds + 1)
        limiter.throttled(turn_of(limiter), 1)
    wait(limiter, clock)

    assert delay(limiter) == pytest.approx(1 / (FIRST * DECREASE))


def test_a_rate_that_is_set_bounds_the_one_that_is_learned(clock: FakeClock) -> None:
    limiter = limiter_of(1, clock)
    limiter.throttled(turn_of(limiter), 1)
    wait(limiter, clock)

    assert limiter.take() == MustWait(1)


def test_a_standstill_lasts_from_the_first_failure_until_something_gets_through(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    measured = [limiter.standstill()]
    for _ in range(2):
        limiter.throttled(turn_of(limiter), 5)
        clock.advance(5)
        measured.append(limiter.standstill())
    limiter.passed()

    assert [*measured, limiter.standstill()] == [0, 5, 10, 0]


def test_a_standstill_of_long_ago_is_not_continued(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    limiter.throttled(turn_of(limiter), 5)
    clock.advance(600)

    limiter.throttled(turn_of(limiter), 5)

    assert limiter.standstill() == 0


def test_a_standstill_begins_with_the_attempt_that_failed(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    turn = turn_of(limiter)
    clock.advance(30)

    limiter.failed(turn)

    assert limiter.standstill() == 30


def test_a_standstill_does_not_reach_back_beyond_the_last_success(clock: FakeClock) -> None:
    limiter = limiter_of(None, clock)
    turn = turn_of(limiter)
    clock.advance(20)
    limiter.passed()
    clock.advance(10)

    limiter.failed(turn)

    assert limiter.standstill() == 10


@pytest.mark.parametrize(
    ("pause", "text"),
    [
        (Pause(2, throttled=True), "EnOS throttles, 2 s left"),
        (Pause(7, throttled=True, asked=True), "EnOS throttles and asked for a pause, 7 s left"),
        (Pause(7, asked=True), "EnOS asked for a pause, 7 s left"),
    ],
)
def test_the_text_of_a_pause_gives_its_cause(clock: FakeClock, pause: Pause, text: str) -> None:
    limiter = limiter_of(None, clock)
    if pause.throttled:
        limiter.throttled(turn_of(limiter), pause.seconds if pause.asked else None)
    else:
        limiter.pause(7)

    assert str(limiter.current_pause()) == text

"""The rate that adapts to refusals."""

from __future__ import annotations

from enos_ota.enos.limiter import DECREASE, SLOWEST, AdaptiveRate

RATE = AdaptiveRate(ceiling=20, since=100, recovery=10)


def test_a_rate_that_was_refused_is_lowered_at_once() -> None:
    assert RATE.rate(100) == 20 * DECREASE


def test_during_the_pause_the_rate_stays_low() -> None:
    assert RATE.rate(90) == 20 * DECREASE


def test_at_the_end_of_the_recovery_the_rate_is_the_refused_one() -> None:
    assert RATE.rate(110) == 20


def test_the_rate_only_grows_slowest_where_it_was_refused() -> None:
    gains = [RATE.rate(100 + second + 1) - RATE.rate(100 + second) for second in range(60)]

    assert all(gain > 0 for gain in gains)
    assert min(gains) == min(gains[9], gains[10])


def test_a_lifted_limit_is_noticed_within_a_minute() -> None:
    assert RATE.rate(160) > 10 * 20


def test_the_limit_is_taken_to_be_where_requests_got_through() -> None:
    assert RATE.after_refusal(110, 15, 110).ceiling == 15


def test_the_limit_is_never_taken_to_be_above_the_rate() -> None:
    assert RATE.after_refusal(110, 50, 110).ceiling == 20


def test_one_refusal_halves_the_rate_at_most() -> None:
    assert RATE.after_refusal(110, 1, 110).ceiling == 10


def test_refusals_without_end_leave_some_requests() -> None:
    rate = RATE
    for second in range(100):
        rate = rate.after_refusal(second, 0, second)

    assert rate.ceiling == SLOWEST


def test_the_recovery_is_long_enough_for_some_requests_however_slow() -> None:
    rate = AdaptiveRate(1, 0, 50).after_refusal(0, 0.5, 0)

    assert rate.recovery * rate.ceiling == 50

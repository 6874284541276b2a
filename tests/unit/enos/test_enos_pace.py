"""The rate that refusals teach."""

from __future__ import annotations

import pytest

from enos_ota.enos.pace import DECREASE, FIRST, SLOWEST, LearnedPace

PACE = LearnedPace(ceiling=20, since=100, way_back=10)


def test_a_rate_that_was_refused_is_lowered_at_once() -> None:
    assert PACE.rate(100) == 20 * DECREASE


def test_during_the_pause_the_rate_stays_low() -> None:
    assert PACE.rate(90) == 20 * DECREASE


def test_at_the_end_of_the_way_back_the_rate_is_the_refused_one() -> None:
    assert PACE.rate(110) == 20


def test_the_rate_only_grows_slowest_where_it_was_refused() -> None:
    gains = [PACE.rate(100 + second + 1) - PACE.rate(100 + second) for second in range(60)]

    assert all(gain > 0 for gain in gains)
    assert min(gains) == min(gains[9], gains[10])


def test_a_lifted_limit_is_noticed_within_a_minute() -> None:
    assert PACE.rate(160) > 10 * 20


def test_the_limit_is_taken_to_be_where_requests_got_through() -> None:
    assert PACE.slowed(110, 15, 110).ceiling == 15


def test_the_limit_is_never_taken_to_be_above_the_rate() -> None:
    assert PACE.slowed(110, 50, 110).ceiling == 20


def test_one_refusal_halves_the_rate_at_most() -> None:
    assert PACE.slowed(110, 1, 110).ceiling == 10


def test_refusals_without_end_leave_some_requests() -> None:
    pace = PACE
    for second in range(100):
        pace = pace.slowed(second, 0, second)

    assert pace.ceiling == SLOWEST


def test_the_way_back_is_long_enough_for_some_requests_however_slow() -> None:
    pace = LearnedPace(1, 0, 50).slowed(0, 0.5, 0)

    assert pace.way_back * pace.ceiling == 50


@pytest.mark.parametrize(("passing", "ceiling"), [(0, FIRST), (50, 50)])
def test_a_first_refusal_teaches_what_got_through_or_little(passing: float, ceiling: float) -> None:
    assert LearnedPace.first(passing, 0).ceiling == ceiling


def test_a_pause_changes_when_the_way_back_begins_and_nothing_else() -> None:
    assert PACE.resumed(500) == LearnedPace(20, 500, 10)

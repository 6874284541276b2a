"""A long change says now and then how far it is, and never too often."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enos_ota.reconciler.progress import MOST, Progress, Step, line, next_line
from tests.harness.clock import FakeClock


def said(seconds: float, every: float) -> list[float]:
    """When lines come, in a change that lasts this long and is asked this often."""
    clock = FakeClock()
    times: list[float] = []
    progress = Progress(lambda _: times.append(clock.monotonic()), clock, lambda: "")
    progress.begin("cancelling", 100)
    while clock.monotonic() < seconds:
        clock.advance(every)
        progress.tick()
    return times


def test_a_change_of_less_than_two_seconds_says_nothing() -> None:
    assert said(1.9, 0.1) == []


def test_the_first_line_comes_after_two_seconds_then_every_five() -> None:
    assert said(20, 1) == [2, 7, 12, 17]


@given(st.floats(0.1, 30), st.floats(1, 200_000))
def test_lines_are_five_seconds_apart_or_more_and_sixty_at_most(every: float, seconds: float) -> None:
    times = said(min(seconds, every * 2000), every)
    assert len(times) <= MOST == 60
    assert all(later - earlier >= 5 - 1e-6 for earlier, later in itertools.pairwise(times))


def test_lines_last_for_the_longest_deadline() -> None:
    due, lines = 2.0, 1
    while due < 604_800:
        due, lines = next_line(due), lines + 1
    assert lines <= MOST + 3


@pytest.mark.parametrize(
    ("step", "seconds", "waits_for", "text"),
    [
        (Step("cancelling", 0, 500), 2.0, "", "cancelling: 0 of 500 keys"),
        (Step("cancelling", 400, 500), 4.0, "", "cancelling: 400 of 500 keys, 100 a second"),
        (Step("reading", 1, 2), 0.0, "", "reading: 1 of 2 keys"),
        (Step("reading back", 1, 2), 1.0, "EnOS", "reading back: 1 of 2 keys, 1.0 a second; waiting: EnOS"),
    ],
)
def test_a_line_tells_done_of_total_the_rate_and_what_it_waits_for(
    step: Step, seconds: float, waits_for: str, text: str
) -> None:
    assert line(step, seconds, waits_for) == text


def test_a_line_counts_from_where_its_step_began() -> None:
    clock = FakeClock()
    lines: list[str] = []
    progress = Progress(lines.append, clock, lambda: "")
    progress.begin("cancelling", 10)
    progress.add(10)
    clock.advance(1)
    progress.begin("reading back", 10)
    progress.wait_for("the searches")
    clock.advance(2)
    progress.add(4)
    progress.tick()
    assert lines == ["reading back: 4 of 10 keys, 2.0 a second; waiting: the searches"]

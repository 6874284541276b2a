"""A long change says now and then how far it is, and never too often."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enos_ota.reconciler.progress import Progress
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
def test_lines_are_five_seconds_apart_or_more(every: float, seconds: float) -> None:
    times = said(min(seconds, every * 2000), every)
    assert all(later - earlier >= 5 - 1e-6 for earlier, later in itertools.pairwise(times))


def test_a_change_of_a_week_has_some_sixty_lines() -> None:
    assert len(said(604_800, 10)) <= 65


@pytest.mark.parametrize(
    ("doing", "done", "total", "seconds", "waits_for", "text"),
    [
        ("cancelling", 0, 500, 2.0, "", "cancelling: 0 of 500 keys"),
        ("cancelling", 400, 500, 4.0, "", "cancelling: 400 of 500 keys, 100 a second"),
        ("reading", 1, 2, 0.0, "", "reading: 1 of 2 keys"),
        ("reading back", 1, 2, 1.0, "EnOS", "reading back: 1 of 2 keys, 1.0 a second; waiting: EnOS"),
    ],
)
def test_a_line_tells_done_of_total_the_rate_and_what_it_waits_for(  # noqa: PLR0917 - a row of the table
    doing: str, done: int, total: int, seconds: float, waits_for: str, text: str
) -> None:
    clock = FakeClock()
    lines: list[str] = []
    progress = Progress(lines.append, clock, lambda: waits_for)
    clock.advance(2)
    progress.begin(doing, total)
    progress.add(done)
    clock.advance(seconds)
    progress.tick()
    assert lines == [text]


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

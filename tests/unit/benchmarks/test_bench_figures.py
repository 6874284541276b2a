"""What a benchmark found is told as it is, and measured in pairs."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, Pair, at_most, in_turns, median_difference, median_ratio, number, table


def test_who_is_measured_first_takes_turns() -> None:
    order: list[str] = []

    def measured(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    pairs = in_turns(3, lambda: measured("ours", 2.0), lambda: measured("theirs", 1.0))
    assert pairs == [Pair(2.0, 1.0)] * 3
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]


def test_one_disturbed_pair_does_not_count() -> None:
    pairs = [Pair(1.2, 1.0), Pair(9.0, 1.0), Pair(1.1, 1.0)]
    assert median_ratio(pairs) == pytest.approx(1.2)
    assert median_difference(pairs) == pytest.approx(0.2)


@pytest.mark.parametrize(("value", "said"), [(1.3, "ratio ≤ 1.3: yes"), (1.31, "ratio ≤ 1.3: NO")])
def test_a_goal_says_whether_it_is_met(value: float, said: str) -> None:
    assert str(at_most(1.3, value, "ratio {}")) == said


def test_large_numbers_are_readable() -> None:
    assert [number(10), number(1_000_000)] == ["10", "1 000 000"]


def test_the_table_has_a_line_for_each_figure_with_its_columns_below_each_other() -> None:
    figures = [Figure("up", "3 s", "bare loop, 2 s", 1.5, at_most(1.3, 1.5, "ratio {}")), Figure("start", "10 s")]
    assert table(figures).splitlines() == [
        "what   figure  compared with   ratio  goal",
        "-----  ------  --------------  -----  ---------------",
        "up     3 s     bare loop, 2 s  1.50   ratio ≤ 1.3: NO",
        "start  10 s    -               -      -",
    ]

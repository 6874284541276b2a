"""Figures of a benchmark, and their report."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_COLUMNS: Final = ("what", "figure", "compared with", "ratio", "goal")


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal of a figure.

    Attributes:
        text: The goal in words, such as "ratio ≤ 1.3".
        met: Whether the figure meets it.
    """

    text: str
    met: bool

    def __str__(self) -> str:
        return f"{self.text}: {'yes' if self.met else 'NO'}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    Attributes:
        what: What was measured.
        value: The figure with its unit.
        against: The reference, measured in the same run.
        ratio: The figure divided by the reference; None without a reference.
        goal: None if there is no goal.
    """

    what: str
    value: str
    against: str = "-"
    ratio: float | None = None
    goal: Goal | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the columns of the table."""
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        return self.what, self.value, self.against, ratio, "-" if self.goal is None else str(self.goal)

    def __str__(self) -> str:
        return " · ".join(self.cells())


@dataclass(frozen=True, slots=True)
class Pair:
    """Two measurements, one right after the other, in seconds."""

    ours: float
    theirs: float


def at_most(limit: float, value: float, what: str) -> Goal:
    """Build the goal that a value is at most a limit. `what`: with {} for the limit."""
    return Goal(what.format(f"≤ {limit:g}"), value <= limit)


def in_turns(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> list[Pair]:
    """Measure two things in pairs, so that other load affects both; alternate which is first."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            second = theirs()
            pairs.append(Pair(ours(), second))
        else:
            first = ours()
            pairs.append(Pair(first, theirs()))
    return pairs


def median_ratio(pairs: Sequence[Pair]) -> float:
    """Return the median of the pairs' ratios, which ignores a disturbed pair."""
    return median(pair.ours / pair.theirs for pair in pairs)


def median_difference(pairs: Sequence[Pair]) -> float:
    """Return the median of the pairs' differences, in seconds."""
    return median(pair.ours - pair.theirs for pair in pairs)


def number(count: int) -> str:
    """Format a whole number: 100 000."""
    return f"{count:,}".replace(",", " ")


def table(figures: Iterable[Figure]) -> str:
    """Format all figures as a table."""
    rows = [_COLUMNS, *(figure.cells() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )

"""What a benchmark found, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_COLUMNS: Final = ("what", "figure", "compared with", "ratio", "goal")


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be kept to.

    Attributes:
        text: The goal in words, such as "ratio ≤ 1.3".
        met: Whether it is.
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
        against: What it is compared with, measured in the same run.
        ratio: The figure divided by that; None where there is nothing to divide by.
        goal: None where design names none.
    """

    what: str
    value: str
    against: str = "-"
    ratio: float | None = None
    goal: Goal | None = None

    def cells(self) -> tuple[str, ...]:
        """Its columns in the table."""
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        return self.what, self.value, self.against, ratio, "-" if self.goal is None else str(self.goal)

    def __str__(self) -> str:
        return " · ".join(self.cells())


@dataclass(frozen=True, slots=True)
class Pair:
    """Two measurements made right after one another, in seconds."""

    ours: float
    theirs: float


def at_most(limit: float, value: float, what: str) -> Goal:
    """The goal that a value is no more than a limit. `what`: with {} for the limit."""
    return Goal(what.format(f"≤ {limit:g}"), value <= limit)


def in_turns(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> list[Pair]:
    """Measure two things in pairs, so that what else the machine does befalls both; who is first takes turns."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            second = theirs()
            pairs.append(Pair(ours(), second))
        else:
            first = ours()
            pairs.append(Pair(first, theirs()))
    return pairs


def typical_ratio(pairs: Sequence[Pair]) -> float:
    """The median of the pairs' ratios: one disturbed pair does not count."""
    return median(pair.ours / pair.theirs for pair in pairs)


def typical_difference(pairs: Sequence[Pair]) -> float:
    """The median of the pairs' differences, in seconds."""
    return median(pair.ours - pair.theirs for pair in pairs)


def number(count: int) -> str:
    """A whole number for people: 100 000."""
    return f"{count:,}".replace(",", " ")


def table(figures: Iterable[Figure]) -> str:
    """All figures, a line each, columns below each other."""
    rows = [_COLUMNS, *(figure.cells() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )

"""Progress lines of a long change: when a line is due, and its text."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos import Clock

FIRST: Final = 2.0
"""Seconds until the first line."""
EVERY: Final = 5.0
"""Seconds between two lines, at least."""
MOST: Final = 60
"""Lines of one change."""
_FAST: Final = 10.0
"""Keys a second from which on the rate is printed without a decimal."""
_GROWTH: Final = 0.2
"""Of the time gone by: the longer a change takes, the rarer its lines, so that they last for days."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a change is.

    Attributes:
        doing: What is being done, such as "cancelling".
        done: Keys that are through with it.
        total: Keys that have to get through.
    """

    doing: str
    done: int
    total: int


def next_line(elapsed: float) -> float:
    """Seconds after the beginning at which the line after one at `elapsed` is due."""
    return elapsed + max(EVERY, elapsed * _GROWTH)


def line(step: Step, seconds: float, waits_for: str) -> str:
    """One line: done of total, keys a second over this step so far, and what it waits for."""
    speed = step.done / seconds if seconds > 0 else 0.0
    rate = f", {speed:.{0 if speed >= _FAST else 1}f} a second" if speed else ""
    return f"{step.doing}: {step.done} of {step.total} keys{rate}" + (f"; waiting: {waits_for}" if waits_for else "")


class Progress:
    """Prints now and then how far a change is.

    Args:
        say: Where the lines go; None for nowhere.
        clock: What it goes by.
        waits_for: What is being waited for at the moment, "" for nothing special.
    """

    def __init__(self, say: Callable[[str], None] | None, clock: Clock, waits_for: Callable[[], str]) -> None:
        self._say = say
        self._clock = clock
        self._waits_for = waits_for
        self._lock = threading.Lock()
        self._begun = self._step_begun = clock.monotonic()
        self._due = FIRST
        self._said = 0
        self._step = Step("reading", 0, 0)
        self._wait = ""

    def begin(self, doing: str, total: int) -> None:
        """Something else is being done from now on."""
        with self._lock:
            self._step = Step(doing, 0, total)
            self._step_begun = self._clock.monotonic()
            self._wait = ""

    def add(self, keys: int) -> None:
        """So many more keys are through."""
        with self._lock:
            step = self._step
            self._step = Step(step.doing, min(step.total, step.done + keys), step.total)

    def wait_for(self, what: str) -> None:
        """What is being waited for, until something else begins."""
        self._wait = what

    def tick(self) -> None:
        """Say a line if one is due. For the thread of the change alone."""
        if self._say is None or self._said >= MOST:
            return
        now = self._clock.monotonic()
        if now - self._begun < self._due:
            return
        self._said += 1
        self._due = next_line(now - self._begun)
        self._say(line(self._step, now - self._step_begun, self._waits_for() or self._wait))

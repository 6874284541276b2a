"""Progress lines of a long change."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos import Clock

FIRST: Final = 2.0
"""Seconds until the first line."""
EVERY: Final = 5.0
"""Seconds between two lines, at least."""
_GROWTH: Final = 0.2
"""Of the time gone by: the longer a change takes, the rarer its lines. A week has some sixty."""
_FAST: Final = 10.0
"""Keys a second from which on the rate is printed without a decimal."""


class Progress:
    """Prints now and then how far a change is.

    `say` prints a line, `clock` decides when one is due, `waits_for` returns what the change waits for ("" for
    nothing).
    """

    def __init__(self, say: Callable[[str], None] | None, clock: Clock, waits_for: Callable[[], str]) -> None:
        self._say = say
        self._clock = clock
        self._waits_for = waits_for
        self._lock = threading.Lock()
        self._begun = clock.monotonic()
        self._due = FIRST
        self.begin("reading", 0)

    def begin(self, doing: str, total: int) -> None:
        """Begin another step, such as "cancelling", for so many keys."""
        with self._lock:
            self._doing, self._done, self._total = doing, 0, total
            self._step_begun = self._clock.monotonic()
            self._wait = ""

    def add(self, keys: int) -> None:
        """Count keys that are through with this step."""
        with self._lock:
            self._done = min(self._total, self._done + keys)

    def wait_for(self, what: str) -> None:
        """Note what the change waits for, until the next step begins."""
        self._wait = what

    def tick(self) -> None:
        """Print a line if one is due. For the thread of the change alone."""
        now = self._clock.monotonic()
        elapsed = now - self._begun
        if self._say is None or elapsed < self._due:
            return
        self._due = elapsed + max(EVERY, elapsed * _GROWTH)
        self._say(self._line(now - self._step_begun))

    def _line(self, seconds: float) -> str:
        """Done of total, keys a second over this step so far, and what it waits for."""
        speed = self._done / seconds if seconds > 0 else 0.0
        rate = f", {speed:.{0 if speed >= _FAST else 1}f} a second" if speed else ""
        wait = self._waits_for() or self._wait
        return f"{self._doing}: {self._done} of {self._total} keys{rate}" + (f"; waiting: {wait}" if wait else "")

"""Time as an argument: whatever waits, measures or stamps a request gets a clock handed in."""

from __future__ import annotations

import time
from typing import Final, Protocol


class Clock(Protocol):
    """What the client needs to know about time.

    `sleep` may raise to end a wait, for instance on an interrupt: the client passes the exception on and sends nothing.
    """

    def time(self) -> float:
        """Unix time, in seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds since any fixed moment; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait this long."""
        ...


class _SystemClock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM_CLOCK: Final[Clock] = _SystemClock()
"""The machine's own clock."""

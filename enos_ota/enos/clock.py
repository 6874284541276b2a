"""Clock as an argument, for waits, measurements and timestamps."""

from __future__ import annotations

import time
from typing import Final, Protocol


class Clock(Protocol):
    """Source of time and waits for the client.

    `sleep` may raise to end a wait, for instance on an interrupt: the client passes the exception on and sends nothing.
    """

    def time(self) -> float:
        """Unix time, in seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds since a fixed moment; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class _SystemClock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM_CLOCK: Final[Clock] = _SystemClock()
"""Clock of this machine."""

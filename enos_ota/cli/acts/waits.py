"""Waits that an operator hears of: silence for minutes reads as a command that hangs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from enos_ota.enos import RetryPolicy
from enos_ota.reconciler.progress import EVERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos import Clock

_WORTH_TELLING: Final = 1.0
"""Seconds."""


class AloudClock:
    """Tells now and then that EnOS throttles, and how long that is waited for. Safe to share between threads.

    Args:
        clock: What it goes by.
        pause_left: Seconds that EnOS is not to be asked, see `EnosClient.pause_left`.
        say: Where the lines go.
    """

    def __init__(self, clock: Clock, pause_left: Callable[[], float], say: Callable[[str], None]) -> None:
        self.time = clock.time
        self.monotonic = clock.monotonic
        self._sleep = clock.sleep
        self._pause_left = pause_left
        self._say = say
        self._lock = threading.Lock()
        self._due = float("-inf")

    def sleep(self, seconds: float) -> None:
        """Wait this long, and say so if it is for EnOS."""
        pause = self._pause_left()
        if pause >= _WORTH_TELLING and self._is_due():
            self._say(
                f"waiting: EnOS throttles, the next attempt is in {pause:.0f} s;"
                f" it is given up when nothing gets through for {RetryPolicy().standstill:.0f} s"
            )
        self._sleep(seconds)

    def _is_due(self) -> bool:
        with self._lock:
            now = self.monotonic()
            if now < self._due:
                return False
            self._due = now + EVERY
            return True

"""Waits that an operator hears of: silence for minutes reads as a command that hangs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from enos_ota.enos import RetryPolicy
from enos_ota.reconciler.progress import EVERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos import Clock, Pause

_WORTH_TELLING: Final = 1.0
"""Seconds."""


class AloudClock:
    """Tells now and then why EnOS is not asked, and how long that is waited for. Safe to share between threads.

    Args:
        clock: What it goes by.
        pause: The pause that is under way, see `EnosClient.pause`.
        say: Where the lines go.
    """

    def __init__(self, clock: Clock, pause: Callable[[], Pause], say: Callable[[str], None]) -> None:
        self.time = clock.time
        self.monotonic = clock.monotonic
        self._sleep = clock.sleep
        self._pause = pause
        self._say = say
        self._lock = threading.Lock()
        self._due = float("-inf")

    def sleep(self, seconds: float) -> None:
        """Wait this long, and say so if it is for EnOS."""
        pause = self._pause()
        if pause.seconds >= _WORTH_TELLING and self._is_due():
            self._say(
                f"waiting: {pause};"
                f" enos-ota gives up after {RetryPolicy().standstill:.0f} s without a successful request"
            )
        self._sleep(seconds)

    def _is_due(self) -> bool:
        with self._lock:
            now = self.monotonic()
            if now < self._due:
                return False
            self._due = now + EVERY
            return True

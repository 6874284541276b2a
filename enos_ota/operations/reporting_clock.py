"""A clock that reports long waits for EnOS."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from enos_ota.enos.client import DEFAULT_RETRY
from enos_ota.reconciler.progress import EVERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos import Clock, Pause

_SHORTEST: Final = 1.0
"""Seconds; shorter pauses are not reported."""


class ReportingClock:
    """A clock that reports now and then why a request waits, and for how long. Safe to share between threads."""

    def __init__(self, clock: Clock, pause: Callable[[], Pause], notify: Callable[[str], None]) -> None:
        self.time = clock.time
        self.monotonic = clock.monotonic
        self._sleep = clock.sleep
        self._pause = pause
        self._notify = notify
        self._lock = threading.Lock()
        self._due = float("-inf")

    def sleep(self, seconds: float) -> None:
        """Wait this long; report it if EnOS asked for the pause."""
        pause = self._pause()
        if pause.seconds >= _SHORTEST and self._is_due():
            self._notify(
                f"waiting: {pause};"
                f" enos-ota gives up after {DEFAULT_RETRY.standstill:.0f} s without a successful request"
            )
        self._sleep(seconds)

    def _is_due(self) -> bool:
        with self._lock:
            now = self.monotonic()
            if now < self._due:
                return False
            self._due = now + EVERY
            return True

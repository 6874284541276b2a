"""A clock that a test sets: nothing waits, and every wait is written down."""

from __future__ import annotations

import threading


class FakeClock:
    """Time stands still until somebody sleeps or the test moves it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        """Unix seconds."""
        self.sleeps: list[float] = []
        """Every wait, in order."""
        self._lock = threading.Lock()
        self._elapsed = 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.now += seconds
            self._elapsed += seconds

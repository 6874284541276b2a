"""The pace of a client: one limiter for all its threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enos_ota.enos.clock import Clock


class Limiter:
    """Lets requests out one by one, no faster than the rate, and none while the server asked for a pause."""

    def __init__(self, max_requests_per_second: float | None, clock: Clock) -> None:
        """Set the pace.

        Args:
            max_requests_per_second: None for no limit.
            clock: what tells the time and waits.

        Raises:
            ValueError: a rate that is not positive.
        """
        if max_requests_per_second is not None and not max_requests_per_second > 0:
            raise ValueError("max_requests_per_second must be positive")
        self._interval = 1 / max_requests_per_second if max_requests_per_second else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._paused_until = 0.0

    def pause(self, seconds: float) -> None:
        """Nobody sends for this long from now; a longer pause that is under way stays."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def pause_left(self) -> float:
        """Seconds until the server's pause is over, 0 when there is none."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock.monotonic())

    def wait(self) -> None:
        """Return when one more request may leave. A pause that begins while waiting is kept as well."""
        while (delay := self._take()) > 0:
            self._clock.sleep(delay)

    def _take(self) -> float:
        with self._lock:
            now = self._clock.monotonic()
            start = max(self._next, self._paused_until)
            if start > now:
                return start - now
            self._next = now + self._interval
            return 0.0

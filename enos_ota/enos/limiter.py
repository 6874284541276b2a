"""The pace of a client: one limiter for all its threads. It decides; waiting is left to those who ask."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enos_ota.enos.clock import Clock


@dataclass(frozen=True, slots=True)
class Turn:
    """One request may leave now."""

    number: int
    """Counts up, so that answers can be told apart by when their requests left."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nobody may send now."""

    seconds: float
    """How long to wait before asking again."""


class Limiter:
    """Lets requests out one by one, no faster than the rate, and none while the server asked for a pause."""

    def __init__(self, max_requests_per_second: float | None, clock: Clock) -> None:
        """Set the pace.

        Args:
            max_requests_per_second: None for no limit.
            clock: what tells the time.

        Raises:
            ValueError: a rate that is not positive.
        """
        if max_requests_per_second is not None and not max_requests_per_second > 0:
            raise ValueError("max_requests_per_second must be positive")
        self._interval = 1 / max_requests_per_second if max_requests_per_second else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._number = 0
        self._last = float("-inf")
        self._paused_until = 0.0

    def take(self) -> Turn | NotYet:
        """A turn for one request, or how long there is none."""
        with self._lock:
            now = self._clock.monotonic()
            start = max(self._last + self._interval, self._paused_until)
            if start > now:
                return NotYet(start - now)
            self._last = now
            self._number += 1
            return Turn(self._number)

    def pause(self, seconds: float) -> None:
        """Nobody sends for this long from now; a longer pause that is under way stays."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def pause_left(self) -> float:
        """Seconds until the server's pause is over, 0 when there is none."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock.monotonic())

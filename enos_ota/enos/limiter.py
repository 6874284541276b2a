"""The pace of a client: one limiter for all its threads. It decides; waiting is left to those who ask."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from enos_ota.enos.pace import LearnedPace

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos.clock import Clock

_OF_LATE: Final = 3.0  # seconds over which is measured how many requests get through
_LONG_AGO: Final = 60.0  # seconds after the last failure, and its pause, from which on a failure is a new beginning


@dataclass(frozen=True, slots=True)
class Turn:
    """One request may leave now."""

    number: int
    """Counts up: which requests left before others were refused."""
    taken_at: float
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nobody may send now."""

    seconds: float
    """How long to wait before asking again."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which no request of a client leaves."""

    seconds: float = 0.0
    """Until it is over; 0 when there is none."""
    throttled: bool = False
    """The reason is a 429."""
    asked: bool = False
    """EnOS named the time (Retry-After), with a 429 or with an outage."""

    def __str__(self) -> str:
        cause = "EnOS asked for a pause"
        if self.throttled:
            cause = "EnOS throttles and asked for a pause" if self.asked else "EnOS throttles"
        return f"{cause}, {self.seconds:.0f} s left"


class Limiter:
    """Lets requests out one by one: no faster than the rate that is set, nor than EnOS takes them, and in no pause.

    EnOS documents neither its limits nor the form of a throttled answer [U], so the pace is learned. The first 429 of a
    round slows all threads down and makes them pause; those of requests that had left by then teach nothing new.
    """

    def __init__(self, max_requests_per_second: float | None, clock: Clock, backoff: Callable[[int], float]) -> None:
        """Set the pace.

        Args:
            max_requests_per_second: the upper bound; None for none.
            clock: what tells the time.
            backoff: how many seconds to pause after a 429 that names none, given how many rounds (from 1) there were
                since anything got through.

        Raises:
            ValueError: a rate that is not positive.
        """
        if max_requests_per_second is not None and not max_requests_per_second > 0:
            raise ValueError("max_requests_per_second must be positive")
        self._interval = 1 / max_requests_per_second if max_requests_per_second else 0.0
        self._clock = clock
        self._backoff = backoff
        self._lock = threading.Lock()
        self._last = float("-inf")
        self._number = 0
        self._paused_until = 0.0
        self._pause = Pause()  # why; its seconds say nothing
        self._pace: LearnedPace | None = None
        self._passes: deque[float] = deque()
        self._known_up_to = 0  # the last turn given when the pace was last slowed down
        self._passed = False  # since then
        self._rounds = 0
        self._last_pass = self._last_failure = float("-inf")
        self._fails_since: float | None = None

    def take(self) -> Turn | NotYet:
        """A turn for one request, or how long there is none."""
        with self._lock:
            now = self._clock.monotonic()
            interval = max(self._interval, 1 / self._pace.rate(now)) if self._pace else self._interval
            start = max(self._last + interval, self._paused_until)
            if start > now:
                return NotYet(start - now)
            self._last = now
            self._number += 1
            return Turn(self._number, now)

    def pause(self, seconds: float) -> None:
        """Let nobody send for this long from now, as EnOS asked for it; a longer pause that is under way stays."""
        with self._lock:
            self._begin(Pause(seconds, asked=True))

    def current_pause(self) -> Pause:
        """The pause that is under way."""
        with self._lock:
            return replace(self._pause, seconds=max(0.0, self._paused_until - self._clock.monotonic()))

    def standstill(self) -> float:
        """Seconds since an attempt began that failed, and after which none succeeded; 0 when there is none."""
        with self._lock:
            return 0.0 if self._fails_since is None else self._clock.monotonic() - self._fails_since

    def passed(self) -> None:
        """Note that EnOS took a request."""
        with self._lock:
            self._last_pass = self._clock.monotonic()
            self._passes.append(self._last_pass)
            self._forget()
            self._passed = True
            self._rounds = 0
            self._fails_since = None

    def failed(self, turn: Turn) -> None:
        """Note that an attempt got no answer, or one that says that EnOS has trouble."""
        with self._lock:
            self._stand_still(turn)

    def throttled(self, turn: Turn, asked: float | None) -> None:
        """Note that EnOS refused a request for its pace.

        Args:
            turn: the request's.
            asked: seconds that EnOS asks to wait; None or 0 when it names none.
        """
        with self._lock:
            self._stand_still(turn)
            if asked:
                self._begin(Pause(asked, throttled=True, asked=True))
            if turn.number > self._known_up_to:
                self._known_up_to = self._number
                self._rounds += 1
                if not asked:
                    self._begin(Pause(self._backoff(self._rounds), throttled=True))
                self._slow_down(self._clock.monotonic())

    def _stand_still(self, turn: Turn) -> None:
        now = self._clock.monotonic()
        if self._fails_since is None or now > max(self._last_failure, self._paused_until) + _LONG_AGO:
            self._fails_since, self._rounds = max(turn.taken_at, self._last_pass), 0
        self._last_failure = now

    def _begin(self, pause: Pause) -> None:
        until = self._clock.monotonic() + pause.seconds
        if until > self._paused_until:
            self._paused_until, self._pause = until, pause

    def _slow_down(self, now: float) -> None:
        if self._pace is None:
            self._pace = LearnedPace.first(self._passing(now), self._paused_until)
        elif self._passed:
            self._pace = self._pace.slowed(now, self._passing(now), self._paused_until)
        else:
            # Where nothing at all gets through, the pace is not to blame.
            self._pace = self._pace.resumed(self._paused_until)
        self._passed = False

    def _passing(self, now: float) -> float:
        """Requests a second that got through of late, a pause before the first of them left out."""
        self._forget()
        return len(self._passes) / max(1.0, now - self._passes[0]) if self._passes else 0.0

    def _forget(self) -> None:
        then = self._clock.monotonic() - _OF_LATE
        while self._passes and self._passes[0] <= then:
            self._passes.popleft()

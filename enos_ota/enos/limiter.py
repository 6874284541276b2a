"""Rate limiter of a client, shared by all its threads. It decides when to send; the callers wait."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos.clock import Clock

SLOWEST: Final = 0.05
"""Lower bound of the rate, in requests a second."""
FIRST: Final = 5.0
"""Lower bound of the rate after the first refusal, which may be accidental, in requests a second."""
DECREASE: Final = 0.85
"""Factor by which a refusal reduces the rate."""
_RECOVERY: Final = 10.0  # seconds
_RECOVERY_REQUESTS: Final = 50.0
_FIRST_RECOVERY: Final = 2.0  # seconds
_RATE_WINDOW: Final = 3.0  # seconds over which the rate of successful requests is measured
_QUIET: Final = 60.0  # seconds without a failure or pause after which the next failure starts a new standstill


@dataclass(frozen=True, slots=True)
class Turn:
    """Permission to send one request now."""

    number: int
    """Ascending number, which shows the requests that were sent before another was refused."""
    taken_at: float
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class MustWait:
    """No request may be sent now."""

    seconds: float
    """Wait before the next `take`."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A time during which a client sends no request."""

    seconds: float = 0.0
    """Seconds until the end; 0 when there is no pause."""
    throttled: bool = False
    """Whether the reason is a 429."""
    asked: bool = False
    """Whether EnOS gave the time (Retry-After), with a 429 or another error."""

    def __str__(self) -> str:
        cause = "EnOS asked for a pause"
        if self.throttled:
            cause = "EnOS throttles and asked for a pause" if self.asked else "EnOS throttles"
        return f"{cause}, {self.seconds:.0f} s left"


@dataclass(frozen=True, slots=True)
class AdaptiveRate:
    """Highest request rate, in requests a second.

    After a refusal (429) the rate falls at once and then recovers along a cubic curve, like TCP CUBIC (RFC 9438):
    quickly at first, slowly near the refused rate, then faster and faster. So little time is lost below the limit, few
    requests are refused above it, and a raised limit is soon used: recovery takes 10 s, or 50 requests if that is
    longer; ten times the rate takes about five times as long.
    """

    ceiling: float
    """The refused rate."""
    since: float
    """Monotonic seconds from which requests may be sent again."""
    recovery: float
    """Seconds from then until the rate reaches the refused one again."""

    def rate(self, now: float) -> float:
        """Return the highest rate at this time, in requests a second."""
        progress = max(0.0, now - self.since) / self.recovery
        return self.ceiling * (1 + (1 - DECREASE) * (progress - 1) ** 3)

    def after_refusal(self, now: float, successes: float, resumes: float) -> AdaptiveRate:
        """Return the rate after another refusal: the rate of successful requests, and at least half of this one."""
        rate = self.rate(now)
        ceiling = max(SLOWEST, min(rate, max(successes, rate / 2)))
        return AdaptiveRate(ceiling, resumes, max(_RECOVERY, _RECOVERY_REQUESTS / ceiling))


class Limiter:
    """Spaces requests: not above the configured rate, not above the rate that EnOS accepts, and none during a pause.

    EnOS documents neither its limits nor the form of a throttled answer [U], so the rate adapts. The first 429 of a
    round slows all threads down and makes them pause; 429s of requests that had been sent earlier change nothing.
    """

    def __init__(self, max_requests_per_second: float | None, clock: Clock, backoff: Callable[[int], float]) -> None:
        """Create a limiter without a pause.

        `backoff` returns the seconds of the pause after a 429 without Retry-After, by the number of rounds (from 1)
        since the last success.
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
        self._pause = Pause()  # its cause; the seconds are those at its beginning
        self._rate: AdaptiveRate | None = None
        self._passes: deque[float] = deque()
        self._known_up_to = 0  # number of the last turn when the rate was last reduced
        self._passed = False  # whether a request succeeded since then
        self._rounds = 0
        self._last_pass = self._last_failure = float("-inf")
        self._fails_since: float | None = None

    def take(self) -> Turn | MustWait:
        """Return the permission for one request, or the wait until the next."""
        with self._lock:
            now = self._clock.monotonic()
            interval = max(self._interval, 1 / self._rate.rate(now)) if self._rate else self._interval
            start = max(self._last + interval, self._paused_until)
            if start > now:
                return MustWait(start - now)
            self._last = now
            self._number += 1
            return Turn(self._number, now)

    def pause(self, seconds: float) -> None:
        """Send no request for this long, as EnOS requested; a longer current pause stays."""
        with self._lock:
            self._begin(Pause(seconds, asked=True))

    def current_pause(self) -> Pause:
        """Return the current pause."""
        with self._lock:
            return replace(self._pause, seconds=max(0.0, self._paused_until - self._clock.monotonic()))

    def standstill(self) -> float:
        """Return the seconds since the first failed attempt after the last success; 0 if there is none."""
        with self._lock:
            return 0.0 if self._fails_since is None else self._clock.monotonic() - self._fails_since

    def passed(self) -> None:
        """Record that EnOS processed a request."""
        with self._lock:
            self._last_pass = self._clock.monotonic()
            self._passes.append(self._last_pass)
            self._drop_old_passes()
            self._passed = True
            self._rounds = 0
            self._fails_since = None

    def failed(self, turn: Turn) -> None:
        """Record that an attempt got no answer or a server error."""
        with self._lock:
            self._record_failure(turn)

    def throttled(self, turn: Turn, asked: float | None) -> None:
        """Record that EnOS throttled a request; `asked` is the wait in Retry-After, None or 0 without it."""
        with self._lock:
            self._record_failure(turn)
            if asked:
                self._begin(Pause(asked, throttled=True, asked=True))
            if turn.number > self._known_up_to:
                self._known_up_to = self._number
                self._rounds += 1
                if not asked:
                    self._begin(Pause(self._backoff(self._rounds), throttled=True))
                self._slow_down(self._clock.monotonic())

    def _record_failure(self, turn: Turn) -> None:
        now = self._clock.monotonic()
        if self._fails_since is None or now > max(self._last_failure, self._paused_until) + _QUIET:
            self._fails_since, self._rounds = max(turn.taken_at, self._last_pass), 0
        self._last_failure = now

    def _begin(self, pause: Pause) -> None:
        until = self._clock.monotonic() + pause.seconds
        if until > self._paused_until:
            self._paused_until, self._pause = until, pause

    def _slow_down(self, now: float) -> None:
        if self._rate is None:
            # A first refusal may be accidental, so the recovery is short.
            self._rate = AdaptiveRate(max(self._success_rate(now), FIRST), self._paused_until, _FIRST_RECOVERY)
        elif self._passed:
            self._rate = self._rate.after_refusal(now, self._success_rate(now), self._paused_until)
        else:
            # No request succeeded since the last reduction: the rate is not the cause.
            self._rate = replace(self._rate, since=self._paused_until)
        self._passed = False

    def _success_rate(self, now: float) -> float:
        """Return the successful requests a second in the last seconds, without a pause before the first of them."""
        self._drop_old_passes()
        return len(self._passes) / max(1.0, now - self._passes[0]) if self._passes else 0.0

    def _drop_old_passes(self) -> None:
        then = self._clock.monotonic() - _RATE_WINDOW
        while self._passes and self._passes[0] <= then:
            self._passes.popleft()

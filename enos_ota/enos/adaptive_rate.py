"""Request rate that adapts to refusals (429). Pure, without clock or network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

SLOWEST: Final = 0.05
"""Lower bound of the rate, in requests a second."""
FIRST: Final = 5.0
"""Lower bound of the rate after the first refusal, which may be accidental, in requests a second."""
DECREASE: Final = 0.85
"""Factor by which a refusal reduces the rate."""
_RECOVERY: Final = 10.0  # seconds
_RECOVERY_REQUESTS: Final = 50.0
_FIRST_RECOVERY: Final = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class AdaptiveRate:
    """Highest request rate, in requests a second.

    After a refusal the rate falls at once and then recovers along a cubic curve, like TCP CUBIC (RFC 9438): quickly at
    first, slowly near the refused rate, then faster and faster. So little time is lost below the limit, few requests
    are refused above it, and a raised limit is soon used: recovery takes 10 s, or 50 requests if that is longer; ten
    times the rate takes about five times as long.
    """

    ceiling: float
    """The refused rate."""
    since: float
    """Monotonic seconds from which requests may be sent again."""
    recovery: float
    """Seconds from then until the rate reaches the refused one again."""

    @classmethod
    def after_first_refusal(cls, successes: float, resumes: float) -> AdaptiveRate:
        """Return the rate after the first refusal, with a short recovery as it may be accidental.

        `successes` is the rate of successful requests; requests may be sent again from `resumes` on.
        """
        return cls(max(successes, FIRST), resumes, _FIRST_RECOVERY)

    def rate(self, now: float) -> float:
        """Return the highest rate at this time, in requests a second."""
        progress = max(0.0, now - self.since) / self.recovery
        return self.ceiling * (1 + (1 - DECREASE) * (progress - 1) ** 3)

    def after_refusal(self, now: float, successes: float, resumes: float) -> AdaptiveRate:
        """Return the rate after another refusal: the rate of successful requests, and at least half of this one."""
        rate = self.rate(now)
        ceiling = max(SLOWEST, min(rate, max(successes, rate / 2)))
        return AdaptiveRate(ceiling, resumes, max(_RECOVERY, _RECOVERY_REQUESTS / ceiling))

    def after_pause(self, resumes: float) -> AdaptiveRate:
        """Return this rate from the end of a pause on, for a refusal that the rate did not cause."""
        return replace(self, since=resumes)

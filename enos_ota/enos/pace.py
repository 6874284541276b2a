"""A rate found out by being refused: pure, so that it can be tried out without a service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

SLOWEST: Final = 0.05
"""The lowest rate that is learned, in requests a second."""
FIRST: Final = 5.0
"""The lowest rate that is learned from the first refusal, which says little."""
DECREASE: Final = 0.85
"""What is left of the rate after a refusal."""
_WAY_BACK: Final = 10.0  # seconds
_FEWEST: Final = 50.0  # requests on the way back
_FIRST_WAY_BACK: Final = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class LearnedPace:
    """How fast requests may leave, in requests a second.

    After a refusal the rate falls at once and then comes back along a cubic curve, as that of TCP does with CUBIC (RFC
    9438): quickly at first, hardly moving near the rate that was refused, then faster and faster. So little time is
    lost below the limit, few requests are refused above it, and a limit that was lifted is soon noticed: the way back
    takes 10 s, or 50 requests where that is longer, ten times the rate some five times as long.
    """

    ceiling: float
    """The rate that was refused."""
    since: float
    """Monotonic seconds at which requests may leave again."""
    way_back: float
    """Seconds from then until the rate is the refused one."""

    @classmethod
    def first(cls, passing: float, resumes: float) -> LearnedPace:
        """What the first refusal teaches, which may have come by chance: the way back is short.

        Args:
            passing: requests a second that got through of late.
            resumes: monotonic seconds at which requests may leave again.
        """
        return cls(max(passing, FIRST), resumes, _FIRST_WAY_BACK)

    def rate(self, now: float) -> float:
        """Requests a second that may leave now."""
        gone = max(0.0, now - self.since) / self.way_back
        return self.ceiling * (1 + (1 - DECREASE) * (gone - 1) ** 3)

    def slowed(self, now: float, passing: float, resumes: float) -> LearnedPace:
        """What another refusal teaches: the limit is about where requests get through, and not above the rate.

        The rate is halved at most, as a short while tells little. Arguments as for `first`.
        """
        rate = self.rate(now)
        ceiling = max(SLOWEST, min(rate, max(passing, rate / 2)))
        return LearnedPace(ceiling, resumes, max(_WAY_BACK, _FEWEST / ceiling))

    def resumed(self, resumes: float) -> LearnedPace:
        """The same after a pause, for a refusal that does not speak of the pace."""
        return replace(self, since=resumes)

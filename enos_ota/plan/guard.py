"""How many devices one change of a set may cancel at most.

A guard fails closed: a limit that cannot be checked allows nothing. It counts the devices whose cancel would be sent,
not those that are declared: adding one key to a set of thousands that is cancelled already is a change of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from enos_ota.plan.naming import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BREAK_GLASS: Final = "ENOS_OTA_BREAK_GLASS"
"""The environment variable whose text, a reason, overrides the guard for one run."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Limits of one change of one set.

    Attributes:
        max_devices: Devices at most; 0 allows none; None for no limit.
        max_share: Part of all tasks of the job at most, more than 0 and up to 1; None for no limit.
    """

    max_devices: int | None = None
    max_share: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is any limit, so that the tasks have to be read before a request is sent."""
        return self.max_devices is not None or self.max_share is not None

    def completed_by(self, other: Guard) -> Guard:
        """The same, with the other's limits where this one has none."""
        return Guard(
            other.max_devices if self.max_devices is None else self.max_devices,
            other.max_share if self.max_share is None else self.max_share,
        )

    def allowed(self, total: int | None) -> int | None:
        """How many devices one change may cancel; None for no limit, or where the limit depends on an unknown total."""
        limits = [self.max_devices, self.share_of(total)]
        return min((limit for limit in limits if limit is not None), default=None)

    def share_of(self, total: int | None) -> int | None:
        """How many devices `max_share` allows of so many tasks; None where there is no such limit or no total."""
        if self.max_share is None or total is None:
            return None
        # 0.29 of 100 tasks are 29, and not the 28.999999999999996 that floating point makes of it.
        return math.floor(Fraction(repr(float(self.max_share))) * total)

    def is_exceeded(self, count: int, total: int | None) -> bool:
        """Whether a change of so many devices, in a job of so many tasks (None: unknown), is not allowed."""
        return count > 0 and (self.exceeds_devices(count) or self.exceeds_share(count, total))

    def exceeds_devices(self, count: int) -> bool:
        """Whether so many devices are more than `max_devices`."""
        return self.max_devices is not None and count > self.max_devices

    def exceeds_share(self, count: int, total: int | None) -> bool:
        """Whether so many devices are more than `max_share`, or that cannot be checked."""
        if self.max_share is None:
            return False
        share = self.share_of(total)
        return share is None or count > share

    def allows_more_than(self, other: Guard) -> bool:
        """Whether a limit of the other is wider or missing here."""
        return any(
            was is not None and (limit is None or limit > was)
            for limit, was in ((self.max_devices, other.max_devices), (self.max_share, other.max_share))
        )


def strictest(guards: Iterable[Guard]) -> Guard:
    """The smallest of each limit that any of these guards has."""
    every = list(guards)
    return Guard(
        min((each.max_devices for each in every if each.max_devices is not None), default=None),
        min((each.max_share for each in every if each.max_share is not None), default=None),
    )


def break_glass(environ: Mapping[str, str]) -> str:
    """The reason for which this run overrides the guard, as one line; empty when it does not."""
    return one_line(environ.get(BREAK_GLASS, ""))

"""What stops a change: more devices than the guard allows, or another firmware than expected.

A guard fails closed: a limit that cannot be checked allows nothing. It counts the devices whose cancel would be sent,
not those that are declared: adding one key to a set of thousands that is cancelled already is a change of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from enos_ota.plan.codes import Code
from enos_ota.plan.naming import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BREAK_GLASS: Final = "ENOS_OTA_BREAK_GLASS"
"""The environment variable whose text, a reason, overrides the guard for one run."""

_PERCENT: Final = range(2, 101)


@dataclass(frozen=True, slots=True)
class Guard:
    """Limits of one change of one set; None for no limit.

    Attributes:
        max_devices: Devices at most; 0 allows none.
        max_share: Part of all tasks of the job at most, more than 0 and up to 1.
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
        return self.exceeded_by(count, total).is_set

    def exceeded_by(self, count: int, total: int | None) -> Guard:
        """The limits that such a change exceeds; a share of an unknown number of tasks is one."""
        share = self.share_of(total)
        return Guard(
            self.max_devices if self.max_devices is not None and count > self.max_devices else None,
            self.max_share if count and (share is None or count > share) else None,
        )

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


@dataclass(frozen=True, slots=True)
class Objection:
    """A reason not to send any request for a set.

    Attributes:
        count: Devices whose cancel would be sent.
        total: Tasks of the job; None when EnOS does not say, or no limit depends on it.
        guard: The limits that are exceeded.
    """

    code: Code
    count: int = 0
    total: int | None = None
    guard: Guard = field(default_factory=Guard)
    expected: str = ""
    found: str = ""


def guard_objection(guard: Guard, count: int, total: int | None) -> Objection | None:
    """The objection to cancelling so many devices in a job of so many tasks; None if the guard allows it."""
    if not guard.is_exceeded(count, total):
        return None
    return Objection(Code.GUARD_EXCEEDED, count, None if guard.max_share is None else total, guard)


def firmware_objection(expected: str | None, found: str) -> Objection | None:
    """The objection to a job whose firmware is not the expected one; EnOS names a job's firmware from 2.4.0 on [D]."""
    if not expected or found == expected:
        return None
    return Objection(Code.FIRMWARE_MISMATCH if found else Code.FIRMWARE_UNKNOWN, expected=expected, found=found)


def limit_problems(max_devices: Any, max_share: Any, *, names: tuple[str, str]) -> list[str]:
    """List what is wrong with the two numbers of a guard, one sentence each; None is fine, and so is 500.0 for 500."""
    problems = []
    if max_devices is not None and not (
        _is_number(max_devices) and max_devices >= 0 and float(max_devices).is_integer()
    ):
        problems.append(f"{names[0]} must be a whole number from 0 on, not {max_devices!r}")
    if max_share is not None and not (_is_number(max_share) and 0 < max_share <= 1):
        hint = percent_hint(max_share) if _is_number(max_share) else ""
        problems.append(f"{names[1]} must be more than 0 and at most 1, not {max_share!r}{hint}")
    return problems


def percent_hint(share: float) -> str:
    """Return what to write for a share that was probably given in percent; empty if it was not."""
    return f"; for {share:g} % write {share / 100:g}" if share in _PERCENT else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

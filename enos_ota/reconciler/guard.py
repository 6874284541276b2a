"""Limits that a change must keep to before anything is sent: how many devices at most, and which firmware.

Both fail closed: what cannot be checked is not allowed. They see what would be sent, not what is declared: a set of
thousands that is cancelled already, and one key more, is a change of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from enos_ota.devicekeys.visible import is_visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BREAK_GLASS: Final = "ENOS_OTA_BREAK_GLASS"
"""The environment variable whose text, a reason, overrides the guard for one run."""

_PERCENT: Final = range(2, 101)

WAYS_OUT: Final = f"raise the guard in the stack file, split the change, or set {BREAK_GLASS}=<reason> for this run"


@dataclass(frozen=True, slots=True)
class Guard:
    """How much one change of one set may cancel.

    Attributes:
        max_devices: Devices at most; 0 allows none; None for no limit.
        max_share: Part of all tasks of the job at most, more than 0 and up to 1; None for no limit.
    """

    max_devices: int | None = None
    max_share: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is any limit, so that the tasks have to be read before anything is sent."""
        return self.max_devices is not None or self.max_share is not None

    def completed_by(self, other: Guard) -> Guard:
        """The same, with the other's limits where this one has none."""
        return Guard(
            other.max_devices if self.max_devices is None else self.max_devices,
            other.max_share if self.max_share is None else self.max_share,
        )

    def allowed(self, total: int | None) -> int | None:
        """How many devices one change may cancel; None for no limit, or where it depends on a total nobody knows."""
        limits = [self.max_devices, None if self.max_share is None or total is None else self._share_of(total)]
        return min((limit for limit in limits if limit is not None), default=None)

    def objection(self, count: int, total: int | None) -> str:
        """Why a change must not be made, with the numbers and what to do; empty when it may be.

        Args:
            count: Devices whose task would be in a cancelTask.
            total: Tasks of the job, whatever their status; None when that is not known.
        """
        excess = self.excess(count, total)
        return f"the guard stops this change, which {excess}; {WAYS_OUT}" if excess else ""

    def excess(self, count: int, total: int | None) -> str:
        """The numbers of an objection alone, to be read after "this change"; empty when there is none."""
        exceeded = self.exceeded(count, total)
        devices = "1 device" if count == 1 else f"{count} devices"
        return f"would cancel {devices}: {exceeded}" if exceeded else ""

    def exceeded(self, count: int, total: int | None) -> str:
        """The limits alone that so many devices would exceed, whatever is done to them; empty when there are none."""
        texts = (self._too_many(count), self._too_large(count, total)) if count else ()
        return " and ".join(filter(None, texts))

    def _too_many(self, count: int) -> str:
        if self.max_devices is None or count <= self.max_devices:
            return ""
        return f"at most {self.max_devices} may be (maxDevices)"

    def _too_large(self, count: int, total: int | None) -> str:
        if self.max_share is None:
            return ""
        if total is None:
            return f"how many tasks the job has is not known, so maxShare {self.max_share:g} cannot be checked"
        allowed = self._share_of(total)
        if count <= allowed:
            return ""
        tasks = "1 task" if total == 1 else f"{total} tasks"
        return f"at most {allowed} of the job's {tasks} may be (maxShare {self.max_share:g})"

    def _share_of(self, total: int) -> int:
        # 0.29 of 100 tasks are 29, and not the 28.999999999999996 that floating point makes of it.
        return math.floor(Fraction(repr(float(self.max_share or 0))) * total)


def strictest(guards: Iterable[Guard]) -> Guard:
    """What all of these guards allow: of each limit the smallest that any of them has."""
    every = list(guards)
    return Guard(
        min((each.max_devices for each in every if each.max_devices is not None), default=None),
        min((each.max_share for each in every if each.max_share is not None), default=None),
    )


def limit_problems(max_devices: Any, max_share: Any, *, names: tuple[str, str]) -> list[str]:
    """What is wrong with the two numbers of a guard, one sentence each; None is fine, and so is 500.0 for 500.

    Args:
        max_devices: see `Guard`.
        max_share: see `Guard`.
        names: how the two are called where they were written.
    """
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


def break_glass(environ: Mapping[str, str]) -> str:
    """The reason for which this run overrides the guard, as one line; empty when it does not."""
    return one_line(environ.get(BREAK_GLASS, ""))


def one_line(text: str) -> str:
    """A text of somebody else's made fit for a message: one line, nothing that a terminal would act on."""
    return "".join(character if is_visible(character) else " " for character in " ".join(text.split()))


def expectation_objection(expected: str | None, job_version: str, *, by_option: bool = False) -> str:
    """Why a job is not the one that is expected; empty when it is, or nothing is expected.

    Args:
        expected: The target version that is expected, or None (or empty).
        job_version: The job's target version; empty when EnOS does not say. It does from 2.4.0 on [D].
        by_option: Whether it is a command line, not a set, that expects it.
    """
    if not expected or job_version == expected:
        return ""
    if not job_version and by_option:
        return (
            f"firmware {expected} is expected, but EnOS does not say which the job is about: look it up in the console"
        )
    if not job_version:
        return (
            f"firmware {expected} is expected, but EnOS does not say which firmware the job is about: "
            "look it up in the console, then remove `expect`"
        )
    check = "check --job and --expect-firmware" if by_option else "check jobId and `expect`"
    return f"firmware {expected} is expected, but the job is about {one_line(job_version)}: {check}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

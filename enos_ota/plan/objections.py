"""Why a change must not be made: another firmware than expected, or more devices than the guard allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from enos_ota.plan.codes import Code
from enos_ota.plan.guard import Guard


@dataclass(frozen=True, slots=True)
class Objection:
    """A reason not to send any request for a set.

    Attributes:
        code: `GUARD_EXCEEDED`, `FIRMWARE_MISMATCH`, `FIRMWARE_UNKNOWN` or `NO_TASKS`.
        count: Devices whose cancel would be sent.
        total: Tasks of the job; None when EnOS does not say, or no limit depends on it.
        guard: The limits that are exceeded.
        expected: The firmware version that is expected.
        found: The firmware version of the job.
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
    """The objection to a job whose firmware is not the expected one; None if it is, or any will do.

    Args:
        expected: The target version that is expected; None or empty for any.
        found: The job's target version; empty when EnOS does not say. It does from 2.4.0 on [D].
    """
    if not expected or found == expected:
        return None
    return Objection(Code.FIRMWARE_MISMATCH if found else Code.FIRMWARE_UNKNOWN, expected=expected, found=found)

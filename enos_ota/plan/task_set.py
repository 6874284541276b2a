"""A declared set: the device keys of one job whose tasks are to be cancelled, and the limits of its changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from enos_ota.plan import days
from enos_ota.plan.guard import Guard

if TYPE_CHECKING:
    from datetime import date

OnTooLate = Literal["report", "fail"]
OnMissing = Literal["fail", "report"]


@dataclass(frozen=True, slots=True)
class TaskSet:
    """A declared set; empty texts for what it does not declare.

    Attributes:
        name: Unique in the stack.
        device_keys: Sorted, no duplicates.
        reason: Why, one line.
        on_too_late: Whether keys that are too late fail a run.
        on_missing: Whether keys without a task fail a run.
        guard: Limits of one change.
        expect_firmware_version: The job's target version.
        expires: Last day (UTC), ISO 8601. Afterwards the set is neither read nor changed.
    """

    name: str
    job_id: str
    device_keys: tuple[str, ...] = ()
    api_gateway: str = ""
    org_id: str = ""
    reason: str = ""
    on_too_late: OnTooLate = "report"
    on_missing: OnMissing = "fail"
    guard: Guard = field(default_factory=Guard)
    expect_firmware_version: str = ""
    expires: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Gateway, organization and job: another one replaces the set."""
        return self.api_gateway, self.org_id, self.job_id

    @property
    def subject(self) -> str:
        """The beginning of every message about the set."""
        return f"set {self.name!r} (job {self.job_id})"

    def is_expired(self, today: date) -> bool:
        """Whether the last day is over on a day (UTC)."""
        return days.is_over(self.expires, today)

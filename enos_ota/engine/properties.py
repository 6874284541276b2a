"""A set's property bag, which is its state, and its typed values: the only place that knows how they are spelled.

The names and texts here are what state files hold. Renaming one strands every stack that was deployed before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from enos_ota.devicekeys import rules as keys
from enos_ota.plan import days
from enos_ota.reconciler import Category, Finding, Guard, JobFacts, JobStatus, Record, Rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from enos_ota.reconciler.verdict import OnMissing, OnTooLate

IDENTITY: Final = ("apiGateway", "orgId", "jobId")
"""Inputs that say which job it is: a change replaces the resource."""

METADATA: Final = (
    "reason",
    "onTooLate",
    "onMissing",
    "maxDevices",
    "maxShare",
    "expectFirmwareVersion",
    "expires",
)
"""Inputs that a set is changed and judged by: a change of these alone is saved without a request."""

INPUTS: Final = ("setName", *IDENTITY, "deviceKeys", *METADATA)
OUTPUTS: Final = ("cancelledCount", "exceptions", "problem", "job")

_WAS_CANCELLED: Final = "was cancelled"
_WAS_ACCEPTED: Final = "cancel accepted"


@dataclass(frozen=True, slots=True)
class Declared:
    """The inputs of one set, after `check`."""

    set_name: str
    api_gateway: str
    org_id: str
    job_id: str
    device_keys: tuple[str, ...]
    on_too_late: OnTooLate
    on_missing: OnMissing
    expires: str
    reason: str = ""
    guard: Guard = field(default_factory=Guard)
    expect_firmware_version: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Which job it is: the values of `IDENTITY`."""
        return self.api_gateway, self.org_id, self.job_id

    def rules(self, today: date) -> Rules:
        """How the set is judged on a day (UTC)."""
        return Rules(
            set_name=self.set_name,
            job_id=self.job_id,
            on_too_late=self.on_too_late,
            on_missing=self.on_missing,
            expired=days.is_over(self.expires, today),
            expires=self.expires,
        )


def inputs_of(bag: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs in a bag of inputs or outputs, without what is absent."""
    return {name: bag[name] for name in INPUTS if bag.get(name) is not None}


def declared_of(bag: Mapping[str, Any]) -> Declared:
    """The typed inputs of a bag that `check` has seen."""
    return Declared(
        set_name=bag["setName"],
        api_gateway=bag["apiGateway"],
        org_id=bag["orgId"],
        job_id=bag["jobId"],
        device_keys=keys.from_text(bag["deviceKeys"]),
        on_too_late=bag.get("onTooLate") or "report",
        on_missing=bag.get("onMissing") or "fail",
        expires=bag.get("expires") or "",
        reason=bag.get("reason") or "",
        guard=Guard(max_devices=_whole(bag.get("maxDevices")), max_share=bag.get("maxShare")),
        expect_firmware_version=bag.get("expectFirmwareVersion") or "",
    )


def record_of(bag: Mapping[str, Any]) -> Record:
    """What a bag of outputs records. A bag of inputs alone reads as recorded keys of a job that nobody has seen."""
    job = cast("Mapping[str, Any]", bag.get("job") or {})
    return Record(
        keys=frozenset(keys.from_text(bag.get("deviceKeys") or "")),
        findings=dict(map(_finding, filter(None, (bag.get("exceptions") or "").split("\n")))),
        job=JobFacts(
            status=JobStatus(job.get("status", JobStatus.UNKNOWN.value)),
            name=job.get("name", ""),
            firmware_version=job.get("firmwareVersion", ""),
            automatic_retry=bool(job.get("automaticRetry", False)),
        ),
        problem=bag.get("problem") or "",
    )


def outputs_of(inputs: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """The outputs of a set: its inputs, with the keys that are settled, and what is recorded of them."""
    return {
        **inputs_of(inputs),
        "deviceKeys": keys.to_text(record.keys),
        "cancelledCount": record.cancelled_count,
        "exceptions": "".join(f"{key}\t{category}\t{status}\n" for key, category, status in rows(record)),
        "problem": _line(record.problem),
        "job": {
            "status": record.job.status.value,
            "name": _line(record.job.name),
            "firmwareVersion": _line(record.job.firmware_version),
            "automaticRetry": record.job.automatic_retry,
        },
    }


def rows(record: Record) -> list[tuple[str, str, str]]:
    """The findings as (device key, category, status), sorted by key."""
    return [(key, finding.category.value, _status(finding)) for key, finding in sorted(record.findings.items())]


def _whole(number: float | None) -> int | None:
    # All numbers come through Pulumi as floating point.
    return None if number is None else int(number)


def _status(finding: Finding) -> str:
    memory = [(finding.was_cancelled, _WAS_CANCELLED), (finding.was_accepted, _WAS_ACCEPTED)]
    return ", ".join(filter(None, [_line(finding.status), *(text for applies, text in memory if applies)]))


def _line(text: str) -> str:
    """A text of EnOS's made fit for state and terminal: no tab may break a row, no surrogate the save."""
    return "".join(" " if keys.is_control(character) else character for character in " ".join(text.split()))


def _finding(row: str) -> tuple[str, Finding]:
    key, category, status = row.split("\t")
    status, was_accepted = _split(status, _WAS_ACCEPTED)
    status, was_cancelled = _split(status, _WAS_CANCELLED)
    return key, Finding(Category(category), status, was_cancelled=was_cancelled, was_accepted=was_accepted)


def _split(status: str, memory: str) -> tuple[str, bool]:
    if status == memory:
        return "", True
    return (status.removesuffix(f", {memory}"), True) if status.endswith(f", {memory}") else (status, False)

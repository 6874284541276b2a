"""Convert between a set's property bag, which is its state, and typed values: the only place that knows the spelling.

The names and texts here are what state files hold. Renaming one strands every stack that was deployed before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from enos_ota.devicekeys import rules as keys
from enos_ota.plan import Category, Guard, JobFacts, KeyOutcome, Record, RecordedJobStatus, TaskSet

if TYPE_CHECKING:
    from collections.abc import Mapping

IDENTITY: Final = ("apiGateway", "orgId", "jobId")
"""Inputs that identify the job, see `TaskSet.identity`: a change replaces the resource."""

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


def inputs_of(bag: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs in a bag of inputs or outputs, without what is absent."""
    return {name: bag[name] for name in INPUTS if bag.get(name) is not None}


def task_set_of(bag: Mapping[str, Any]) -> TaskSet:
    """The set that is declared by a bag of inputs which `check` has seen."""
    return TaskSet(
        name=bag["setName"],
        job_id=bag["jobId"],
        device_keys=keys.from_text(bag["deviceKeys"]),
        api_gateway=bag["apiGateway"],
        org_id=bag["orgId"],
        on_too_late=bag.get("onTooLate") or "report",
        on_missing=bag.get("onMissing") or "fail",
        expires=bag.get("expires") or "",
        reason=bag.get("reason") or "",
        guard=Guard(max_devices=_whole(bag.get("maxDevices")), max_share=bag.get("maxShare")),
        expect_firmware_version=bag.get("expectFirmwareVersion") or "",
    )


def record_of(bag: Mapping[str, Any]) -> Record:
    """The record in a bag of outputs. A bag of inputs alone reads as recorded keys of a job that was never read."""
    job = cast("Mapping[str, Any]", bag.get("job") or {})
    return Record(
        keys=frozenset(keys.from_text(bag.get("deviceKeys") or "")),
        outcomes=dict(map(_outcome, filter(None, (bag.get("exceptions") or "").split("\n")))),
        job=JobFacts(
            status=RecordedJobStatus(job.get("status", RecordedJobStatus.UNKNOWN.value)),
            name=job.get("name", ""),
            firmware_version=job.get("firmwareVersion", ""),
            automatic_retry=bool(job.get("automaticRetry", False)),
        ),
        problem=bag.get("problem") or "",
    )


def outputs_of(inputs: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """The outputs of a set: its inputs with the keys that are settled, and its record."""
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
    """The outcomes as (device key, category, status), sorted by key."""
    return [(key, outcome.category.value, _status(outcome)) for key, outcome in sorted(record.outcomes.items())]


def _whole(number: float | None) -> int | None:
    # All numbers come through Pulumi as floating point.
    return None if number is None else int(number)


def _status(outcome: KeyOutcome) -> str:
    memory = [(outcome.was_cancelled, _WAS_CANCELLED), (outcome.was_accepted, _WAS_ACCEPTED)]
    return ", ".join(filter(None, [_line(outcome.status), *(text for applies, text in memory if applies)]))


def _line(text: str) -> str:
    """A text from EnOS without control characters: no tab may break a row, no surrogate the save."""
    return "".join(" " if keys.is_control(character) else character for character in " ".join(text.split()))


def _outcome(row: str) -> tuple[str, KeyOutcome]:
    key, category, status = row.split("\t")
    status, was_accepted = _split(status, _WAS_ACCEPTED)
    status, was_cancelled = _split(status, _WAS_CANCELLED)
    return key, KeyOutcome(Category(category), status, was_cancelled=was_cancelled, was_accepted=was_accepted)


def _split(status: str, memory: str) -> tuple[str, bool]:
    if status == memory:
        return "", True
    return (status.removesuffix(f", {memory}"), True) if status.endswith(f", {memory}") else (status, False)

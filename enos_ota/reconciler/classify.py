"""From a task as it reads to a category: every read classifies every key anew."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from enos_ota.enos import Job, Task, TaskStatus
from enos_ota.enos import JobStatus as EnosJobStatus
from enos_ota.reconciler.guard import one_line
from enos_ota.reconciler.outcome import NO_STATUS, UNKNOWN_TEXT, Category, Finding, JobFacts, JobStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_CANCELLABLE = frozenset({TaskStatus.INIT, TaskStatus.PUBLISHED})
_NOT_CANCELLABLE = frozenset({TaskStatus.UPGRADING, TaskStatus.SUCCEEDED, TaskStatus.FAILED})
_LONGEST = 40
"""Characters of a status that are recorded."""


class Past(Enum):
    """What is known of a key from before the reading."""

    NOTHING = auto()
    """Never seen as cancelled."""
    CANCELLED = auto()
    """Was recorded as cancelled, or had escaped."""
    ACCEPTED = auto()
    """EnOS answered our cancelTask for it with code 0."""


def past_of(finding: Finding | None) -> Past:
    """What a recorded key's finding (None: plainly cancelled) says about its past."""
    if finding is None or finding.category is Category.ESCAPED:
        return Past.CANCELLED
    if finding.was_accepted or finding == UNKNOWN_TEXT:
        return Past.ACCEPTED
    return Past.CANCELLED if finding.was_cancelled or finding.category is Category.CANCELLED else Past.NOTHING


def remembering(finding: Finding, past: Past) -> Finding:
    """A finding that may still change, with what is known from before."""
    return replace(finding, was_cancelled=past is Past.CANCELLED, was_accepted=past is Past.ACCEPTED)


def was_told(finding: Finding | None) -> bool:
    """Whether a key's task was seen as published while it could be cancelled: its device had been told to upgrade."""
    return finding is not None and finding.status == TaskStatus.PUBLISHED.value


def fold(markers: Collection[str]) -> frozenset[str]:
    """Marker texts made ready for comparison: trimmed, without regard to case."""
    return frozenset(marker.strip().casefold() for marker in markers)


def is_cancellable(tasks: Sequence[Task]) -> bool:
    """A cancelTask for this key would be accepted and would touch one task only."""
    return len(tasks) == 1 and tasks[0].status in _CANCELLABLE


def is_cancelled(task: Task, markers: frozenset[str]) -> bool:
    """The task reads as cancelled.

    EnOS documents no status for it: `failed` with a marker text is what its sample code looks for [I]; a literal
    `canceled` is accepted too, should a platform ever answer it.
    """
    if task.status is TaskStatus.CANCELED:
        return True
    return task.status is TaskStatus.FAILED and task.desc.strip().casefold() in markers


def facts_of(job: Job) -> JobFacts:
    """What a set remembers of its job."""
    return JobFacts(
        # A status text that nobody knows is not taken for "stopped": EnOS itself will refuse what it does not allow.
        status=JobStatus.STOPPED if job.status is EnosJobStatus.STOPPED else JobStatus.STARTED,
        name=job.name,
        firmware_version=job.firmware_version,
        automatic_retry=job.automatic_retry,
    )


def ambiguous(tasks: Sequence[Task], past: Past) -> Finding:
    """The finding for a key with several tasks: the statuses they have between them."""
    return remembering(Finding(Category.AMBIGUOUS, ",".join(sorted(set(map(_status_text, tasks))))), past)


def _status_text(task: Task) -> str:
    text = one_line(task.raw_status)
    return (f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text) or NO_STATUS


def classify(tasks: Sequence[Task], markers: frozenset[str], past: Past) -> Finding | None:
    """Where a key stands; None when it is plainly cancelled.

    A status that EnOS does not document is pending, see `Finding.has_unknown_status`: it is never called too late.

    Args:
        tasks: The key's tasks in the job, as just read; several only if several products share the key.
        markers: The texts of a cancelled task, as `fold` gives them.
        past: What is known from before.
    """
    if not tasks:
        return remembering(Finding(Category.MISSING), past)
    if all(is_cancelled(task, markers) for task in tasks):
        return None
    if len(tasks) > 1:
        return ambiguous(tasks, past)
    (task,) = tasks
    if task.status is TaskStatus.FAILED and past is Past.ACCEPTED:
        return UNKNOWN_TEXT
    if task.status in _NOT_CANCELLABLE:
        return Finding(Category.TOO_LATE if past is Past.NOTHING else Category.ESCAPED, task.raw_status)
    # It can be cancelled; or EnOS does not document its status, and then nothing follows from it.
    return remembering(Finding(Category.PENDING, _status_text(task)), past)

"""Classify a device key by its tasks: every read classifies every key again."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from enos_ota.enos import Job, JobStatus, Task, TaskStatus
from enos_ota.plan.naming import one_line
from enos_ota.plan.record import AFTER_PUSH, NO_STATUS, UNKNOWN_TEXT, Category, JobFacts, KeyOutcome, RecordedJobStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_CANCELLABLE = frozenset({TaskStatus.INIT, TaskStatus.PUBLISHED})
_NOT_CANCELLABLE = frozenset({TaskStatus.UPGRADING, TaskStatus.SUCCEEDED, TaskStatus.FAILED})
_LONGEST = 40
"""Characters of a status that are recorded."""


class KeyHistory(Enum):
    """What was known of a key before its tasks were read."""

    NOTHING = auto()
    """Never seen as cancelled."""
    CANCELLED = auto()
    """Was recorded as cancelled, or had escaped."""
    ACCEPTED = auto()
    """EnOS answered our cancelTask for it with code 0."""


def history_of(outcome: KeyOutcome | None) -> KeyHistory:
    """The history of a key with this recorded outcome (None: plainly cancelled)."""
    if outcome is None or outcome.category is Category.ESCAPED:
        return KeyHistory.CANCELLED
    if outcome.was_accepted or outcome == UNKNOWN_TEXT:
        return KeyHistory.ACCEPTED
    return (
        KeyHistory.CANCELLED if outcome.was_cancelled or outcome.category is Category.CANCELLED else KeyHistory.NOTHING
    )


def with_history(outcome: KeyOutcome, history: KeyHistory) -> KeyOutcome:
    """Add the history of a key to an outcome that may still change."""
    return replace(outcome, was_cancelled=history is KeyHistory.CANCELLED, was_accepted=history is KeyHistory.ACCEPTED)


def was_notified(outcome: KeyOutcome | None) -> bool:
    """Whether a key's task was `published` when it could still be cancelled: its device had been notified."""
    return outcome is not None and outcome.status == TaskStatus.PUBLISHED.value


def hold(outcome: KeyOutcome | None) -> KeyOutcome | None:
    """The outcome of a key whose job is stopped: a task that could be cancelled is held."""
    return replace(outcome, category=Category.HELD) if outcome and outcome.can_be_sent else outcome


def outcome_of(
    tasks: Sequence[Task],
    markers: frozenset[str],
    before: KeyOutcome | None,
    *,
    accepted: bool = False,
    notified: bool = False,
) -> KeyOutcome | None:
    """The outcome of a key whose tasks were just read; None when it is plainly cancelled.

    Args:
        tasks: Its tasks in the job.
        markers: The texts of a cancelled task, as `normalise_markers` gives them.
        before: The recorded outcome; None when it is recorded as plainly cancelled.
        accepted: EnOS accepted a cancelTask for it in this change.
        notified: Its task was seen as `published` in this change.
    """
    outcome = classify(tasks, markers, KeyHistory.ACCEPTED if accepted else history_of(before))
    return cancelled(notified=notified or was_notified(before)) if outcome is None else outcome


def cancelled(*, notified: bool) -> KeyOutcome | None:
    """The outcome of a cancelled key: plainly cancelled, or after its device had been notified."""
    return AFTER_PUSH if notified else None


def normalise_markers(markers: Collection[str]) -> frozenset[str]:
    """Prepare marker texts for comparison: trimmed, in one case."""
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
        # An unknown status text is not taken for "stopped": EnOS itself will refuse what it does not allow.
        status=RecordedJobStatus.STOPPED if job.status is JobStatus.STOPPED else RecordedJobStatus.STARTED,
        name=job.name,
        firmware_version=job.firmware_version,
        automatic_retry=job.automatic_retry,
    )


def ambiguous(tasks: Sequence[Task], history: KeyHistory) -> KeyOutcome:
    """The outcome of a key with several tasks, with all their statuses."""
    return with_history(KeyOutcome(Category.AMBIGUOUS, ",".join(sorted(set(map(_status_text, tasks))))), history)


def _status_text(task: Task) -> str:
    text = one_line(task.raw_status)
    return (f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text) or NO_STATUS


def classify(tasks: Sequence[Task], markers: frozenset[str], history: KeyHistory) -> KeyOutcome | None:
    """The outcome of a key by its tasks and its history; None when it is plainly cancelled.

    A status that EnOS does not document is pending, see `KeyOutcome.has_unknown_status`: it is never called too late.

    Args:
        tasks: The key's tasks in the job, as just read; several only if several products share the key.
        markers: The texts of a cancelled task, as `normalise_markers` gives them.
        history: What was known before.
    """
    if not tasks:
        return with_history(KeyOutcome(Category.MISSING), history)
    if all(is_cancelled(task, markers) for task in tasks):
        return None
    if len(tasks) > 1:
        return ambiguous(tasks, history)
    (task,) = tasks
    if task.status is TaskStatus.FAILED and history is KeyHistory.ACCEPTED:
        return UNKNOWN_TEXT
    if task.status in _NOT_CANCELLABLE:
        return KeyOutcome(Category.TOO_LATE if history is KeyHistory.NOTHING else Category.ESCAPED, task.raw_status)
    # It can be cancelled; or EnOS does not document its status, and then nothing follows from it.
    return with_history(KeyOutcome(Category.PENDING, _status_text(task)), history)

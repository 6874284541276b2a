"""Classify device keys by their tasks, and settle the outcomes into the record of a set. Every read starts afresh."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from enos_ota.enos import Job, JobStatus, Task, TaskStatus
from enos_ota.plan.messages import status_problem
from enos_ota.plan.naming import one_line
from enos_ota.plan.record import (
    AFTER_PUSH,
    NO_STATUS,
    UNKNOWN_TEXT,
    Category,
    JobFacts,
    KeyOutcome,
    Record,
    RecordedJobStatus,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_CANCELLABLE = frozenset({TaskStatus.INIT, TaskStatus.PUBLISHED})
_NOT_CANCELLABLE = frozenset({TaskStatus.UPGRADING, TaskStatus.SUCCEEDED, TaskStatus.FAILED})

NEW: Final = KeyOutcome(Category.PENDING)
"""The outcome of a key that was neither read nor recorded yet."""


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


def was_notified(outcome: KeyOutcome | None) -> bool:
    """Whether the device of a key's task had been notified while the task could still be cancelled."""
    return outcome is not None and outcome.status == TaskStatus.PUBLISHED.value


def hold(outcome: KeyOutcome | None) -> KeyOutcome | None:
    """The outcome of a key whose job is stopped: a task that could be cancelled is held."""
    return replace(outcome, category=Category.HELD) if outcome and outcome.can_be_sent else outcome


def outcome_of(
    tasks: Sequence[Task] | None,
    markers: frozenset[str],
    before: KeyOutcome | None,
    *,
    accepted: bool = False,
    notified: bool = False,
) -> KeyOutcome | None:
    """The outcome of a key; None when it is plainly cancelled.

    Args:
        tasks: Its tasks in the job, as just read; None where they could not be read.
        markers: The texts of a cancelled task, as `normalise_markers` gives them.
        before: The recorded outcome; None when it is recorded as plainly cancelled.
        accepted: EnOS accepted a cancelTask for it in this change.
        notified: Its task was seen as `published` in this change.
    """
    history = KeyHistory.ACCEPTED if accepted else history_of(before)
    if tasks is None:
        return _with_history(KeyOutcome(Category.PENDING, before.status if before else ""), history)
    if accepted and len(tasks) > 1:
        # Sent without being read, as the job names one product [I]; the answer was for all of them.
        return _ambiguous(tasks, history)
    outcome = classify(tasks, markers, history)
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
    """Whether the task reads as cancelled: EnOS documents no status for it.

    Its sample code looks for `failed` with a marker text [I]; a literal `canceled` is accepted too.
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


def _with_history(outcome: KeyOutcome, history: KeyHistory) -> KeyOutcome:
    """Add the history of a key to an outcome that may still change."""
    return replace(outcome, was_cancelled=history is KeyHistory.CANCELLED, was_accepted=history is KeyHistory.ACCEPTED)


def _ambiguous(tasks: Sequence[Task], history: KeyHistory) -> KeyOutcome:
    statuses = ",".join(sorted({_status_text(task) for task in tasks}))
    return _with_history(KeyOutcome(Category.AMBIGUOUS, statuses), history)


def _status_text(task: Task) -> str:
    return one_line(task.raw_status) or NO_STATUS


def classify(tasks: Sequence[Task], markers: frozenset[str], history: KeyHistory) -> KeyOutcome | None:
    """The outcome of a key whose tasks were just read; None when it is plainly cancelled.

    A status that EnOS does not document is pending, see `KeyOutcome.has_unknown_status`: it is never called too late.
    """
    if not tasks:
        return _with_history(KeyOutcome(Category.MISSING), history)
    if all(is_cancelled(task, markers) for task in tasks):
        return None
    if len(tasks) > 1:
        return _ambiguous(tasks, history)
    (task,) = tasks
    if task.status is TaskStatus.FAILED and history is KeyHistory.ACCEPTED:
        return UNKNOWN_TEXT
    if task.status in _NOT_CANCELLABLE:
        return KeyOutcome(Category.TOO_LATE if history is KeyHistory.NOTHING else Category.ESCAPED, task.raw_status)
    # It can be cancelled; or EnOS does not document its status, and then nothing follows from it.
    return _with_history(KeyOutcome(Category.PENDING, _status_text(task)), history)


def settle(outcomes: Mapping[str, KeyOutcome | None], job: JobFacts, problem: str = "") -> Record:
    """Record keys that were just read; pending ones are left out of `keys`, so that they show as work to do."""
    others = {key: outcome for key, outcome in outcomes.items() if outcome is not None}
    settled = {key for key in outcomes if key not in others or others[key].category is not Category.PENDING}
    return Record(frozenset(settled), others, job, problem or status_problem(others))


def merge(kept: Record, outcomes: Mapping[str, KeyOutcome | None], job: JobFacts, problem: str = "") -> Record:
    """Record the keys of this change beside those that were settled before."""
    now = settle(outcomes, job, problem)
    others = kept.without(outcomes.keys())
    return replace(now, keys=now.keys | others.keys, outcomes={**others.outcomes, **now.outcomes})


def settle_unfinished(record: Record, keys: Iterable[str], job: JobFacts) -> Record:
    """Record a set for which nothing can or may be done any more (job deleted, set expired).

    Keys still to be worked on are settled as `PENDING`: they are reported, but nothing is planned for them.
    """
    open_keys = frozenset(keys) - record.keys
    return Record(record.keys | open_keys, {**dict.fromkeys(open_keys, NEW), **record.outcomes}, job)


def settle_undone(kept: Record, keys: Collection[str], problem: str, job: JobFacts | None = None) -> Record:
    """Record a change that ended before any key was worked on."""
    job = job or kept.job
    outcomes = {key: kept.outcomes.get(key, NEW) for key in keys}
    if job.status is RecordedJobStatus.STARTED:
        # A key that was held while the job was stopped is pending now.
        outcomes = {
            key: replace(each, category=Category.PENDING) if each.category is Category.HELD else each
            for key, each in outcomes.items()
        }
    return merge(kept, outcomes, job, problem)


def settle_without_job(kept: Record, keys: Collection[str], not_found: str) -> Record:
    """Record a change of a job that EnOS does not have: deleted if it was ever seen, else a problem (`not_found`)."""
    if kept.job.status is RecordedJobStatus.UNKNOWN:
        return settle_undone(kept, keys, not_found)
    return settle_unfinished(kept, keys, replace(kept.job, status=RecordedJobStatus.DELETED))

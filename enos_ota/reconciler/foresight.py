"""What a change would come to if nothing went wrong: what `Reconciler.apply` would record, from tasks just read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enos_ota.enos import TaskStatus
from enos_ota.reconciler.classify import classify, facts_of, past_of, was_told
from enos_ota.reconciler.outcome import AFTER_PUSH, Category, Finding, JobFacts, JobStatus, Record, merged, rest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enos_ota.enos import Job, Task
    from enos_ota.reconciler.reconciler import Plan

_NEW: Final = Finding(Category.PENDING)


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a change would come to.

    Attributes:
        record: What would be recorded.
        cancels: The tasks that would be cancelled, by key.
    """

    record: Record
    cancels: Mapping[str, Task] = field(default_factory=lambda: MappingProxyType({}))


def foresee(change: Plan, job: Job | None, tasks: Mapping[str, Sequence[Task]], markers: frozenset[str]) -> Foresight:
    """What a change would come to if every cancel that is sent does its work.

    Args:
        change: The plan.
        job: Its job as it is now; None when there is none.
        tasks: The tasks of the plan's `todo`, and of the keys that are held, as just read. Of a stopped job the latter
            do not count, and others never do: `apply` does not read them either.
        markers: Texts by which a failed task is known to have been cancelled, folded.
    """
    kept = change.kept
    if not change.todo:
        return Foresight(kept)
    if job is None:
        return Foresight(_without_job(change))
    facts = facts_of(job)
    findings: dict[str, Finding | None] = {}
    cancels: dict[str, Task] = {}
    for key, rows in tasks.items():
        before = kept.findings.get(key, _NEW)
        is_held = before.category is Category.HELD and facts.status is not JobStatus.STOPPED
        if key not in change.todo and not is_held:
            continue
        now = classify(rows, markers, past_of(before))
        if now is None:
            findings[key] = AFTER_PUSH if was_told(before) else None
        elif not now.can_be_sent:
            findings[key] = now
        elif facts.status is JobStatus.STOPPED:
            findings[key] = replace(now, category=Category.HELD)
        else:
            (cancels[key],) = rows
            told = cancels[key].status is TaskStatus.PUBLISHED or was_told(before)
            findings[key] = AFTER_PUSH if told else None
    return Foresight(merged(kept, findings, facts), cancels)


def _without_job(change: Plan) -> Record:
    kept = change.kept
    if kept.job.status is not JobStatus.UNKNOWN:
        return rest(kept, change.todo, replace(kept.job, status=JobStatus.DELETED))
    undone = {key: kept.findings.get(key, _NEW) for key in change.todo}
    return Record(kept.keys, {**kept.findings, **undone}, JobFacts(), "there is no such job")

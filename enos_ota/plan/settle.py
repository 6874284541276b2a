"""Turn the outcomes of keys into the record of a set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from enos_ota.plan.messages import status_problem
from enos_ota.plan.record import Category, JobFacts, KeyOutcome, Record, RecordedJobStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

NEW: Final = KeyOutcome(Category.PENDING)
"""The outcome of a key that was neither read nor recorded yet."""


def settle(outcomes: Mapping[str, KeyOutcome | None], job: JobFacts, problem: str = "") -> Record:
    """Record keys that were just read; pending ones are left out of `keys`, so that they show as work to do."""
    others = {key: outcome for key, outcome in outcomes.items() if outcome is not None}
    return Record(
        keys=frozenset(key for key, outcome in outcomes.items() if not _is_pending(outcome)),
        outcomes=others,
        job=job,
        problem=problem or status_problem(others),
    )


def merge(kept: Record, outcomes: Mapping[str, KeyOutcome | None], job: JobFacts, problem: str = "") -> Record:
    """Record the keys of this change beside those that were settled before."""
    now = settle(outcomes, job, problem)
    others = kept.without(outcomes.keys())
    return replace(now, keys=now.keys | others.keys, outcomes={**others.outcomes, **now.outcomes})


def settle_unfinished(record: Record, keys: Iterable[str], job: JobFacts) -> Record:
    """Record a set for which nothing can or may be done any more (job deleted, set expired).

    Keys that were still to be worked on are settled as `PENDING`: they are reported, but nothing is planned for them.
    """
    open_keys = frozenset(keys) - record.keys
    return Record(
        keys=record.keys | open_keys,
        outcomes={**dict.fromkeys(open_keys, NEW), **record.outcomes},
        job=job,
        problem="",
    )


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
    """Record a change of a job that EnOS does not have: deleted if it was ever seen, else a problem.

    Args:
        kept: What is recorded of the declared keys.
        keys: The keys to work on.
        not_found: What EnOS answered.
    """
    if kept.job.status is RecordedJobStatus.UNKNOWN:
        return settle_undone(kept, keys, not_found)
    return settle_unfinished(kept, keys, replace(kept.job, status=RecordedJobStatus.DELETED))


def _is_pending(outcome: KeyOutcome | None) -> bool:
    return outcome is not None and outcome.category is Category.PENDING

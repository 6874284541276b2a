"""Build the plan of a change of one set, from the declared set, its record and what EnOS has now. Pure.

The preview hook prints the answer, the review renders it, `enos-ota cancel` asks for it, `Reconciler.apply` obeys it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from enos_ota.enos import TaskStatus
from enos_ota.plan.classify import (
    NEW,
    cancelled,
    facts_of,
    hold,
    merge,
    outcome_of,
    settle_undone,
    settle_unfinished,
    settle_without_job,
    was_notified,
)
from enos_ota.plan.codes import Code
from enos_ota.plan.guard import Objection, firmware_objection, guard_objection
from enos_ota.plan.live import WAITING, LiveSet
from enos_ota.plan.messages import describe_refusal
from enos_ota.plan.record import Category, JobFacts, KeyOutcome, Record, RecordedJobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from enos_ota.enos import Task
    from enos_ota.plan.task_set import TaskSet


@dataclass(frozen=True, slots=True)
class Plan:
    """What `pulumi up` would do to one set.

    Attributes:
        task_set: The declared set.
        kept: The record of the keys that are still declared.
        work: The keys to work on.
        record: The record after the change, if every request succeeds. Of unread keys nothing is in it.
        is_expired: The last day of the set is over: nothing is read or sent.
        job: The job as EnOS has it now; as recorded where it was not read.
        is_read: Whether the job was read.
        cancels: The tasks that would be cancelled, by key.
        outcomes: The outcome of every key to work on that was read, before the change; None: plainly cancelled.
        unread: The keys to work on whose tasks were not read.
        unlisted: Number of tasks to work on whose keys are not known.
        outdated: Keys of a stopped job that are not worked on and are no longer as recorded, with their outcome now.
        objections: Why no request would be sent, the first reason first.
        override: The objection of the guard that the break-glass reason overrides.
        break_glass: The reason.
        live: The set as EnOS has it now, as far as it was read.
        own_waiting: Waiting tasks of the set's keys, ambiguous ones included, as far as they were read.
    """

    task_set: TaskSet
    kept: Record
    work: frozenset[str]
    record: Record
    is_expired: bool = False
    job: JobFacts = field(default_factory=JobFacts)
    is_read: bool = False
    cancels: Mapping[str, Task] = field(default_factory=lambda: MappingProxyType({}))
    outcomes: Mapping[str, KeyOutcome | None] = field(default_factory=lambda: MappingProxyType({}))
    unread: frozenset[str] = frozenset()
    unlisted: int = 0
    outdated: Mapping[str, KeyOutcome | None] = field(default_factory=lambda: MappingProxyType({}))
    objections: tuple[Objection, ...] = ()
    override: Objection | None = None
    break_glass: str = ""
    live: LiveSet = field(default_factory=lambda: LiveSet(None))
    own_waiting: int = 0

    @property
    def is_held(self) -> bool:
        """Whether the job was read and is stopped, so that nothing can be cancelled."""
        return self.is_read and self.job.status is RecordedJobStatus.STOPPED

    @property
    def unread_count(self) -> int:
        """Number of keys to work on whose tasks were not read."""
        return len(self.unread) + self.unlisted

    @property
    def published(self) -> int:
        """Number of tasks that would be cancelled after their devices were notified."""
        return sum(task.status is TaskStatus.PUBLISHED for task in self.cancels.values())

    @property
    def other_waiting(self) -> int | None:
        """Waiting tasks of the job that are not in this set; None where that is unknown.

        A total that is smaller than the set's own waiting tasks lags behind, or is capped [U].
        """
        others = None if self.live.waiting is None else self.live.waiting - self.own_waiting
        return None if others is None or others < 0 or self.unread_count else others

    @property
    def most(self) -> int:
        """How many devices would be in a cancelTask; the most there can be where keys are unread."""
        if self.is_held:
            return 0
        unread, waiting = self.unread_count, self.live.waiting
        return len(self.cancels) + (unread if waiting is None else min(unread, waiting))

    @property
    def exceeds_guard(self) -> bool:
        """Whether the change may cancel more devices than the guard allows."""
        return self.task_set.guard.is_exceeded(self.most, self.live.total)


def keys_to_read(plan: Plan, *, is_stopped: bool) -> frozenset[str]:
    """The keys whose tasks decide what a change does, and how many waiting tasks are in the set.

    Ambiguous keys are not worked on, but their tasks may wait. A refresh reads no task of a stopped job, so any
    recorded key may have changed.
    """
    if plan.is_expired:
        return frozenset()
    if is_stopped:
        return plan.work | plan.kept.known_keys()
    ambiguous = frozenset(plan.kept.of(Category.AMBIGUOUS))
    return plan.work | ambiguous | (frozenset(plan.kept.of(Category.HELD)) if plan.work else frozenset())


def build_plan(
    task_set: TaskSet,
    record: Record,
    live: LiveSet | None = None,
    *,
    today: date,
    markers: frozenset[str] = frozenset(),
    break_glass: str = "",
    unlisted: int = 0,
) -> Plan:
    """Build the plan of a change. Without `live` every key to work on is unread.

    `unlisted` is the number of tasks to work on whose keys are not known; `break_glass` the reason for which the guard
    is overridden, empty when it is not; `markers` are as `normalise_markers` gives them.
    """
    plan = replace(_select_keys(task_set, record, today), break_glass=break_glass, unlisted=unlisted)
    if live is None:
        return plan
    if live.job is None:
        found = settle_without_job(plan.kept, plan.work, live.not_found) if plan.work else plan.kept
        return replace(plan, record=found, job=found.job, is_read=True, unread=frozenset())
    return _settle(_classify(plan, live, facts_of(live.job), markers))


def _select_keys(task_set: TaskSet, record: Record, today: date) -> Plan:
    """Compare what is declared with what is recorded; an expired set has no key to work on.

    Keys that were settled as `PENDING` because nothing could be done (the set had expired) are worked on again.
    """
    declared = frozenset(task_set.device_keys)
    kept = replace(record.without(record.known_keys() - declared), problem="")
    work = declared - kept.keys
    if task_set.is_expired(today):
        kept = settle_unfinished(kept, work, kept.job)
        return Plan(task_set, kept, frozenset(), kept, is_expired=True, job=kept.job)
    if kept.job.status is not RecordedJobStatus.DELETED:
        work |= frozenset(kept.of(Category.PENDING))
    return Plan(task_set, kept, work, kept.without(work), job=kept.job, unread=work)


def _classify(plan: Plan, live: LiveSet, job: JobFacts, markers: frozenset[str]) -> Plan:
    """Add what follows from the tasks."""
    stopped = job.status is RecordedJobStatus.STOPPED
    # Held keys are worked on with any others once the job is started again.
    work = plan.work | frozenset(plan.kept.of(Category.HELD)) if plan.work and not stopped else plan.work
    cancels: dict[str, Task] = {}
    outcomes: dict[str, KeyOutcome | None] = {}
    outdated: dict[str, KeyOutcome | None] = {}
    for key, tasks in live.tasks.items():
        is_work = key in work
        if not (is_work or stopped):
            continue
        before = plan.kept.outcomes.get(key, NEW if is_work else None)
        outcome = outcome_of(tasks, markers, before)
        if stopped:
            outcome = hold(outcome)
        if not is_work:
            if _category(outcome) is not _category(before):
                outdated[key] = outcome
            continue
        outcomes[key] = outcome
        if outcome and outcome.can_be_sent:
            (cancels[key],) = tasks
    own = Counter(task.status for tasks in live.tasks.values() for task in tasks)
    return replace(
        plan,
        work=work,
        job=job,
        is_read=True,
        cancels=cancels,
        outcomes=outcomes,
        unread=work - outcomes.keys(),
        outdated=outdated,
        live=live,
        own_waiting=sum(own[status] for status in WAITING),
    )


def _settle(plan: Plan) -> Plan:
    """Add the objections and the record after the change."""
    if not plan.work and not plan.unlisted:
        return plan
    firmware = None
    if not plan.is_held:
        firmware = firmware_objection(plan.task_set.expect_firmware_version, plan.job.firmware_version)
    guard = guard_objection(plan.task_set.guard, plan.most, plan.live.total)
    override = guard if plan.break_glass and not firmware else None
    if plan.break_glass or plan.unread_count:
        guard = None
    if firmware:
        record = settle_undone(plan.kept, plan.work, describe_refusal(firmware), plan.job)
    elif guard:
        record = merge(plan.kept, plan.outcomes, plan.job, describe_refusal(guard))
    else:
        record = merge(plan.kept.without(plan.unread), {**plan.outcomes, **_once_cancelled(plan)}, plan.job)
    nothing = Objection(Code.NO_TASKS) if _has_no_task(plan) else None
    return replace(plan, record=record, override=override, objections=tuple(filter(None, (firmware, guard, nothing))))


def _once_cancelled(plan: Plan) -> dict[str, KeyOutcome | None]:
    return {
        key: cancelled(notified=task.status is TaskStatus.PUBLISHED or was_notified(plan.kept.outcomes.get(key, NEW)))
        for key, task in plan.cancels.items()
    }


def _has_no_task(plan: Plan) -> bool:
    """Whether a set that must not have missing keys has no key with a task."""
    if plan.task_set.on_missing != "fail" or plan.unread_count:
        return False
    outcomes = {**plan.kept.outcomes, **plan.outcomes}
    return all(_category(outcomes.get(key)) is Category.MISSING for key in plan.task_set.device_keys)


def _category(outcome: KeyOutcome | None) -> Category:
    return outcome.category if outcome else Category.CANCELLED

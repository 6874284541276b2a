"""Report on one set: turn its plan, and what Pulumi would do to its record, into the part of a review. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from enos_ota.audit import digest
from enos_ota.engine.preview_json import Change
from enos_ota.plan import Category, Guard, Record, Severity, build_plan, describe_plan
from enos_ota.plan.messages import FAILING, unknown_inputs, unusual_keys
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT
from enos_ota.review.model import (
    STATUS_AFTER_PUSH,
    STATUS_UNKNOWN_TEXT,
    Effect,
    GuardUse,
    KeyReport,
    Limit,
    SetMessage,
    SetReport,
    StatusCount,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import date

    from enos_ota.engine.preview_json import SetStep
    from enos_ota.enos import Task
    from enos_ota.plan import KeyOutcome, Message, Plan

_EFFECTS: Final = {
    Category.CANCELLED: Effect.CANCELLED,
    Category.TOO_LATE: Effect.TOO_LATE,
    Category.ESCAPED: Effect.ESCAPED,
    Category.MISSING: Effect.MISSING,
    Category.AMBIGUOUS: Effect.AMBIGUOUS,
    Category.HELD: Effect.HELD,
    Category.PENDING: Effect.PENDING,
}
_ORDER: Final = {
    effect: place
    for place, effect in enumerate(
        (
            Effect.CANCEL_AGAIN,
            Effect.ESCAPED,
            Effect.AMBIGUOUS,
            Effect.MISSING,
            Effect.TOO_LATE,
            Effect.PENDING,
            Effect.HELD,
            Effect.UNREAD,
            Effect.CANCEL,
            Effect.RELEASED,
            Effect.CANCELLED,
        )
    )
}
"""What a reviewer has to see first."""

_NOTHING: Final = Record()


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """Settings of a review.

    Attributes:
        markers: Texts by which a failed task is known to have been cancelled.
        today: The day (UTC).
        break_glass: The reason for which guards are overridden; empty when they are not.
        guard: The stack's own limits.
    """

    markers: Collection[str]
    today: date
    break_glass: str = ""
    guard: Guard = field(default_factory=Guard)


def record_before(step: SetStep) -> Record:
    """The record that an `up` would start from: after the refresh, and none where the job changes."""
    return _NOTHING if step.changes_job or step.now is None else step.now


def report_set(step: SetStep, plan: Plan | None, settings: ReviewSettings) -> SetReport:
    """Report on one set.

    Args:
        step: What Pulumi would do to it.
        plan: Its plan with what EnOS says now; None if EnOS was not asked or did not answer.
        settings: The settings of the review.
    """
    task_set = step.declared
    if task_set is None:
        return _without_keys(step)
    plan = plan or build_plan(task_set, record_before(step), today=settings.today)
    keys = sorted(
        [*_declared_keys(step, plan), *_released_keys(step)], key=lambda key: (_ORDER[key.effect], key.device_key)
    )
    counts = Counter(key.effect for key in keys)
    recorded = frozenset(step.recorded.device_keys) if step.recorded else frozenset()
    added = frozenset(task_set.device_keys) - recorded
    messages = (*describe_plan(plan), *unusual_keys(task_set, added))
    return SetReport(
        name=task_set.name,
        change=step.change,
        job_id=task_set.job_id,
        job_id_before=step.recorded.job_id if step.recorded and step.recorded.job_id != task_set.job_id else "",
        reason=task_set.reason,
        expires=task_set.expires,
        expired=plan.is_expired,
        expect_firmware_version=task_set.expect_firmware_version,
        on_too_late=task_set.on_too_late,
        on_missing=task_set.on_missing,
        declared=len(set(task_set.device_keys)),
        added=len(added),
        removed=len(recorded.difference(task_set.device_keys)),
        digest=digest(task_set.device_keys),
        digest_before=digest(recorded) if recorded else "",
        counts=dict(sorted(counts.items(), key=lambda item: _ORDER[item[0]])),
        will_cancel_by=tuple(_by_version(plan.cancels.values())),
        guard=_guard_use(step, plan, settings),
        metadata=step.metadata,
        outdated=len(plan.outdated),
        errors=tuple(each.text for each in messages if each.severity in FAILING),
        warnings=tuple(each.text for each in messages if each.severity is Severity.WARNING),
        messages=set_messages(messages),
        keys=tuple(keys),
    )


def set_messages(messages: Iterable[Message]) -> tuple[SetMessage, ...]:
    """The errors and warnings as the report has them."""
    return tuple(
        SetMessage(code=each.code.value, severity=each.severity, text=each.text, keys=each.keys)
        for each in messages
        if each.severity is not Severity.INFORMATION
    )


def _declared_keys(step: SetStep, plan: Plan) -> Iterator[KeyReport]:
    was_cancelled = step.before.cancelled_keys() if step.before and not step.changes_job else frozenset()
    for key in sorted(plan.work | plan.kept.known_keys()):
        tasks = plan.live.tasks.get(key, ())
        version = ", ".join(dict.fromkeys(task.from_version for task in tasks if task.from_version))
        outcome = _outcome(plan, key)
        if key in plan.cancels:
            effect = Effect.CANCEL_AGAIN if key in was_cancelled else Effect.CANCEL
            yield KeyReport(device_key=key, effect=effect, status=plan.cancels[key].raw_status, source_version=version)
        elif key in plan.unread:
            yield KeyReport(device_key=key, effect=Effect.UNREAD)
        elif outcome is None:
            status = tasks[0].raw_status if tasks else ""
            yield KeyReport(device_key=key, effect=Effect.CANCELLED, status=status, source_version=version)
        else:
            effect = _EFFECTS[outcome.category]
            yield KeyReport(device_key=key, effect=effect, status=_status(outcome), source_version=version)


def _outcome(plan: Plan, key: str) -> KeyOutcome | None:
    for outcomes in (plan.outdated, plan.outcomes):
        if key in outcomes:
            return outcomes[key]
    return plan.record.outcomes.get(key)


def _status(outcome: KeyOutcome) -> str:
    """The status of a task, or the remark about its cancellation."""
    return {AFTER_PUSH: STATUS_AFTER_PUSH, UNKNOWN_TEXT: STATUS_UNKNOWN_TEXT}.get(outcome, outcome.status)


def _released_keys(step: SetStep) -> Iterator[KeyReport]:
    """Keys that leave the record: un-declared, or recorded for another job. Nothing is sent for them."""
    if step.before is None:
        return
    declared = frozenset(step.declared.device_keys) if step.declared and not step.changes_job else ()
    for key in sorted(step.before.known_keys().difference(declared)):
        outcome = step.before.outcomes.get(key)
        status = f"{outcome.category.value} {_status(outcome)}".strip() if outcome else Category.CANCELLED.value
        yield KeyReport(device_key=key, effect=Effect.RELEASED, status=status)


def _without_keys(step: SetStep) -> SetReport:
    """Report on a set that is removed, or whose job or keys are not known until `pulumi up`."""
    recorded = step.recorded
    unknown = (unknown_inputs(step.name).text,) if step.unknown else ()
    keys = tuple(_released_keys(step)) if step.change is Change.DELETE else ()
    return SetReport(
        name=recorded.name if recorded else step.name,
        change=step.change,
        job_id=recorded.job_id if recorded else "",
        reason=recorded.reason if recorded else "",
        expires=recorded.expires if recorded else "",
        declared=0,
        removed=len(keys),
        digest_before=digest(recorded.device_keys) if recorded else "",
        counts={Effect.RELEASED: len(keys)} if keys else {},
        guard=GuardUse(limit=Limit(), before=_limit(recorded.guard) if recorded else None),
        unknown=step.unknown,
        warnings=unknown,
        keys=keys,
    )


def _by_version(tasks: Iterable[Task]) -> Iterator[StatusCount]:
    counted = Counter((task.raw_status, task.from_version) for task in tasks)
    for (status, version), number in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        yield StatusCount(status=status, source_version=version, tasks=number)


def _guard_use(step: SetStep, plan: Plan, settings: ReviewSettings) -> GuardUse:
    guard, before = plan.task_set.guard, step.recorded.guard if step.recorded else None
    return GuardUse(
        limit=_limit(guard),
        before=_limit(before) if before else None,
        would_send=len(plan.cancels) if plan.is_read else None,
        allowed=guard.allowed(plan.live.total),
        exceeded=plan.exceeds_guard if plan.is_read else None,
        usual=_limit(settings.guard) if settings.guard.is_set else None,
        raised=guard.allows_more_than(before or settings.guard),
        broken_glass=plan.break_glass if plan.override else "",
    )


def _limit(guard: Guard) -> Limit:
    return Limit(max_devices=guard.max_devices, max_share=guard.max_share)

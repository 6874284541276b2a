"""Report on one set: turn its plan, and what Pulumi would do to its record, into the part of a review. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from enos_ota.audit import digest
from enos_ota.engine.preview_json import Change
from enos_ota.plan import Category, Record, Severity, describe_plan
from enos_ota.plan.messages import FAILING, unknown_inputs, unusual_keys
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT
from enos_ota.review.exposure import EFFECTS
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
    from collections.abc import Iterable, Iterator

    from enos_ota.engine.preview_json import SetStep
    from enos_ota.enos import Task
    from enos_ota.plan import Guard, KeyOutcome, Message, Plan

_ORDER: Final = {effect: place for place, effect in enumerate(EFFECTS)}


def record_before(step: SetStep) -> Record:
    """The record that an `up` would start from: after the refresh, and none where the job changes."""
    return Record() if step.changes_job or step.now is None else step.now


def report_set(step: SetStep, plan: Plan | None, stack_guard: Guard) -> SetReport:
    """Report on one set.

    Args:
        step: What Pulumi would do to it.
        plan: Its plan; None for a set that is removed, or whose job or keys are not known until `pulumi up`.
        stack_guard: The stack's own limits.
    """
    if plan is None:
        return _without_keys(step)
    task_set = plan.task_set
    keys = sorted(
        [*_declared_keys(step, plan), *_released_keys(step)], key=lambda key: (_ORDER[key.effect], key.device_key)
    )
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
        counts=dict(Counter(key.effect for key in keys)),
        will_cancel_by=tuple(_by_version(plan.cancels.values())),
        guard=_guard_use(step, plan, stack_guard),
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
        tasks = plan.tasks.get(key, ())
        version = ", ".join(dict.fromkeys(task.from_version for task in tasks if task.from_version))
        outcome = _outcome(plan, key)
        if key in plan.cancels:
            effect = Effect.CANCEL_AGAIN if key in was_cancelled else Effect.CANCEL
            status = plan.cancels[key].raw_status
        elif key in plan.unread:
            effect, status = Effect.UNREAD, ""
        elif outcome is None:
            effect, status = Effect.CANCELLED, tasks[0].raw_status if tasks else ""
        else:
            effect, status = Effect[outcome.category.name], _status(outcome)
        yield KeyReport(device_key=key, effect=effect, status=status, source_version=version)


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
        warnings=(unknown_inputs(step.name).text,) if step.unknown else (),
        keys=keys,
    )


def _by_version(tasks: Iterable[Task]) -> Iterator[StatusCount]:
    counted = Counter((task.raw_status, task.from_version) for task in tasks)
    for (status, version), number in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        yield StatusCount(status=status, source_version=version, tasks=number)


def _guard_use(step: SetStep, plan: Plan, usual: Guard) -> GuardUse:
    guard, before = plan.task_set.guard, step.recorded.guard if step.recorded else None
    return GuardUse(
        limit=_limit(guard),
        before=_limit(before) if before else None,
        would_send=len(plan.cancels) if plan.is_read else None,
        allowed=guard.allowed(plan.total),
        exceeded=plan.exceeds_guard if plan.is_read else None,
        usual=_limit(usual) if usual.is_set else None,
        raised=guard.allows_more_than(before or usual),
        broken_glass=plan.break_glass if plan.override else "",
    )


def _limit(guard: Guard) -> Limit:
    return Limit(max_devices=guard.max_devices, max_share=guard.max_share)

"""What an `up` would make of one set: declared, recorded and what EnOS says now, compared. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from enos_ota.audit import digest
from enos_ota.devicekeys.rules import unusual
from enos_ota.reconciler import Category, Guard, Record, judge, plan
from enos_ota.reconciler.classify import classify, fold, past_of
from enos_ota.reconciler.foresight import Foresight, foresee
from enos_ota.reconciler.guard import BREAK_GLASS, expectation_objection
from enos_ota.reconciler.naming import listed, shown
from enos_ota.reconciler.outcome import AFTER_PUSH, UNKNOWN_TEXT
from enos_ota.review.model import (
    STATUS_AFTER_PUSH,
    STATUS_UNKNOWN_TEXT,
    Change,
    Effect,
    GuardUse,
    KeyReport,
    Limit,
    SetReport,
    StatusCount,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import date

    from enos_ota.engine.preview_json import SetStep
    from enos_ota.engine.properties import Declared
    from enos_ota.enos import Task
    from enos_ota.reconciler import Finding, Plan
    from enos_ota.review.live import LiveJob

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

OUTDATED: Final = "no longer as recorded"
"""What is said of keys that changed in a stopped job."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What EnOS said of one set just now.

    Attributes:
        job: Its job.
        tasks: The tasks of the keys that were asked for.
    """

    job: LiveJob
    tasks: Mapping[str, tuple[Task, ...]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a set is judged by beside its own declaration.

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


def plan_of(step: SetStep, today: date) -> Plan | None:
    """What an `up` would work on; None for a set that is removed, or whose keys nobody knows yet."""
    if step.declared is None:
        return None
    record = _NOTHING if step.changes_job or step.now is None else step.now
    return plan(step.declared.device_keys, record, expired=step.declared.rules(today).expired)


def keys_to_read(step: SetStep, today: date, *, stopped: bool) -> frozenset[str]:
    """The keys whose tasks decide what an `up` does: those it works on, and with any of them those that are held.

    Of a stopped job all: a refresh did not read them. Keys of several products are read too: no cancel is sent for
    them, but they may wait, and are not among those that nobody declared.
    """
    change = plan_of(step, today)
    if change is None:
        return frozenset()
    if stopped:
        return change.todo | change.kept.known_keys()
    ambiguous = change.kept.of(Category.AMBIGUOUS).keys()
    if not change.todo:
        return frozenset(ambiguous)
    return change.todo | change.kept.of(Category.HELD).keys() | ambiguous


def assess(step: SetStep, seen: Seen | None, surroundings: Surroundings) -> SetReport:
    """The report on one set.

    Args:
        step: What Pulumi would do to it.
        seen: What EnOS says now of its job and of `keys_to_read`; None if it was not asked or did not answer.
        surroundings: What else counts.
    """
    declared, change = step.declared, plan_of(step, surroundings.today)
    if declared is None or change is None:
        return _without_keys(step)
    rules = declared.rules(surroundings.today)
    if seen is None:
        # Of the keys to work on nothing can be said.
        foresight = Foresight(replace(change.kept.without(change.todo), problem=""))
    else:
        foresight = foresee(change, seen.job.job, seen.tasks, fold(surroundings.markers))
    changed = _changed_meanwhile(change, seen, fold(surroundings.markers))
    keys = sorted(
        [*_declared_keys(step, change, foresight, seen, changed), *_released_keys(step)],
        key=lambda key: (_ORDER[key.effect], key.device_key),
    )
    counts = Counter(key.effect for key in keys)
    guard = _guard_use(step, declared.guard, seen, len(foresight.cancels), surroundings)
    verdict = judge(foresight.record, rules)
    recorded = frozenset(step.recorded.device_keys) if step.recorded else frozenset()
    added = frozenset(declared.device_keys) - recorded
    return SetReport(
        name=declared.set_name,
        change=step.change,
        job_id=declared.job_id,
        job_id_before=step.recorded.job_id if step.recorded and step.recorded.job_id != declared.job_id else "",
        reason=declared.reason,
        expires=declared.expires,
        expired=rules.expired,
        expect_firmware_version=declared.expect_firmware_version,
        on_too_late=declared.on_too_late,
        on_missing=declared.on_missing,
        declared=len(set(declared.device_keys)),
        added=len(added),
        removed=len(recorded.difference(declared.device_keys)),
        digest=digest(declared.device_keys),
        digest_before=digest(recorded) if recorded else "",
        counts=dict(sorted(counts.items(), key=lambda item: _ORDER[item[0]])),
        will_cancel_by=tuple(_by_version(foresight.cancels.values())),
        guard=guard,
        metadata=step.metadata,
        outdated=len(changed),
        errors=(*(f"{rules.subject}: {text}" for text in _objections(declared, change, seen, guard)), *verdict.errors),
        warnings=(
            *(f"{rules.subject}: {text}" for text in _overridden(declared.guard, seen, guard)),
            *(f"{rules.subject}: {text}" for text in _outdated(changed)),
            *verdict.warnings,
            *(f"{rules.subject}: {text}" for text in _unusual(added)),
        ),
        keys=tuple(keys),
    )


def _changed_meanwhile(change: Plan, seen: Seen | None, markers: frozenset[str]) -> dict[str, Finding | None]:
    """Keys of a stopped job that an `up` does not work on, and that are no longer as they were recorded."""
    if seen is None or not seen.job.is_stopped:
        return {}
    changed: dict[str, Finding | None] = {}
    for key, rows in seen.tasks.items():
        before = change.kept.findings.get(key)
        now = classify(rows, markers, past_of(before))
        if now and now.can_be_sent:
            now = replace(now, category=Category.HELD)
        if key not in change.todo and _category(now) is not _category(before):
            changed[key] = now
    return changed


def _unusual(added: Collection[str]) -> Iterator[str]:
    if found := unusual(sorted(added)):
        yield found.sentence(lambda _: "")


def _category(finding: Finding | None) -> Category:
    return finding.category if finding else Category.CANCELLED


def _outdated(changed: Mapping[str, Finding | None]) -> Iterator[str]:
    if changed:
        keys = "1 key" if len(changed) == 1 else f"{len(changed)} keys"
        some = listed([f"{shown(key)} {now.status if now else 'cancelled'}" for key, now in sorted(changed.items())])
        yield (
            f"{keys} {OUTDATED} ({some}): the job is stopped, so `pulumi up` does nothing about that. "
            "See to these devices and take them out of the set, or have the job started: what waits is pushed then, "
            "until the next `pulumi up`"
        )


def _declared_keys(
    step: SetStep, change: Plan, foresight: Foresight, seen: Seen | None, changed: Mapping[str, Finding | None]
) -> Iterator[KeyReport]:
    was_cancelled = step.before.cancelled_keys() if step.before and not step.changes_job else frozenset()
    for key in sorted(change.todo | change.kept.known_keys()):
        task = foresight.cancels.get(key)
        finding = changed[key] if key in changed else foresight.record.findings.get(key)
        rows = seen.tasks.get(key, ()) if seen else ()
        version = ", ".join(dict.fromkeys(row.from_version for row in rows if row.from_version))
        if task is not None:
            effect = Effect.CANCEL_AGAIN if key in was_cancelled else Effect.CANCEL
            yield KeyReport(device_key=key, effect=effect, status=task.raw_status, source_version=version)
        elif key in change.todo and key not in foresight.record.known_keys():
            yield KeyReport(device_key=key, effect=Effect.UNREAD)
        elif finding is None:
            status = rows[0].raw_status if rows else ""
            yield KeyReport(device_key=key, effect=Effect.CANCELLED, status=status, source_version=version)
        else:
            effect = _EFFECTS[finding.category]
            yield KeyReport(device_key=key, effect=effect, status=_told(finding), source_version=version)


def _told(finding: Finding) -> str:
    """The status of a task, or what is remarkable about its cancellation."""
    return {AFTER_PUSH: STATUS_AFTER_PUSH, UNKNOWN_TEXT: STATUS_UNKNOWN_TEXT}.get(finding, finding.status)


def _released_keys(step: SetStep) -> Iterator[KeyReport]:
    """Keys that leave the record: un-declared, or recorded for another job. Nothing is sent for them."""
    if step.before is None:
        return
    declared = frozenset(step.declared.device_keys) if step.declared and not step.changes_job else ()
    for key in sorted(step.before.known_keys().difference(declared)):
        finding = step.before.findings.get(key)
        told = f"{finding.category.value} {_told(finding)}".strip() if finding else Category.CANCELLED.value
        yield KeyReport(device_key=key, effect=Effect.RELEASED, status=told)


def _without_keys(step: SetStep) -> SetReport:
    """A set that is removed, or of which nothing is known before `pulumi up`."""
    recorded = step.recorded
    unknown = (f"set {step.name!r}: job or device keys are known only during `pulumi up`, so nothing was looked at",)
    keys = tuple(_released_keys(step)) if step.change is Change.DELETE else ()
    return SetReport(
        name=recorded.set_name if recorded else step.name,
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
        warnings=unknown if step.unknown else (),
        keys=keys,
    )


def _by_version(tasks: Iterable[Task]) -> Iterator[StatusCount]:
    counted = Counter((task.raw_status, task.from_version) for task in tasks)
    for (status, version), number in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        yield StatusCount(status=status, source_version=version, tasks=number)


def _guard_use(step: SetStep, guard: Guard, seen: Seen | None, would_send: int, around: Surroundings) -> GuardUse:
    before = step.recorded.guard if step.recorded else None
    total = seen.job.total if seen else None
    exceeded = None if seen is None else bool(guard.excess(would_send, total))
    return GuardUse(
        limit=_limit(guard),
        before=_limit(before) if before else None,
        would_send=None if seen is None else would_send,
        allowed=guard.allowed(total),
        exceeded=exceeded,
        usual=_limit(around.guard) if around.guard.is_set else None,
        raised=_allows_more(guard, before or around.guard),
        broken_glass=around.break_glass if exceeded else "",
    )


def _limit(guard: Guard) -> Limit:
    return Limit(max_devices=guard.max_devices, max_share=guard.max_share)


def _allows_more(now: Guard, before: Guard) -> bool:
    return any(
        was is not None and (limit is None or limit > was)
        for limit, was in ((now.max_devices, before.max_devices), (now.max_share, before.max_share))
    )


def _objections(declared: Declared, change: Plan, seen: Seen | None, guard: GuardUse) -> Iterator[str]:
    """Why nothing would be sent. A stopped job is not asked what it is about: its keys are held."""
    if seen is None or seen.job.job is None or not change.todo or seen.job.is_stopped:
        return
    if objection := expectation_objection(declared.expect_firmware_version, seen.job.job.firmware_version):
        yield objection
    would_send = guard.would_send or 0
    if not guard.broken_glass and (objection := declared.guard.objection(would_send, seen.job.total)):
        yield objection


def _overridden(guard: Guard, seen: Seen | None, use: GuardUse) -> Iterator[str]:
    if use.broken_glass and seen:
        excess = guard.excess(use.would_send or 0, seen.job.total)
        yield f"the guard is overridden by {BREAK_GLASS} ({use.broken_glass}); this change {excess}"

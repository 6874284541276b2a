"""Build the report of a review, with its verdict: pure. A set's part comes from its plan and from Pulumi's step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from enos_ota.audit import digest
from enos_ota.engine.preview_json import Change
from enos_ota.plan import Code, Guard, Record, RecordedJobStatus, Severity, build_plan, describe_plan
from enos_ota.plan.messages import FAILING, unknown_inputs, unusual_keys
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT
from enos_ota.review.exposure import EFFECTS
from enos_ota.review.model import (
    Effect,
    GuardUse,
    JobReport,
    KeyReport,
    Limit,
    OtherChange,
    OtherJob,
    Outcome,
    ReviewReport,
    SetMessage,
    SetReport,
    StatusCount,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from enos_ota.engine.preview_json import Preview, SetStep
    from enos_ota.enos import Task
    from enos_ota.plan import JobFacts, LiveSet, Message, Plan, TaskSet

_REMARKS: Final = {AFTER_PUSH: "after push", UNKNOWN_TEXT: "failed, with an unknown text"}
"""What is shown instead of the status of a task that was cancelled."""
_ORDER: Final = {effect: place for place, effect in enumerate(EFFECTS)}


@dataclass(frozen=True, slots=True)
class ReviewContext:
    """What is reviewed, when (UTC), and the stack's own guard, policy packs, ignored options of Pulumi."""

    project: str
    stack: str
    commit: str
    now: datetime
    policy_packs: tuple[str, ...] = ()
    ignored_options: tuple[str, ...] = ()
    guard: Guard = field(default_factory=Guard)

    def report(self, outcome: Outcome, headline: str, **more: Any) -> ReviewReport:
        """Return a report on what is reviewed."""
        return ReviewReport(
            project=self.project,
            stack=self.stack,
            commit=self.commit,
            made_at=self.now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            outcome=outcome,
            headline=headline,
            **more,
        )


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A job with its counts by status, and other started jobs with its firmware; None: they could not be read."""

    live: LiveSet
    related: tuple[OtherJob, ...] | None = ()


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """What Pulumi and EnOS answered."""

    preview: Preview
    previewed: bool
    """Whether the preview completed."""
    refreshed: bool
    """Whether it compared the recorded state with EnOS."""
    jobs: Mapping[str, LiveJob] = field(default_factory=dict)
    """By id."""
    plans: Mapping[str, Plan] = field(default_factory=dict)
    """The plans of the declared sets with what EnOS says now, by identity of their steps."""
    blind: tuple[str, ...] = ()
    """Why something could not be read."""
    no_credentials: str = ""
    """Why EnOS was not asked, if there are no credentials."""


def report_misconfigured(context: ReviewContext, problems: Sequence[str]) -> ReviewReport:
    """Report a configuration that cannot be used: neither Pulumi nor EnOS was asked."""
    headline = f"the configuration has {_count(len(problems), 'problem')}: nothing was checked"
    return context.report(Outcome.MISCONFIGURED, headline, reasons=tuple(problems))


def build_report(context: ReviewContext, found: ReviewFacts, *, expect_no_changes: bool) -> ReviewReport:
    """Build the report. With `expect_no_changes` any change is a no."""
    sets = [report_set(step, _plan(step, found, context), context.guard) for step in found.preview.sets]
    ordered = tuple(sorted(sets, key=_gravity))
    outcome, reasons = _verdict(ordered, found, expect_no_changes=expect_no_changes)
    return context.report(
        outcome,
        _headline(outcome, reasons, ordered, found),
        reasons=reasons,
        warnings=tuple(_warnings(context, found)),
        live=bool(found.jobs),
        refreshed=found.refreshed,
        previewed=found.previewed,
        policy_packs=context.policy_packs,
        jobs=tuple(_jobs(found, ordered)),
        sets=ordered,
        others=tuple(OtherChange(op=each.op, type=each.type, name=each.name) for each in found.preview.others),
    )


def _plan(step: SetStep, found: ReviewFacts, context: ReviewContext) -> Plan | None:
    if step.declared is None:
        return None
    plan = found.plans.get(step.identity)
    return plan or build_plan(step.declared, record_before(step), today=context.now.date())


def _gravity(each: SetReport) -> tuple[int, str]:
    """Sort key: failing sets first, then changed ones, then those with warnings; equal ones by name."""
    if each.errors:
        return 0, each.name
    return 1 if each.change is not Change.NONE else 2 if each.warnings else 3, each.name


def _verdict(
    sets: Sequence[SetReport], found: ReviewFacts, *, expect_no_changes: bool
) -> tuple[Outcome, tuple[str, ...]]:
    errors = [text for each in sets for text in each.errors]
    if found.blind:
        return Outcome.UNDETERMINED, (*found.blind, *errors)
    if errors or not found.previewed:
        lines = (line for text in found.preview.errors for line in text.splitlines() if line.strip())
        return Outcome.FAILS, (*errors, *lines)
    if not expect_no_changes:
        return Outcome.FINE, ()
    if found.no_credentials:
        return Outcome.UNDETERMINED, (f"cannot check for drift: {found.no_credentials}",)
    changes = [*_changes(sets), *(f"{each.op} {each.type} {each.name}" for each in found.preview.others)]
    return (Outcome.CHANGES, tuple(changes)) if changes else (Outcome.FINE, ())


def _changes(sets: Iterable[SetReport]) -> Iterator[str]:
    for each in sets:
        if each.change is Change.NONE:
            yield from (message.text for message in each.messages if message.code == Code.OUTDATED.value)
            continue
        parts = [
            f"{each.counts[effect]} {effect.value}"
            for effect in (Effect.CANCEL_AGAIN, Effect.CANCEL, Effect.UNREAD, Effect.RELEASED)
            if each.counts.get(effect)
        ]
        yield f"set {each.name!r} (job {each.job_id}): {each.change.value}" + (f", {', '.join(parts)}" if parts else "")


def _headline(outcome: Outcome, reasons: Sequence[str], sets: Sequence[SetReport], found: ReviewFacts) -> str:
    if outcome is Outcome.UNDETERMINED:
        return "it is unknown what `pulumi up` would do"
    if outcome is Outcome.FAILS:
        failing = sum(bool(each.errors) for each in sets)
        return "`pulumi up` would fail" + (f" for {_count(failing, 'set')} of {len(sets)}" if failing else "")
    if outcome is Outcome.CHANGES:
        return f"no change was expected, but there {'is one' if len(reasons) == 1 else f'are {len(reasons)}'}"
    changed = bool(found.preview.others) or any(each.change is not Change.NONE for each in sets)
    if not (changed or found.refreshed):
        return "no declared change; drift was not checked"
    return _prospect(sets, changed=changed)


def _prospect(sets: Sequence[SetReport], *, changed: bool) -> str:
    cancels = sum(each.will_cancel for each in sets)
    will = f"`pulumi up` will cancel {_count(cancels, 'task')}"
    if unknown := sum(each.unknown for each in sets):
        rest = f"what `pulumi up` will cancel of {_count(unknown, 'set')} is known only then"
        return f"{will}; {rest}" if cancels else rest
    if cancels:
        return will
    if unread := sum(each.count(Effect.UNREAD) for each in sets):
        return f"`pulumi up` will work on {_count(unread, 'device key')}; their tasks were not checked"
    if outdated := sum(each.outdated for each in sets):
        return f"`pulumi up` will cancel nothing; {_count(outdated, 'key')} no longer as recorded, of a stopped job"
    return "`pulumi up` will cancel nothing" if changed else "nothing to do: every set is as declared"


def _warnings(context: ReviewContext, found: ReviewFacts) -> Iterator[str]:
    """Return the warnings that are not about a set; those are in its report."""
    if options := context.ignored_options:
        yield (
            f"{', '.join(options)} in the environment: `pulumi up` would use {'it' if len(options) == 1 else 'them'}, "
            "this review did not: it covers the whole stack as it is configured"
        )
    if found.no_credentials:
        yield f"without credentials tasks were not checked, only what is declared is shown: {found.no_credentials}"
    yield from found.preview.warnings


def _jobs(found: ReviewFacts, sets: Sequence[SetReport]) -> Iterator[JobReport]:
    """Report every job that a set is or was about, each once, in the order of the sets."""
    steps: dict[str, list[tuple[TaskSet, SetStep]]] = {}
    for step in found.preview.sets:
        for about in filter(None, (step.declared, step.recorded)):
            steps.setdefault(about.job_id, []).append((about, step))
    for job_id, abouts in steps.items():
        recorded = (step.now.job for about, step in abouts if step.now and about == step.recorded)
        job = _job(abouts[0][0], next(recorded, None), found.jobs.get(job_id))
        own = sum(plan.own_waiting for plan in found.plans.values() if plan.task_set.job_id == job_id)
        # A total that is smaller than the sets' own tasks lags behind, or is capped [U].
        exposed = None if job.waiting is None or job.waiting < own else job.waiting - own
        cancels = sum(each.will_cancel for each in sets if each.job_id == job_id)
        yield job.model_copy(update={"exposed": exposed, "will_cancel": cancels})


def _job(task_set: TaskSet, recorded: JobFacts | None, found: LiveJob | None) -> JobReport:
    job = JobReport(
        job_id=task_set.job_id, org_id=task_set.org_id, gateway=task_set.api_gateway, looked=found is not None
    )
    if found and (live := found.live.job):
        counts = found.live.by_status.items()
        return job.model_copy(
            update={
                "status": live.status.value,
                "name": live.name,
                "firmware_version": live.firmware_version,
                "firmware_name": live.firmware_name,
                "product_key": live.product_key,
                "type": live.type,
                "incremental": live.upgrade_policy.strip().lower() == "incremental",
                "automatic_retry": live.automatic_retry,
                "total": found.live.total,
                "waiting": found.live.waiting,
                "by_status": tuple(StatusCount(status=each.value, tasks=n) for each, n in counts if n is not None),
                "same_firmware": found.related,
            }
        )
    if recorded is None or (found and recorded.status is RecordedJobStatus.UNKNOWN):
        return job  # it was never there
    return job.model_copy(
        update={
            "status": "deleted" if found else recorded.status.value,
            "name": recorded.name,
            "firmware_version": recorded.firmware_version,
            "automatic_retry": recorded.automatic_retry,
        }
    )


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
    outcomes = {**plan.record.outcomes, **plan.outcomes, **plan.outdated}
    for key in sorted(plan.work | plan.kept.known_keys()):
        tasks = plan.live.tasks.get(key, ())
        version = ", ".join(dict.fromkeys(task.from_version for task in tasks if task.from_version))
        outcome = outcomes.get(key)
        if key in plan.cancels:
            effect = Effect.CANCEL_AGAIN if key in was_cancelled else Effect.CANCEL
            status = plan.cancels[key].raw_status
        elif key in plan.unread:
            effect, status = Effect.UNREAD, ""
        elif outcome is None:
            effect, status = Effect.CANCELLED, tasks[0].raw_status if tasks else ""
        else:
            effect, status = Effect[outcome.category.name], _REMARKS.get(outcome, outcome.status)
        yield KeyReport(device_key=key, effect=effect, status=status, source_version=version)


def _released_keys(step: SetStep) -> Iterator[KeyReport]:
    """Keys that leave the record: un-declared, or recorded for another job. Nothing is sent for them."""
    if step.before is None:
        return
    declared = frozenset(step.declared.device_keys) if step.declared and not step.changes_job else ()
    for key in sorted(step.before.known_keys().difference(declared)):
        outcome = step.before.outcomes.get(key)
        status = f"{outcome.category.value} {_REMARKS.get(outcome, outcome.status)}" if outcome else "cancelled"
        yield KeyReport(device_key=key, effect=Effect.RELEASED, status=status.strip())


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
        allowed=guard.allowed(plan.live.total),
        exceeded=plan.exceeds_guard if plan.is_read else None,
        usual=_limit(usual) if usual.is_set else None,
        raised=guard.allows_more_than(before or usual),
        broken_glass=plan.break_glass if plan.override else "",
    )


def _limit(guard: Guard) -> Limit:
    return Limit(max_devices=guard.max_devices, max_share=guard.max_share)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")

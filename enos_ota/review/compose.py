"""Build the report of a review, with its verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enos_ota.engine.preview_json import Change
from enos_ota.enos import JobStatus
from enos_ota.plan import Code, RecordedJobStatus
from enos_ota.review.model import (
    Effect,
    JobReport,
    OtherChange,
    OtherJob,
    Outcome,
    ReviewReport,
    SetReport,
    StatusCount,
)
from enos_ota.review.set_report import report_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enos_ota.engine.preview_json import Preview, SetStep
    from enos_ota.plan import JobFacts, Plan, TaskSet
    from enos_ota.review.live import LiveJob
    from enos_ota.review.set_report import ReviewSettings

_STATUSES: Final = {JobStatus.STARTED: "started", JobStatus.STOPPED: "stopped"}


@dataclass(frozen=True, slots=True)
class ReviewContext:
    """The stack and commit that are reviewed, the time, the policy packs, and ignored options of Pulumi."""

    project: str
    stack: str
    commit: str
    made_at: str
    policy_packs: tuple[str, ...] = ()
    ignored_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """What Pulumi and EnOS answered.

    Attributes:
        preview: What Pulumi's preview says.
        previewed: Whether it came to its end.
        refreshed: Whether it compared what is recorded with EnOS.
        jobs: The jobs as EnOS has them now, by id.
        plans: The plan of each declared set with what EnOS says now, by identity of its step.
        blind: Why something could not be read; empty if everything was.
        no_credentials: Why EnOS was not asked, if that is because there are no credentials; empty if there are.
    """

    preview: Preview
    previewed: bool
    refreshed: bool
    jobs: Mapping[str, LiveJob] = field(default_factory=lambda: MappingProxyType({}))
    plans: Mapping[str, Plan] = field(default_factory=lambda: MappingProxyType({}))
    blind: tuple[str, ...] = ()
    no_credentials: str = ""


def report_misconfigured(context: ReviewContext, problems: Sequence[str]) -> ReviewReport:
    """Report a configuration that cannot be used: neither Pulumi nor EnOS was asked."""
    return ReviewReport(
        project=context.project,
        stack=context.stack,
        commit=context.commit,
        made_at=context.made_at,
        outcome=Outcome.MISCONFIGURED,
        headline=f"the configuration has {_count(len(problems), 'problem')}: nothing was checked",
        reasons=tuple(problems),
    )


def build_report(
    context: ReviewContext, found: ReviewFacts, settings: ReviewSettings, *, expect_no_changes: bool
) -> ReviewReport:
    """Build the report.

    Args:
        context: What is reviewed.
        found: What Pulumi and EnOS answered.
        settings: The settings of the review.
        expect_no_changes: Whether any change is a no.
    """
    sets = [report_set(step, found.plans.get(step.identity), settings) for step in found.preview.sets]
    ordered = tuple(sorted(sets, key=_gravity))  # stable: otherwise in Pulumi's order
    outcome, reasons = _verdict(ordered, found, expect_no_changes=expect_no_changes)
    return ReviewReport(
        project=context.project,
        stack=context.stack,
        commit=context.commit,
        made_at=context.made_at,
        outcome=outcome,
        headline=_headline(outcome, ordered, found),
        reasons=reasons,
        warnings=(*_ignored(context.ignored_options), *_others(found)),
        live=bool(found.jobs),
        refreshed=found.refreshed,
        previewed=found.previewed,
        policy_packs=context.policy_packs,
        jobs=tuple(_jobs(found, ordered)),
        sets=ordered,
        others=tuple(OtherChange(op=each.op, type=each.type, name=each.name) for each in found.preview.others),
    )


def _gravity(each: SetReport) -> int:
    """Sort key: failing sets first, then changed ones, then those with warnings."""
    if each.errors:
        return 0
    return 1 if each.change is not Change.NONE else 2 if each.warnings else 3


def _verdict(
    sets: Sequence[SetReport], found: ReviewFacts, *, expect_no_changes: bool
) -> tuple[Outcome, tuple[str, ...]]:
    errors = [text for each in sets for text in each.errors]
    if found.blind:
        return Outcome.UNDETERMINED, (*found.blind, *errors)
    if errors or not found.previewed:
        return Outcome.FAILS, (*errors, *_lines(found.preview.errors))
    if not expect_no_changes:
        return Outcome.FINE, ()
    if found.no_credentials:
        return Outcome.UNDETERMINED, (f"cannot check for drift: {found.no_credentials}",)
    changes = [*_changes(sets), *(f"{each.op} {each.type} {each.name}" for each in found.preview.others)]
    return (Outcome.CHANGES, tuple(changes)) if changes else (Outcome.FINE, ())


def _lines(texts: Iterable[str]) -> Iterator[str]:
    return (line for text in texts for line in text.splitlines() if line.strip())


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


def _headline(outcome: Outcome, sets: Sequence[SetReport], found: ReviewFacts) -> str:
    if outcome is Outcome.UNDETERMINED:
        return "it is unknown what `pulumi up` would do"
    if outcome is Outcome.FAILS:
        failing = sum(bool(each.errors) for each in sets)
        return "`pulumi up` would fail" + (f" for {_count(failing, 'set')} of {len(sets)}" if failing else "")
    changed = sum(each.change is not Change.NONE for each in sets) + len(found.preview.others)
    if outcome is Outcome.CHANGES:
        changes = changed + sum(each.change is Change.NONE and bool(each.outdated) for each in sets)
        found_some = f"no change was expected, but there {'is one' if changes == 1 else f'are {changes}'}"
        return ": ".join(filter(None, (found_some, _replacements(sets))))
    if not (changed or found.refreshed):
        return "no declared change; drift was not checked"
    return _prospect(sets, changed=bool(changed))


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
    if not changed:
        return "nothing to do: every set is as declared"
    return "; ".join(filter(None, ("`pulumi up` will cancel nothing", _replacements(sets))))


def _replacements(sets: Sequence[SetReport]) -> str:
    number = sum(each.change is Change.REPLACE for each in sets)
    return f"{_count(number, 'set')} will be replaced" if number else ""


def _ignored(options: Sequence[str]) -> Iterator[str]:
    if options:
        yield (
            f"{', '.join(options)} in the environment: `pulumi up` would use {'it' if len(options) == 1 else 'them'}, "
            "this review did not: it covers the whole stack as it is configured"
        )


def _others(found: ReviewFacts) -> Iterator[str]:
    """What Pulumi and the program warned of. The sets of a reviewed preview say nothing: their reports do."""
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
        recorded = (step.now.job for about, step in abouts if step.now and step.recorded and about == step.recorded)
        facts = next(recorded, None)
        if job_id in found.jobs:
            own = sum(plan.own_waiting for plan in found.plans.values() if plan.task_set.job_id == job_id)
            cancels = sum(each.will_cancel for each in sets if each.job_id == job_id)
            yield _live_job(abouts[0][0], found.jobs[job_id], own, cancels, facts)
        else:
            yield _recorded_job(abouts[0][0], facts)


def _live_job(task_set: TaskSet, found: LiveJob, own: int, cancels: int, facts: JobFacts | None) -> JobReport:
    place = JobReport(job_id=task_set.job_id, org_id=task_set.org_id, gateway=task_set.api_gateway, looked=True)
    live, job = found.live, found.live.job
    if job is None:
        if facts is None or facts.status is RecordedJobStatus.UNKNOWN:
            return place  # it was never there
        return _recorded_job(task_set, facts).model_copy(update={"status": "deleted", "looked": True})
    return place.model_copy(
        update={
            "status": _STATUSES.get(job.status, "unknown"),
            "name": job.name,
            "firmware_version": job.firmware_version,
            "firmware_name": job.firmware_name,
            "product_key": job.product_key,
            "type": job.type,
            "incremental": job.upgrade_policy.strip().lower() == "incremental",
            "automatic_retry": job.automatic_retry,
            "total": live.total,
            "waiting": live.waiting,
            "will_cancel": cancels,
            # A total that is smaller than the sets' own tasks lags behind, or is capped [U].
            "exposed": None if live.waiting is None or live.waiting < own else live.waiting - own,
            "by_status": tuple(
                StatusCount(status=status.value, tasks=number)
                for status, number in live.by_status.items()
                if number is not None
            ),
            "same_firmware": None
            if found.related is None
            else tuple(OtherJob(job_id=each.job_id, name=each.name, waiting=each.waiting) for each in found.related),
        }
    )


def _recorded_job(task_set: TaskSet, facts: JobFacts | None) -> JobReport:
    place = JobReport(job_id=task_set.job_id, org_id=task_set.org_id, gateway=task_set.api_gateway)
    if facts is None:
        return place
    return place.model_copy(
        update={
            "status": facts.status.value,
            "name": facts.name,
            "firmware_version": facts.firmware_version,
            "automatic_retry": facts.automatic_retry,
        }
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")

"""Build the report of a review, with its verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from enos_ota.engine.preview_json import Change
from enos_ota.enos import JobStatus
from enos_ota.plan import Code, Guard, RecordedJobStatus, build_plan
from enos_ota.review.model import (
    Effect,
    JobReport,
    OtherChange,
    Outcome,
    ReviewReport,
    SetReport,
    StatusCount,
)
from enos_ota.review.set_report import record_before, report_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from enos_ota.engine.preview_json import Preview, SetStep
    from enos_ota.plan import JobFacts, Plan, TaskSet
    from enos_ota.review.live import LiveJob

_STATUSES: Final = {JobStatus.STARTED: "started", JobStatus.STOPPED: "stopped"}


@dataclass(frozen=True, slots=True)
class ReviewContext:
    """What is reviewed, when (UTC), and the the stack's own guard, policy packs, ignored options of Pulumi."""

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
class ReviewFacts:
    """What Pulumi and EnOS answered.

    Attributes:
        preview: What Pulumi's preview says.
        previewed: Whether it completed.
        refreshed: Whether it compared the recorded state with EnOS.
        jobs: The jobs as EnOS has them now, by id.
        plans: The plan of each declared set with what EnOS says now, by identity of its step.
        blind: Why something could not be read; empty if everything was.
        no_credentials: Why EnOS was not asked, if that is because there are no credentials; empty if there are.
    """

    preview: Preview
    previewed: bool
    refreshed: bool
    jobs: Mapping[str, LiveJob] = field(default_factory=dict)
    plans: Mapping[str, Plan] = field(default_factory=dict)
    blind: tuple[str, ...] = ()
    no_credentials: str = ""


def report_misconfigured(context: ReviewContext, problems: Sequence[str]) -> ReviewReport:
    """Report a configuration that cannot be used: neither Pulumi nor EnOS was asked."""
    headline = f"the configuration has {_count(len(problems), 'problem')}: nothing was checked"
    return context.report(Outcome.MISCONFIGURED, headline, reasons=tuple(problems))


def build_report(context: ReviewContext, found: ReviewFacts, *, expect_no_changes: bool) -> ReviewReport:
    """Build the report. With `expect_no_changes` any change is a no."""
    sets = [report_set(step, _plan(step, found, context), context.guard) for step in found.preview.sets]
    ordered = tuple(sorted(sets, key=_gravity))  # stable: otherwise in Pulumi's order
    outcome, reasons = _verdict(ordered, found, expect_no_changes=expect_no_changes)
    return context.report(
        outcome,
        _headline(outcome, ordered, found),
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
    unread = build_plan(step.declared, record_before(step), today=context.now.date())
    return found.plans.get(step.identity, unread)


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
                "status": _STATUSES.get(live.status, "unknown"),
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


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")

"""From what was found out to the report with its verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enos_ota.enos import JobStatus
from enos_ota.review.judge import OUTDATED, assess
from enos_ota.review.live import WAITING
from enos_ota.review.model import Change, Effect, JobReport, OtherJob, Outcome, ReviewReport, SetReport, StatusCount

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enos_ota.engine.preview_json import Preview, SetStep
    from enos_ota.engine.properties import Declared
    from enos_ota.reconciler import JobFacts
    from enos_ota.review.judge import Seen, Surroundings
    from enos_ota.review.live import LiveJob

_STATUSES: Final = {JobStatus.STARTED: "started", JobStatus.STOPPED: "stopped"}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What was reviewed, when, by which policy packs too, and which options of Pulumi's it left out."""

    project: str
    stack: str
    commit: str
    made_at: str
    policy_packs: tuple[str, ...] = ()
    ignored_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found out.

    Attributes:
        preview: What Pulumi's preview says.
        previewed: Whether it came to its end.
        refreshed: Whether it compared what is recorded with EnOS.
        seen: What EnOS says now, by identity of the set's step.
        blind: Why nothing could be found out, or not all; empty if all was.
        no_credentials: Why EnOS was not asked, if that is because there are no credentials; empty if there are.
    """

    preview: Preview
    previewed: bool
    refreshed: bool
    seen: Mapping[str, Seen] = field(default_factory=lambda: MappingProxyType({}))
    blind: tuple[str, ...] = ()
    no_credentials: str = ""


def misconfigured(occasion: Occasion, problems: Sequence[str]) -> ReviewReport:
    """The report on a configuration that cannot be used: nothing was asked, neither Pulumi nor EnOS."""
    return ReviewReport(
        project=occasion.project,
        stack=occasion.stack,
        commit=occasion.commit,
        made_at=occasion.made_at,
        outcome=Outcome.MISCONFIGURED,
        headline=f"the configuration has {_count(len(problems), 'problem')}: nothing was looked at",
        reasons=tuple(problems),
    )


def compose(
    occasion: Occasion, found: Findings, surroundings: Surroundings, *, expect_no_changes: bool
) -> ReviewReport:
    """The report.

    Args:
        occasion: What was reviewed.
        found: What was found out.
        surroundings: What sets are judged by.
        expect_no_changes: Whether any change is a no.
    """
    sets = [assess(step, found.seen.get(step.identity), surroundings) for step in found.preview.sets]
    ordered = tuple(sorted(sets, key=_gravity))  # stable: otherwise in Pulumi's order
    outcome, reasons = _verdict(ordered, found, expect_no_changes=expect_no_changes)
    told = [text for each in ordered for text in (*each.errors, *each.warnings)]
    return ReviewReport(
        project=occasion.project,
        stack=occasion.stack,
        commit=occasion.commit,
        made_at=occasion.made_at,
        outcome=outcome,
        headline=_headline(outcome, ordered, found),
        reasons=reasons,
        warnings=(*_ignored(occasion.ignored_options), *_others(found, told, reasons)),
        live=bool(found.seen),
        refreshed=found.refreshed,
        previewed=found.previewed,
        policy_packs=occasion.policy_packs,
        jobs=tuple(_jobs(found, ordered)),
        sets=ordered,
        others=found.preview.others,
    )


def _gravity(each: SetReport) -> int:
    """0 for a set that fails, the more the less there is to say of it."""
    if each.errors:
        return 0
    return 1 if each.change is not Change.NONE else 2 if each.warnings else 3


def _verdict(sets: Sequence[SetReport], found: Findings, *, expect_no_changes: bool) -> tuple[Outcome, tuple[str, ...]]:
    errors = [text for each in sets for text in each.errors]
    if found.blind:
        return Outcome.UNDETERMINED, (*found.blind, *errors)
    said = "\n".join(errors)
    # The program tells the same of the sets that a preview refuses.
    more = [line for text in found.preview.errors for line in text.splitlines() if not _is_told(line, said)]
    if errors or not found.previewed:
        return Outcome.FAILS, (*errors, *more)
    if not expect_no_changes:
        return Outcome.FINE, ()
    if found.no_credentials:
        return Outcome.UNDETERMINED, (f"nobody can tell whether anything has changed: {found.no_credentials}",)
    changes = [*_changes(sets), *(f"{each.op} {each.type} {each.name}" for each in found.preview.others)]
    return (Outcome.CHANGES, tuple(changes)) if changes else (Outcome.FINE, ())


def _is_told(line: str, said: str) -> bool:
    return not line.strip() or line.strip() in said or " sets would be refused by `pulumi up`:" in line


def _changes(sets: Iterable[SetReport]) -> Iterator[str]:
    for each in sets:
        if each.change is Change.NONE:
            yield from (text for text in each.warnings if each.outdated and OUTDATED in text)
            continue
        parts = [
            f"{each.counts[effect]} {effect.value}"
            for effect in (Effect.CANCEL_AGAIN, Effect.CANCEL, Effect.UNREAD, Effect.RELEASED)
            if each.counts.get(effect)
        ]
        yield f"set {each.name!r} (job {each.job_id}): {each.change.value}" + (f", {', '.join(parts)}" if parts else "")


def _headline(outcome: Outcome, sets: Sequence[SetReport], found: Findings) -> str:
    if outcome is Outcome.UNDETERMINED:
        return "it could not be found out what `pulumi up` would do"
    if outcome is Outcome.FAILS:
        failing = sum(bool(each.errors) for each in sets)
        return "`pulumi up` would fail" + (f" for {_count(failing, 'set')} of {len(sets)}" if failing else "")
    changed = sum(each.change is not Change.NONE for each in sets) + len(found.preview.others)
    if outcome is Outcome.CHANGES:
        changes = changed + sum(each.change is Change.NONE and bool(each.outdated) for each in sets)
        found_some = f"no change was expected, but there {'is one' if changes == 1 else f'are {changes}'}"
        return ": ".join(filter(None, (found_some, _replacements(sets))))
    if not (changed or found.refreshed):
        return "no change is declared; whether what was recorded is still so was not looked at"
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
        return f"`pulumi up` will work on {_count(unread, 'device key')}; how they stand now was not looked at"
    if outdated := sum(each.outdated for each in sets):
        return f"`pulumi up` will cancel nothing; {_count(outdated, 'key')} no longer as recorded, of a stopped job"
    if not changed:
        return "nothing to do: what is declared is so"
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


def _others(found: Findings, told: Sequence[str], reasons: Sequence[str]) -> Iterator[str]:
    """What else was said on the way; what is said of a set that was looked at, its own report says better."""
    if found.no_credentials:
        yield f"without credentials what is declared is shown, but not how it stands now: {found.no_credentials}"
    looked = tuple(
        start
        for name in (step.name for step in found.preview.sets if step.identity in found.seen)
        for start in (f"set {name!r} (job ", f"preview of set {name!r}:", f"set {name!r}:")
    )
    for text in found.preview.warnings:
        if text.startswith(looked) or text in told or text in reasons or "EnOS could not be asked what" in text:
            continue
        yield text


def _jobs(found: Findings, sets: Sequence[SetReport]) -> Iterator[JobReport]:
    """Every job that a set is or was about, each once, in the order of the sets."""
    steps: dict[str, list[tuple[Declared, SetStep]]] = {}
    for step in found.preview.sets:
        for about in filter(None, (step.declared, step.recorded)):
            steps.setdefault(about.job_id, []).append((about, step))
    for job_id, abouts in steps.items():
        seen = [
            found.seen[step.identity]
            for about, step in abouts
            if about is (step.declared or step.recorded) and step.identity in found.seen
        ]
        recorded = (step.now.job for about, step in abouts if step.now and step.recorded and about == step.recorded)
        facts = next(recorded, None)
        if seen:
            cancels = sum(each.will_cancel for each in sets if each.job_id == job_id)
            yield _seen_job(abouts[0][0], seen[0].job, seen, cancels, facts)
        else:
            yield _recorded_job(abouts[0][0], facts)


def _seen_job(
    declared: Declared, live: LiveJob, seen: Sequence[Seen], cancels: int, facts: JobFacts | None
) -> JobReport:
    place = JobReport(job_id=declared.job_id, org_id=declared.org_id, gateway=declared.api_gateway, looked=True)
    job = live.job
    if job is None:
        if facts is None or facts.status.value == "unknown":
            return place  # it was never there
        return _recorded_job(declared, facts).model_copy(update={"status": "deleted", "looked": True})
    ours = [task for each in seen for tasks in each.tasks.values() for task in tasks if task.status in WAITING]
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
            # A total that is smaller than our own tasks lags behind, or is capped [U]: it says nothing of others.
            "exposed": None if live.waiting is None or live.waiting < len(ours) else live.waiting - len(ours),
            "by_status": tuple(
                StatusCount(status=status.value, tasks=number)
                for status, number in live.by_status.items()
                if number is not None
            ),
            "same_firmware": None
            if live.siblings is None
            else tuple(OtherJob(job_id=each.job_id, name=each.name, waiting=each.waiting) for each in live.siblings),
        }
    )


def _recorded_job(declared: Declared, facts: JobFacts | None) -> JobReport:
    place = JobReport(job_id=declared.job_id, org_id=declared.org_id, gateway=declared.api_gateway)
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

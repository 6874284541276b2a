"""The first screen of a report and its lists of keys as data; terminal, Markdown and HTML render it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.engine.preview_json import Change
from enos_ota.review.exposure import EFFECTS
from enos_ota.review.lines import ReportLine, Tone, describe_deleted, describe_unchanged, job_lines
from enos_ota.review.model import Effect, JobReport, Outcome
from enos_ota.review.text import Text, command, name, names, say, saying

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enos_ota.review.model import KeyReport, ReviewReport, SetReport

_BADGES: Final = {
    Outcome.FINE: "OK",
    Outcome.CHANGES: "CHANGED",
    Outcome.FAILS: "FAILS",
    Outcome.MISCONFIGURED: "MISCONFIGURED",
    Outcome.UNDETERMINED: "UNKNOWN",
}
_UNSEEN: Final = "NOT CHECKED"
"""Badge instead of OK where EnOS was not asked."""
_TONES: Final = {Outcome.FINE: Tone.GOOD, Outcome.UNDETERMINED: Tone.CAREFUL}

_COMMIT: Final = 12
"""Characters of a commit's hash that are enough."""
_PACKS: Final = 10
"""Policy packs that are named."""
_UTC: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:Z|\+00:00)")


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict, which a reader sees first."""

    badge: str
    """In a word or two, in capitals."""
    tone: Tone
    sentence: Text
    context: tuple[Text, ...]
    """What was reviewed, when, and what was not checked."""
    reasons: tuple[Text, ...]
    warnings: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys of a set that have one effect; `total` may be more than there are `keys`."""

    effect: Effect
    title: str
    total: int
    keys: tuple[KeyReport, ...]


@dataclass(frozen=True, slots=True)
class SetKeys:
    """The keys of one set."""

    title: Text
    groups: tuple[KeyGroup, ...]


@dataclass(frozen=True, slots=True)
class JobSection:
    """One job and its sets."""

    job: JobReport
    title: Text
    lines: tuple[ReportLine, ...]
    sets: tuple[SetKeys, ...]


@dataclass(frozen=True, slots=True)
class Screen:
    """The first screen."""

    verdict: Headline
    jobs: tuple[JobSection, ...]
    """Jobs with a change, an error or a warning."""
    others: tuple[Text, ...]
    """Changes of resources that are not sets."""
    unchanged: tuple[Text, ...]
    """One line for each set of the other jobs."""
    everything: Text
    """How to list all keys."""


def first_screen(report: ReviewReport) -> Screen:
    """Return the screen of a report."""
    by_job = list(_by_job(report))
    html = f"enos-ota review --stack {shlex.quote(report.stack)} --format html --out review.html"
    return Screen(
        verdict=_verdict(report, [text for job, sets in by_job for text in describe_deleted(job, sets)]),
        jobs=tuple(_job_section(report, job, sets) for job, sets in by_job if not all(map(_is_quiet, sets))),
        others=tuple(say(name(each.op), " ", name(each.type), " ", name(each.name)) for each in report.others),
        unchanged=tuple(
            describe_unchanged(job, each) for job, sets in by_job if all(map(_is_quiet, sets)) for each in sets
        ),
        everything=say("All keys: ", command(html)),
    )


def _by_job(report: ReviewReport) -> Iterator[tuple[JobReport, Sequence[SetReport]]]:
    """Return the sets of each job, in the order of the jobs' first sets."""
    known = {job.job_id: job for job in report.jobs}
    by_job: dict[str, list[SetReport]] = {}
    for each in report.sets:
        by_job.setdefault(each.job_id, []).append(each)
    for job_id, sets in by_job.items():
        # The job of a set may not be known until `pulumi up`.
        yield known.get(job_id) or JobReport(job_id=job_id, org_id="", gateway=""), sets


def _is_quiet(each: SetReport) -> bool:
    plain = each.change is Change.NONE and not (each.errors or each.warnings or each.expired or each.metadata)
    return plain and all(effect is Effect.CANCELLED or not number for effect, number in each.counts.items())


def _verdict(report: ReviewReport, deleted: Iterable[Text]) -> Headline:
    glass = any(each.guard.broken_glass for each in report.sets)
    overridden = [say("a guard is overridden for this run")] if glass else []
    tone = _TONES.get(report.outcome, Tone.BAD)
    unread = any(each.unknown or each.count(Effect.UNREAD) for each in report.sets)
    is_unseen = report.outcome is Outcome.FINE and (unread or not report.refreshed)
    return Headline(
        badge=_UNSEEN if is_unseen else _BADGES[report.outcome],
        tone=Tone.CAREFUL if (glass or is_unseen) and tone is Tone.GOOD else tone,
        sentence=say(saying(report.headline)),
        context=tuple(_context(report)),
        reasons=tuple(_each_line(report.reasons)),
        warnings=(*overridden, *deleted, *_each_line(report.warnings)),
    )


def _context(report: ReviewReport) -> Iterator[Text]:
    # Without a project, or with several stacks, it is unknown which one is meant.
    if report.stack:
        yield say("stack ", name(report.stack), *((" of ", name(report.project)) if report.project else ()))
    elif report.project:
        yield say("project ", name(report.project))
    if report.commit:
        yield say("commit ", name(report.commit[:_COMMIT]))
    match = _UTC.fullmatch(report.made_at)
    when = f"{match[1]} {match[2]} UTC" if match else name(report.made_at)
    yield say("EnOS asked at ", when) if report.live else say(when, ", EnOS was not asked")
    if report.outcome is Outcome.MISCONFIGURED:
        return
    if not report.previewed:
        yield say("Pulumi's preview did not complete")
    elif report.policy_packs:
        packs = names(report.policy_packs, _PACKS)
        yield say("no mandatory policy violated in policy pack ", *packs)
    if not report.refreshed:
        yield say("the recorded state was not compared with EnOS")


def _each_line(texts: Iterable[str]) -> Iterator[Text]:
    return (say(saying(line)) for text in texts for line in text.split("\n") if line.strip())


def _job_section(report: ReviewReport, job: JobReport, sets: Sequence[SetReport]) -> JobSection:
    named = name(job.name or job.job_id) if job.job_id else "that is not known yet"
    return JobSection(
        job=job,
        title=say("Job ", named),
        lines=tuple(job_lines(job, sets, will=_will(report, sets), reasons=frozenset(report.reasons))),
        sets=tuple(SetKeys(say("set ", name(each.name)), tuple(_groups(each, _will(report, [each])))) for each in sets),
    )


def _will(report: ReviewReport, sets: Sequence[SetReport]) -> str:
    return "would" if not report.previewed or any(each.is_refused for each in sets) else "will"


def _groups(each: SetReport, will: str) -> Iterator[KeyGroup]:
    by_effect: dict[Effect, list[KeyReport]] = {}
    for key in each.keys:
        by_effect.setdefault(key.effect, []).append(key)
    for effect, display in EFFECTS.items():
        keys = by_effect.get(effect, [])
        if total := max(len(keys), each.counts.get(effect, 0)):
            title = effect.value.replace("will ", f"{will} ")
            meaning = f": {display.meaning}" if display.meaning else ""
            yield KeyGroup(effect, f"{title}{meaning}", total, tuple(keys))

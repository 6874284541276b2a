"""The first screen of a report and its lists of keys as data; terminal, Markdown and HTML render it.

The lines are in the order of a decision: what is rolled back, how much of it, which keys are not cancelled, what stays
exposed, the guard, the undo.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.engine.preview_json import Change
from enos_ota.review import lines
from enos_ota.review.exposure import EFFECTS
from enos_ota.review.lines import ReportLine, Tone
from enos_ota.review.model import Effect, JobReport, Outcome
from enos_ota.review.text import Text, command, name, say, saying

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enos_ota.review.exposure import Exposure
    from enos_ota.review.model import KeyReport, ReviewReport, SetReport

__all__ = ["Headline", "JobSection", "KeyGroup", "ReportLine", "Screen", "SetSection", "Tone", "first_screen"]

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

_HASH: Final = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT: Final = 12
"""Characters of a commit's hash that are enough."""
_UTC: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:Z|\+00:00)")


@dataclass(frozen=True, slots=True)
class Headline:
    """What a reader sees first.

    Attributes:
        outcome: The answer.
        badge: The answer in a word or two, in capitals.
        tone: GOOD, CAREFUL or BAD.
        sentence: The answer in a sentence.
        context: What was reviewed, when, and what was not checked; one fact each.
        reasons: Why the answer is not "fine", the gravest first.
        warnings: What does not fail the change.
    """

    outcome: Outcome
    badge: str
    tone: Tone
    sentence: Text
    context: tuple[Text, ...]
    reasons: tuple[Text, ...]
    warnings: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys of a set that have one effect.

    Attributes:
        effect: The effect.
        title: The effect in words.
        meaning: What the effect means; empty if the title says it.
        exposure: Exposure of these devices after the change.
        total: How many keys have it; there may be fewer `keys`.
        keys: The keys of the report; a format makes their texts visible (`text.key`, `text.visible`).
    """

    effect: Effect
    title: str
    meaning: str
    exposure: Exposure
    total: int
    keys: tuple[KeyReport, ...]


@dataclass(frozen=True, slots=True)
class SetSection:
    """One set. `lines` is empty for the only set of a job, whose lines then cover it."""

    name: str
    title: Text
    tone: Tone
    lines: tuple[ReportLine, ...]
    groups: tuple[KeyGroup, ...]


@dataclass(frozen=True, slots=True)
class JobSection:
    """One job and its sets."""

    job_id: str
    title: Text
    lines: tuple[ReportLine, ...]
    sets: tuple[SetSection, ...]


@dataclass(frozen=True, slots=True)
class Screen:
    """The first screen.

    Attributes:
        verdict: What a reader sees first.
        jobs: Jobs with a change, an error or a warning.
        others: Changes of resources that are not sets.
        unchanged: One line for each set of the other jobs.
        everything: How to list all keys.
    """

    verdict: Headline
    jobs: tuple[JobSection, ...]
    others: tuple[Text, ...]
    unchanged: tuple[Text, ...]
    everything: Text


def first_screen(report: ReviewReport) -> Screen:
    """Return the screen of a report."""
    shown = frozenset(report.reasons)
    parts: list[JobSection] = []
    unchanged: list[Text] = []
    for job, sets in _by_job(report):
        if all(map(_is_quiet, sets)):
            unchanged += [lines.quiet(job, each) for each in sets]
        else:
            parts.append(_job_section(report, job, sets, shown))
    return Screen(
        verdict=_verdict(report),
        jobs=tuple(parts),
        others=tuple(say(name(each.op), " ", name(each.type), " ", name(each.name)) for each in report.others),
        unchanged=tuple(unchanged),
        everything=say(
            "All keys: ",
            command(f"enos-ota review --stack {shlex.quote(report.stack)} --format html --out review.html"),
        ),
    )


def _by_job(report: ReviewReport) -> Iterator[tuple[JobReport, Sequence[SetReport]]]:
    """Return the sets of each job, in the order of the jobs' first sets."""
    known = {job.job_id: job for job in report.jobs}
    by_job: dict[str, list[SetReport]] = {}
    for each in report.sets:
        by_job.setdefault(each.job_id, []).append(each)
    for job_id, sets in by_job.items():
        # EnOS is not asked about the job of a removed set.
        yield known.get(job_id) or JobReport(job_id=job_id, org_id="", gateway=""), sets


def _is_quiet(each: SetReport) -> bool:
    plain = each.change is Change.NONE and not (each.errors or each.warnings or each.expired or each.metadata)
    return plain and all(effect is Effect.CANCELLED or not number for effect, number in each.counts.items())


def _verdict(report: ReviewReport) -> Headline:
    glass = any(each.guard.broken_glass for each in report.sets)
    overridden = [say("a guard is overridden for this run")] if glass else []
    tone = _TONES.get(report.outcome, Tone.BAD)
    unread = any(each.unknown or each.count(Effect.UNREAD) for each in report.sets)
    is_unseen = report.outcome is Outcome.FINE and (unread or not report.refreshed)
    retired = [text for job, sets in _by_job(report) for text in lines.retirement(job, sets)]
    return Headline(
        outcome=report.outcome,
        badge=_UNSEEN if is_unseen else _BADGES[report.outcome],
        tone=Tone.CAREFUL if (glass or is_unseen) and tone is Tone.GOOD else tone,
        sentence=say(saying(report.headline)),
        context=tuple(_context(report)),
        reasons=tuple(_each(report.reasons)),
        warnings=(*overridden, *retired, *_each(report.warnings)),
    )


def _context(report: ReviewReport) -> Iterator[Text]:
    # Without a project, or with several stacks, it is unknown which one is meant.
    if report.stack:
        yield say("stack ", name(report.stack), *((" of ", name(report.project)) if report.project else ()))
    elif report.project:
        yield say("project ", name(report.project))
    if report.commit:
        yield say("commit ", name(report.commit[:_COMMIT] if _HASH.fullmatch(report.commit) else report.commit))
    match = _UTC.fullmatch(report.made_at)
    when = f"{match[1]} {match[2]} UTC" if match else name(report.made_at)
    yield say("EnOS asked at ", when) if report.live else say(when, ", EnOS was not asked")
    if report.outcome is Outcome.MISCONFIGURED:
        return
    if not report.previewed:
        yield say("Pulumi's preview did not complete")
    elif report.policy_packs:
        packs = [part for pack in report.policy_packs for part in (", ", name(pack))][1:]
        yield say("no mandatory policy violated in policy pack ", *packs)
    if not report.refreshed:
        yield say("the recorded state was not compared with EnOS")


def _each(texts: Iterable[str]) -> Iterator[Text]:
    """Return one text for each line."""
    for text in texts:
        yield from (say(saying(line)) for line in text.split("\n") if line.strip())


def _job_section(report: ReviewReport, job: JobReport, sets: Sequence[SetReport], shown: frozenset[str]) -> JobSection:
    will = "will" if report.previewed else "would"
    one = len(sets) == 1
    about = [lines.of_set(each, will=will, alone=one, looked=job.looked) for each in sets]
    notes = [lines.notes(each, shown) for each in sets]
    together = [
        *lines.of_job(job),
        *(about[0].heading if one else ()),
        *lines.cancels(job, sets, will=will),
        *lines.exposed(job, declared=any(each.change is not Change.DELETE for each in sets)),
        *(about[0].limits if one else ()),
        *lines.undo(job, sets),
        *(about[0].digest if one else ()),
        *lines.place(job),
        *(notes[0] if one else ()),
    ]
    return JobSection(
        job_id=job.job_id,
        title=say("job ", name(job.name or job.job_id)),
        lines=tuple(together),
        sets=tuple(
            SetSection(
                name=each.name,
                title=say("set ", name(each.name)),
                tone=Tone.BAD if each.errors else Tone.CAREFUL if each.warnings else Tone.PLAIN,
                lines=() if one else (*own.heading, *own.limits, *own.digest, *noted),
                groups=tuple(_groups(each, will)),
            )
            for each, own, noted in zip(sets, about, notes, strict=True)
        ),
    )


def _groups(each: SetReport, will: str) -> Iterator[KeyGroup]:
    by_effect: dict[Effect, list[KeyReport]] = {}
    for key in each.keys:
        by_effect.setdefault(key.effect, []).append(key)
    for effect, display in EFFECTS.items():
        keys = by_effect.get(effect, [])
        if total := max(len(keys), each.counts.get(effect, 0)):
            title = effect.value.replace("will ", f"{will} ")
            yield KeyGroup(effect, title, display.meaning, display.exposure, total, tuple(keys))

"""The first screen of a report, and the lists of keys below it, as data: all that a person reads.

Terminal, Markdown and HTML show the same screen: they arrange it, choose colours, and escape what is in it. The order
of the lines is that of a decision: what is rolled back, how much of it, what is not reached, what stays exposed, how
far the change may go, how it is undone.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.review import lines
from enos_ota.review.lines import ReportLine, Tone
from enos_ota.review.model import Change, Effect, JobReport, Outcome
from enos_ota.review.text import Text, command, name, say, saying

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enos_ota.review.model import KeyReport, ReviewReport, SetReport

__all__ = ["Headline", "JobSection", "KeyGroup", "ReportLine", "Screen", "SetSection", "Tone", "first_screen"]

_BADGES: Final = {
    Outcome.FINE: "OK",
    Outcome.CHANGES: "CHANGED",
    Outcome.FAILS: "FAILS",
    Outcome.MISCONFIGURED: "MISCONFIGURED",
    Outcome.UNDETERMINED: "NOT KNOWN",
}
_UNSEEN: Final = "NOT CHECKED"
"""In place of OK where EnOS was not asked: nothing speaks against the change, but nobody has looked."""
_TONES: Final = {Outcome.FINE: Tone.GOOD, Outcome.UNDETERMINED: Tone.CAREFUL}

_HASH: Final = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT: Final = 12
"""Characters of a commit's hash that are enough."""
_UTC: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:Z|\+00:00)")


@dataclass(frozen=True, slots=True)
class Headline:
    """What a reader has to see before anything else.

    Attributes:
        outcome: The answer.
        badge: The answer in a word or two, in capitals.
        tone: GOOD, CAREFUL or BAD.
        sentence: The answer in a sentence.
        occasion: What was reviewed, when, and what could not be looked at; one fact each.
        reasons: Why the answer is not "fine", the gravest first.
        warnings: What is to be known although it stops nothing.
    """

    outcome: Outcome
    badge: str
    tone: Tone
    sentence: Text
    occasion: tuple[Text, ...]
    reasons: tuple[Text, ...]
    warnings: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys of a set that have one effect.

    Attributes:
        effect: The effect.
        title: How it is told.
        meaning: What that is, for who does not know the word; empty if the title says it.
        tone: How grave it is.
        total: How many keys have it; there may be fewer `keys`.
        keys: The keys as the report has them: their texts are still to be made visible (`text.key`, `text.visible`).
    """

    effect: Effect
    title: str
    meaning: str
    tone: Tone
    total: int
    keys: tuple[KeyReport, ...]


@dataclass(frozen=True, slots=True)
class SetSection:
    """One set: `lines` are empty where it is the only one of its job, whose lines then say it all."""

    name: str
    title: Text
    tone: Tone
    lines: tuple[ReportLine, ...]
    groups: tuple[KeyGroup, ...]


@dataclass(frozen=True, slots=True)
class JobSection:
    """One job, and the sets that are about it."""

    job_id: str
    title: Text
    lines: tuple[ReportLine, ...]
    sets: tuple[SetSection, ...]


@dataclass(frozen=True, slots=True)
class Screen:
    """What a person reads.

    Attributes:
        verdict: To be seen first.
        jobs: Those with a change, or something to be said of.
        others: Changes of what is no set.
        unchanged: One line for each set for which there is nothing to do or to say, nor for any other of its job.
        everything: How to see all keys.
    """

    verdict: Headline
    jobs: tuple[JobSection, ...]
    others: tuple[Text, ...]
    unchanged: tuple[Text, ...]
    everything: Text


def first_screen(report: ReviewReport) -> Screen:
    """The screen of a report."""
    told = frozenset(report.reasons)
    parts: list[JobSection] = []
    unchanged: list[Text] = []
    for job, sets in _by_job(report):
        if all(map(_is_quiet, sets)):
            unchanged += [lines.quiet(job, each) for each in sets]
        else:
            parts.append(_job_part(report, job, sets, told))
    return Screen(
        verdict=_verdict(report),
        jobs=tuple(parts),
        others=tuple(say(name(each.op), " ", name(each.type), " ", name(each.name)) for each in report.others),
        unchanged=tuple(unchanged),
        everything=say(
            "Every key: ",
            command(f"enos-ota review --stack {shlex.quote(report.stack)} --format html --out review.html"),
        ),
    )


def _by_job(report: ReviewReport) -> Iterator[tuple[JobReport, Sequence[SetReport]]]:
    """The sets of each job, in the order in which the jobs' first sets come."""
    known = {job.job_id: job for job in report.jobs}
    by_job: dict[str, list[SetReport]] = {}
    for each in report.sets:
        by_job.setdefault(each.job_id, []).append(each)
    for job_id, sets in by_job.items():
        # Of the job of a set that is removed nobody had to be asked.
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
    retired = [told for job, sets in _by_job(report) for told in lines.retirement(job, sets)]
    return Headline(
        outcome=report.outcome,
        badge=_UNSEEN if is_unseen else _BADGES[report.outcome],
        tone=Tone.CAREFUL if (glass or is_unseen) and tone is Tone.GOOD else tone,
        sentence=say(saying(report.headline)),
        occasion=tuple(_occasion(report)),
        reasons=tuple(_each(report.reasons)),
        warnings=(*overridden, *retired, *_each(report.warnings)),
    )


def _occasion(report: ReviewReport) -> Iterator[Text]:
    # Of a directory without a project, or with several stacks, nobody knows which one is meant.
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
        yield say("Pulumi's preview did not come to its end")
    elif report.policy_packs:
        packs = [part for pack in report.policy_packs for part in (", ", name(pack))][1:]
        yield say("nothing mandatory violated of policy pack ", *packs)
    if not report.refreshed:
        yield say("what is recorded was not compared with EnOS")


def _each(texts: Iterable[str]) -> Iterator[Text]:
    """Sentences, a line each."""
    for text in texts:
        yield from (say(saying(line)) for line in text.split("\n") if line.strip())


def _job_part(report: ReviewReport, job: JobReport, sets: Sequence[SetReport], told: frozenset[str]) -> JobSection:
    will = "will" if report.previewed else "would"
    one = len(sets) == 1
    about_sets = [lines.of_set(each, will=will, alone=one, looked=job.looked) for each in sets]
    notes = [lines.notes(each, told) for each in sets]
    together = [
        *lines.of_job(job),
        *(about_sets[0].heading if one else ()),
        *lines.cancels(job, sets, will=will),
        *lines.exposed(job, declared=any(each.change is not Change.DELETE for each in sets)),
        *(about_sets[0].limits if one else ()),
        *lines.undo(job, sets),
        *(about_sets[0].digest if one else ()),
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
                lines=() if one else (*about.heading, *about.limits, *about.digest, *said),
                groups=tuple(_groups(each, will)),
            )
            for each, about, said in zip(sets, about_sets, notes, strict=True)
        ),
    )


def _groups(each: SetReport, will: str) -> Iterator[KeyGroup]:
    by_effect: dict[Effect, list[KeyReport]] = {}
    for key in each.keys:
        by_effect.setdefault(key.effect, []).append(key)
    for effect, (meaning, tone) in lines.EFFECTS.items():
        keys = by_effect.get(effect, [])
        if total := max(len(keys), each.counts.get(effect, 0)):
            title = effect.value.replace("will ", f"{will} ")
            yield KeyGroup(effect, title, meaning, tone, total, tuple(keys))

"""Text of the review: one function for each line about a job or a set, in reading order."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from enos_ota.engine.preview_json import Change
from enos_ota.plan import Category, Code, Severity
from enos_ota.plan.guard import BREAK_GLASS
from enos_ota.review.exposure import EFFECTS, Exposure, of_status
from enos_ota.review.model import STATUS_AFTER_PUSH, STATUS_UNKNOWN_TEXT, Effect
from enos_ota.review.text import Kind, Piece, Text, command, exposed_number, name, say, saying

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enos_ota.review.model import GuardUse, JobReport, Limit, SetMessage, SetReport, StatusCount

_KINDS: Final = 6
"""Statuses, versions or settings that one line names."""
_OTHER_JOBS: Final = 3
_SETS: Final = 3
"""Sets that are named in a sentence."""
_NOTES: Final = 6
"""Errors, or warnings, of one set that are shown."""
_DIGEST: Final = 12
"""Characters of the digest before the change, which is shown for comparison only."""

_COUNTED: Final = frozenset({Code.TOO_LATE.value, Code.MISSING.value})
"""Codes of warnings whose keys are counted beside "Other keys"."""
_PUSHED: Final = "published"

_OURS: Final = re.compile(
    f"(?:(?:{'|'.join(each.value for each in Category)})(?: |$))?"
    f"(?:(?:{re.escape(STATUS_AFTER_PUSH)}|{re.escape(STATUS_UNKNOWN_TEXT)})$)?"
)
"""The part of a key's status that EnOS does not say: the category of a removed key, and remarks."""


class Tone(Enum):
    """How serious a line is."""

    PLAIN = "plain"
    GOOD = "good"
    CAREFUL = "careful"
    BAD = "bad"
    QUIET = "quiet"
    """For reference only."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A label and short facts beside it."""

    label: str
    items: tuple[Text, ...]
    tone: Tone = Tone.PLAIN


_ELSEWHERE: Final = {
    Effect.CANCELLED: "already cancelled",
    Effect.TOO_LATE: "too late",
    Effect.ESCAPED: "escaped",
    Effect.MISSING: "missing",
    Effect.AMBIGUOUS: "ambiguous",
    Effect.PENDING: "pending",
    Effect.HELD: "held",
    Effect.RELEASED: "no longer declared",
}
"""Keys for which no request would be sent, in the order of the first screen."""


@dataclass(frozen=True, slots=True)
class SetLines:
    """Lines about one set: those before and those after the lines about its tasks."""

    heading: tuple[ReportLine, ...]
    limits: tuple[ReportLine, ...]
    digest: tuple[ReportLine, ...]


def of_job(job: JobReport) -> Iterator[ReportLine]:
    """Return the line that says what is rolled back."""
    if _is_unknown(job):
        unseen = "an unknown job" if job.looked else "a job that was not read"
        yield ReportLine("Rollback of", (say(unseen),), Tone.CAREFUL)
        return
    if job.firmware_version or job.firmware_name:
        named = (" (", name(job.firmware_name), ")") if job.firmware_name and job.firmware_version else ()
        about = say("firmware ", name(job.firmware_version or job.firmware_name), *named)
    else:
        about = say("unknown firmware")
    product = [say("product ", name(job.product_key))] if job.product_key else []
    kind = "verification job" if job.type == "verify" else "job"
    status = {"unknown": "job status unknown"}.get(job.status, f"{kind} {job.status}")
    recorded = "" if job.looked or job.status == "unknown" else ", as last recorded"
    tone = Tone.PLAIN if job.status == "started" else Tone.CAREFUL
    yield ReportLine("Rollback of", (about, *product, say(status + recorded)), tone)


def _is_unknown(job: JobReport) -> bool:
    """Whether EnOS was not asked about the job, or does not have it."""
    return job.status == "unknown" and not (job.name or job.firmware_version)


def retirement(job: JobReport, sets: Iterable[SetReport]) -> Iterator[Text]:
    """Return the warning that a job is deleted, with the sets that can be removed."""
    left = [each for each in sets if each.change is not Change.DELETE]
    if job.status != "deleted" or not left:
        return
    named = [part for each in left[:_SETS] for part in (", ", name(each.name))][1:]
    rest = len(left) - _SETS
    which = ("set " if len(left) == 1 else "sets ", *named, *((" and ", rest, " more") if rest > 0 else ()))
    gone = say("job ", name(job.name or job.job_id), " is deleted, so none of its tasks can run")
    yield (*gone, *say("; ", *which, " can be removed"))


def place(job: JobReport) -> Iterator[ReportLine]:
    """Return the line that identifies the job."""
    where = [say("organization ", name(job.org_id))] if job.org_id else []
    at = [say("at ", name(job.gateway))] if job.gateway else []
    yield ReportLine("Job id", (say(name(job.job_id)), *where, *at), Tone.QUIET)


def of_set(each: SetReport, *, will: str, alone: bool, looked: bool) -> SetLines:
    """Return the lines about one set.

    Args:
        each: The set.
        will: "will", or "would" where an `up` would fail.
        alone: Whether it is the only set of its job, whose lines then cover it.
        looked: Whether EnOS was asked about its job.
    """
    heading = [
        ReportLine("Set", (say(name(each.name)), *_change(each)))
        if alone
        else ReportLine("Change", tuple(_change(each)))
    ]
    if each.file:
        heading.append(ReportLine("File", (say(name(each.file)),)))
    if each.reason:
        heading.append(ReportLine("Reason", (say(name(each.reason)),)))
    if not alone:
        heading += [*_own_cancels(each, will=will), *_elsewhere([each], looked=looked)]
    return SetLines(tuple(heading), tuple(_guard(each)), tuple(_digest(each)))


def _change(each: SetReport) -> Iterator[Text]:
    declared = say(each.declared, f" {_keys(each.declared)} declared")
    if each.change is Change.CREATE:
        yield say("new")
        yield declared
    elif each.change is Change.DELETE:
        yield say("removed: no request is sent, cancelled tasks stay cancelled")
    else:
        yield declared
        yield from _edits(each)
    if each.change is Change.REPLACE:
        before = (" of job ", name(each.job_id_before)) if each.job_id_before else ()
        yield say("replaced: no request is sent for the recorded tasks", *before, ", cancelled tasks stay cancelled")
    if each.change is Change.DECLARED:
        yield say("the recorded state could not be read, so it is unknown which keys are new")
    if each.expired:
        yield say("expired")
    elif each.expires:
        yield say("expires on ", name(each.expires))
    if each.expect_firmware_version:
        yield say("expects firmware ", name(each.expect_firmware_version))


def _edits(each: SetReport) -> Iterator[Text]:
    """Return what the change edits of the declaration."""
    if each.change in {Change.REPLACE, Change.DECLARED}:
        return
    if each.added:
        yield say(each.added, " added")
    if each.removed:
        yield say(each.removed, " removed")
    if each.metadata:
        changed = [part for setting in each.metadata[:_KINDS] for part in (", ", name(setting))][1:]
        rest = len(each.metadata) - _KINDS
        yield say("changed: ", *changed, *((", and ", rest, " more") if rest > 0 else ()))
    if not (each.added or each.removed or each.metadata):
        yield say("declaration unchanged")


def cancels(job: JobReport, sets: Sequence[SetReport], *, will: str) -> Iterator[ReportLine]:
    """Return the lines about the tasks that are cancelled, and about those that are not."""
    number = sum(each.will_cancel for each in sets)
    # Counts come from a search that may lag behind what was just read.
    waiting = job.waiting if job.waiting is not None and job.waiting >= number else None
    out_of = (" of ", waiting) if waiting is not None else ()
    tasks = "waiting task" if (number if waiting is None else waiting) == 1 else "waiting tasks"
    if all(each.change is Change.DELETE for each in sets):
        yield ReportLine("Cancel", (say("nothing to cancel"),))
    elif job.looked and _is_unknown(job):
        yield ReportLine("Cancel", (say("nothing to cancel: EnOS has no such job"),), Tone.CAREFUL)
    elif not job.looked and not number and not _open(sets) and _may_be_retried(sets):
        yield ReportLine("Cancel", (say("unknown: EnOS was not asked"),), Tone.CAREFUL)
    elif number or not _open(sets):
        what = (
            say(number or "none", *out_of, f" {tasks} {will} be cancelled")
            if number or waiting
            else say("nothing to cancel")
        )
        yield ReportLine("Cancel", (what, *_and(sets, will)))
    else:
        yield ReportLine("Cancel", tuple(_and(sets, will)), Tone.CAREFUL)
    counted: Counter[tuple[str, str]] = Counter()
    for each in sets:
        counted.update({(one.status, one.source_version): one.tasks for one in each.will_cancel_by})
    if counted:
        yield ReportLine("By status", tuple(_by_version(counted)))
    yield from _elsewhere(sets, looked=job.looked)


def _may_be_retried(sets: Iterable[SetReport]) -> bool:
    """Whether an `up` would check keys that are recorded as cancelled."""
    return any(each.count(Effect.CANCELLED) for each in sets if not each.expired)


def _open(sets: Iterable[SetReport]) -> bool:
    """Whether there are keys that are held, or whose tasks were not read."""
    return any(each.count(Effect.UNREAD, Effect.HELD) for each in sets)


def _and(sets: Iterable[SetReport], will: str) -> Iterator[Text]:
    counts: Counter[Effect] = Counter()
    for each in sets:
        counts.update(each.counts)
    if again := counts[Effect.CANCEL_AGAIN]:
        were = "was" if again == 1 else "were"
        yield say(again, f" {were} retried since and {will} be cancelled again")
    if unread := counts[Effect.UNREAD]:
        yield say("up to ", unread, f" {_keys(unread)}: their tasks were not read")
    if counts[Effect.HELD]:
        yield say("held tasks cannot be cancelled while the job is stopped")


def _own_cancels(each: SetReport, *, will: str) -> Iterator[ReportLine]:
    """Return the line about the tasks that one set of several cancels."""
    items = [say(each.will_cancel, f" {will} be cancelled")] if each.will_cancel else []
    items += _and([each], will)
    if items:
        yield ReportLine("Cancel", tuple(items))


def _elsewhere(sets: Sequence[SetReport], *, looked: bool) -> Iterator[ReportLine]:
    counts: Counter[Effect] = Counter()
    for each in sets:
        counts.update(each.counts)
    items = [
        say(exposed_number(counts[effect], EFFECTS[effect].exposure), f" {words}")
        for effect, words in _ELSEWHERE.items()
        if counts[effect]
    ]
    bad = counts[Effect.ESCAPED] or counts[Effect.MISSING] or counts[Effect.AMBIGUOUS]
    if items:
        if not looked and any(counts[effect] for effect in _ELSEWHERE if effect is not Effect.RELEASED):
            items.append(say("as last recorded"))
        yield ReportLine("Other keys", tuple(items), Tone.BAD if bad else Tone.PLAIN)
    elif any(counts.values()) and not counts[Effect.UNREAD]:
        yield ReportLine("Other keys", (say("none: every declared key waits"),))


def exposed(job: JobReport, *, declared: bool) -> Iterator[ReportLine]:
    """Return the lines about the whole job and about devices that will still get the firmware.

    Args:
        job: The job.
        declared: Whether the job has a set after the change.
    """
    if job.by_status:
        total = [say(job.total, f" task{'' if job.total == 1 else 's'}")] if job.total is not None else []
        yield ReportLine("Whole job", (*total, *_kinds(job.by_status, {"failed": "failed or cancelled"})))
    if job.status == "deleted" or not (job.looked or declared):
        return
    tone = Tone.CAREFUL
    if job.exposed is None:
        first = say("unknown" if job.looked else "unknown: EnOS was not asked")
    elif job.exposed:
        first = say(*_exposed(job.exposed))
    else:
        first = say("no other waiting tasks")
        tone = Tone.GOOD if job.same_firmware == () and not job.incremental else Tone.CAREFUL
    items = [first]
    if job.incremental:
        items.append(say("incremental job: devices that match later will join"))
    if job.same_firmware is None:
        items.append(say("other jobs with this firmware could not be read"))
    others = job.same_firmware or ()
    for other in others[:_OTHER_JOBS]:
        waiting = (": ", other.waiting, " waiting") if other.waiting is not None else ()
        named = (name(other.name), " (", name(other.job_id), ")") if other.name else (name(other.job_id),)
        items.append(say("this firmware is also in started job ", *named, *waiting))
    if (rest := len(others) - _OTHER_JOBS) > 0:
        items.append(say("and in ", rest, f" more started job{'' if rest == 1 else 's'}"))
    yield ReportLine("Still exposed", tuple(items), tone)


def _guard(each: SetReport) -> Iterator[ReportLine]:
    use = each.guard
    if each.change is Change.DELETE:
        return
    items = [_use(use), *([say(*_limits(use.limit))] if use.limit.is_set else [])]
    tone = Tone.PLAIN
    if use.raised and use.before is not None:
        items.append(say("raised by this change, from ", *_limits(use.before)))
        tone = Tone.CAREFUL
    if use.raised and use.before is None and use.usual is not None:
        items.append(say("more than the stack's guard, ", *_limits(use.usual)))
        tone = Tone.CAREFUL
    if use.broken_glass:
        items.append(say("overridden by ", command(BREAK_GLASS), ": ", name(use.broken_glass)))
    if use.exceeded or use.broken_glass:
        tone = Tone.BAD
    yield ReportLine("Guard", tuple(items), tone)


def _use(use: GuardUse) -> Text:
    if not use.limit.is_set:
        return say("none")
    devices = " device" if use.allowed == 1 else " devices"
    most: tuple[str | int, ...] = () if use.allowed is None else ("at most ", use.allowed, devices)
    if use.would_send is None:
        return say("use unknown", *(", " if most else "", *most))
    exceeded = "exceeded: " if use.exceeded else ""
    return say(exceeded, use.would_send, *((" of ", *most) if most else (devices,)))


def _limits(limit: Limit) -> Iterator[str | int | Piece]:
    if limit.max_devices is not None:
        yield "maxDevices "
        yield limit.max_devices
    if limit.max_devices is not None and limit.max_share is not None:
        yield ", "
    if limit.max_share is not None:
        yield "maxShare "
        yield name(f"{limit.max_share:g}")
    if not limit.is_set:
        yield "no guard"


def undo(job: JobReport, sets: Iterable[SetReport]) -> Iterator[ReportLine]:
    """Return the line that says how to push the firmware again."""
    sets = list(sets)
    number = sum(each.will_cancel for each in sets)
    if not number and not any(each.count(Effect.UNREAD) for each in sets):
        # This change cancels nothing: undo what is cancelled already.
        number = sum(each.count(Effect.CANCELLED) + _released(each) for each in sets)
        if not number:
            return
    if job.status == "deleted" or (job.looked and _is_unknown(job)):
        return
    retry = f"enos-ota retry --job {shlex.quote(job.job_id)} --keys FILE --expect {number or 'N'}"
    declared = any(each.change is not Change.DELETE for each in sets)
    first = "remove the keys from the set, then run " if declared else "run "
    items = [say(first, command(retry), ", which tells EnOS to push the firmware again")]
    if not number:
        items.append(say("N is the number of keys in FILE"))
    yield ReportLine("Undo", tuple(items), Tone.QUIET)


def _released(each: SetReport) -> int:
    """Return the number of keys that leave the set and stay cancelled."""
    cancelled = Category.CANCELLED.value
    return sum(key.effect is Effect.RELEASED and key.status.startswith(cancelled) for key in each.keys)


def _digest(each: SetReport) -> Iterator[ReportLine]:
    if not each.digest:
        return
    items = [say(name(each.digest), " (sha256)")]
    if each.digest_before and each.digest_before != each.digest:
        items.append(say("before ", name(each.digest_before[:_DIGEST])))
    yield ReportLine("Digest", tuple(items), Tone.QUIET)


def notes(each: SetReport, shown: frozenset[str]) -> Iterator[ReportLine]:
    """Return the errors and warnings of a set that are neither reasons of the verdict nor on a line of their own."""
    about = f"set {each.name!r} (job {each.job_id}): "
    covered = {one.text for one in each.messages if _has_line(one, each)}
    for label, tone, texts in (("Fails", Tone.BAD, each.errors), ("Note", Tone.CAREFUL, each.warnings)):
        said = [text.removeprefix(about) for text in texts if text not in shown and text not in covered]
        for text in said[:_NOTES]:
            yield ReportLine(label, (say(saying(text)),), tone)
        if (rest := len(said) - _NOTES) > 0:
            yield ReportLine(label, (say("and ", rest, " more"),), tone)


def _has_line(message: SetMessage, each: SetReport) -> bool:
    """Whether a line of its own says the same as a warning."""
    if message.severity is not Severity.WARNING:
        return False
    if message.code == Code.AFTER_PUSH.value:
        # Beside "By status" are the keys that are yet to be cancelled.
        published = sum(one.tasks for one in each.will_cancel_by if one.status == _PUSHED)
        return message.keys == published
    return message.code in _COUNTED or (message.code == Code.GUARD_OVERRIDDEN.value and bool(each.guard.broken_glass))


def quiet(job: JobReport, each: SetReport) -> Text:
    """Return one line about a set for which there is nothing to do."""
    number = each.count(Effect.CANCELLED) or each.declared
    status = f" {job.status}" if job.status in {"started", "stopped", "deleted"} else ""
    exposed = ("; ", *_exposed(job.exposed)) if job.exposed is not None else ()
    done = f" {_keys(number)} cancelled" if each.count(Effect.CANCELLED) else f" {_keys(number)} declared"
    return say("set ", name(each.name), ": ", number, done, "; job ", name(job.name or job.job_id), status, *exposed)


def status(text: str) -> Text:
    """Return the status of a key's task: category and remarks as words, the rest as a name."""
    ours = _OURS.match(text)
    end = ours.end() if ours else 0
    return say(text[:end], *((name(text[end:]),) if text[end:] else ()))


def _kinds(counts: Iterable[StatusCount], words: dict[str, str]) -> Iterator[Text]:
    """Return the number of tasks by status."""
    shown = list(counts)
    for one in shown[:_KINDS]:
        status = words.get(one.status)
        yield say(exposed_number(one.tasks, of_status(one.status)), " ", status or name(one.status))
    if rest := sum(one.tasks for one in shown[_KINDS:]):
        yield say(rest, " others")


def _by_version(counted: Counter[tuple[str, str]]) -> Iterator[Text]:
    """Return the number of tasks that would be cancelled by status and source version."""
    most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    for (status, version), number in most[:_KINDS]:
        since = (" from ", name(version)) if version else ()
        yield say(exposed_number(number, of_status(status)), " ", name(status), *since)
    if rest := most[_KINDS:]:
        yield say(sum(number for _, number in rest), " of ", len(rest), " more statuses and versions")
    if any(status == _PUSHED for status, _ in counted):
        yield say("published devices were already notified and may still upgrade")


def _exposed(number: int) -> tuple[Piece, str]:
    """Return how many waiting tasks no set declares."""
    words = " waiting task is not in any set" if number == 1 else " waiting tasks are not in any set"
    return exposed_number(number, Exposure.WAITING) if number else Piece("0", Kind.NUMBER), words


def _keys(number: int) -> str:
    return "key" if number == 1 else "keys"

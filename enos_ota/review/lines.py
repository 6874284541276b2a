"""Text of the review: the lines about a job and its sets, one function for each, in reading order."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from enos_ota.engine.preview_json import Change
from enos_ota.plan import Category, Code, Severity
from enos_ota.plan.guard import BREAK_GLASS
from enos_ota.review.exposure import EFFECTS, Exposure, of_status
from enos_ota.review.model import Effect
from enos_ota.review.text import command, exposed_number, name, names, say, saying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from enos_ota.review.model import GuardUse, JobReport, Limit, SetReport
    from enos_ota.review.text import Piece, Text

_SETS: Final = 20
"""Sets of one job that have lines of their own."""
_KINDS: Final = 6
"""Statuses, versions or settings that one line names."""
_NAMED: Final = 3
"""Sets, or other jobs, that one line names."""
_NOTES: Final = 6
"""Warnings of one job that are shown."""
_DIGEST: Final = 12
"""Characters of the digest before the change, which is shown for comparison only."""

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
_ON_A_LINE: Final = frozenset({Code.TOO_LATE.value, Code.MISSING.value, Code.GUARD_OVERRIDDEN.value})
"""Codes of warnings that say the same as the lines "Other keys" and "Guard"."""
_PUSHED: Final = "published"


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


def job_lines(job: JobReport, sets: Sequence[SetReport], *, will: str, reasons: frozenset[str]) -> Iterator[ReportLine]:
    """Return the lines about a job and its sets, in the order of a decision.

    `will` is "would" where an `up` would send nothing. The reasons of the verdict need no line of their own.
    """
    counts: Counter[Effect] = Counter()
    for each in sets:
        counts.update(each.counts)
    declared = any(each.change is not Change.DELETE for each in sets)
    shown = sets[:_SETS]
    yield _rollback(job)
    for each in shown:
        yield from _declaration(each)
    if len(sets) > _SETS:
        yield ReportLine("Set", (say("and ", len(sets) - _SETS, " more"),))
    yield from _cancels(job, sets, counts, will=will)
    yield from _elsewhere(counts, looked=job.looked)
    yield from _exposed(job, declared=declared)
    yield from _of_each(shown, _guard)
    yield from _undo(job, sets, counts, declared=declared)
    yield from _of_each(shown, _digest)
    yield from _place(job)
    yield from _notes(sets, reasons)


def _of_each(sets: Sequence[SetReport], about: Callable[[SetReport], Iterator[ReportLine]]) -> Iterator[ReportLine]:
    """Return the lines about each set; of several sets, with its name."""
    for each in sets:
        for line in about(each):
            yield line if len(sets) == 1 else replace(line, items=(say(name(each.name)), *line.items))


def _rollback(job: JobReport) -> ReportLine:
    if job.is_unknown:
        not_read = "a job that was not read" if job.job_id else "a job that is not known yet"
        what = "an unknown job" if job.looked else not_read
        return ReportLine("Rollback of", (say(what),), Tone.CAREFUL)
    if job.firmware_version or job.firmware_name:
        named = (" (", name(job.firmware_name), ")") if job.firmware_name and job.firmware_version else ()
        about = say("firmware ", name(job.firmware_version or job.firmware_name), *named)
    else:
        about = say("unknown firmware")
    product = [say("product ", name(job.product_key))] if job.product_key else []
    kind = "verification job" if job.type == "verify" else "job"
    status = "job status unknown" if job.status == "unknown" else f"{kind} {job.status}"
    recorded = "" if job.looked or job.status == "unknown" else ", as last recorded"
    tone = Tone.PLAIN if job.status == "started" else Tone.CAREFUL
    return ReportLine("Rollback of", (about, *product, say(status + recorded)), tone)


def _declaration(each: SetReport) -> Iterator[ReportLine]:
    yield ReportLine("Set", (say(name(each.name)), *_change(each)))
    if each.file:
        yield ReportLine("File", (say(name(each.file)),))
    if each.reason:
        yield ReportLine("Reason", (say(name(each.reason)),))


def _change(each: SetReport) -> Iterator[Text]:
    if each.change is Change.CREATE:
        yield say("new")
    if each.change is Change.DELETE:
        yield say("removed: no request is sent, cancelled tasks stay cancelled")
    elif not each.unknown:
        yield _declared(each)
    if not each.unknown and each.change in {Change.UPDATE, Change.NONE}:
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
    if each.added:
        yield say(each.added, " added")
    if each.removed:
        yield say(each.removed, " removed")
    if each.metadata:
        yield say("changed: ", *names(each.metadata, _KINDS))
    if not (each.added or each.removed or each.metadata):
        yield say("declaration unchanged")


def _cancels(job: JobReport, sets: Sequence[SetReport], counts: Counter[Effect], *, will: str) -> Iterator[ReportLine]:
    number = counts[Effect.CANCEL] + counts[Effect.CANCEL_AGAIN]
    unknown = any(each.unknown for each in sets)
    is_open = counts[Effect.UNREAD] or counts[Effect.HELD] or unknown
    # Counts come from a search that may lag behind what was just read.
    waiting = job.waiting if job.waiting is not None and job.waiting >= number else None
    tone = Tone.PLAIN
    if all(each.change is Change.DELETE for each in sets):
        items = [say("nothing to cancel")]
    elif job.looked and job.is_unknown:
        items, tone = [say("nothing to cancel: EnOS has no such job")], Tone.CAREFUL
    elif not (job.looked or number or is_open) and any(e.count(Effect.CANCELLED) for e in sets if not e.expired):
        # They may have been retried since.
        items, tone = [say("unknown: EnOS was not asked")], Tone.CAREFUL
    elif number or (waiting and not is_open):
        tasks = "waiting task" if (number if waiting is None else waiting) == 1 else "waiting tasks"
        out_of = (" of ", waiting) if waiting is not None else ()
        items = [say(number or "none", *out_of, f" {tasks} {will} be cancelled"), *_cancel_remarks(counts, will)]
    elif is_open:
        items, tone = [*_cancel_remarks(counts, will)], Tone.CAREFUL
    else:
        items = [say("nothing to cancel")]
    if unknown:
        items.append(say("not known until ", command("pulumi up")))
    yield ReportLine("Cancel", tuple(items), tone)
    if by_status := [*_by_status(sets)]:
        yield ReportLine("By status", tuple(by_status))


def _cancel_remarks(counts: Counter[Effect], will: str) -> Iterator[Text]:
    if again := counts[Effect.CANCEL_AGAIN]:
        were = "was" if again == 1 else "were"
        yield say(again, f" {were} retried since and {will} be cancelled again")
    if unread := counts[Effect.UNREAD]:
        yield say("up to ", unread, f" {_keys(unread)}: their tasks were not read")
    if counts[Effect.HELD]:
        yield say("held tasks cannot be cancelled while the job is stopped")


def _by_status(sets: Iterable[SetReport]) -> Iterator[Text]:
    """Return the number of tasks that would be cancelled by status and source version."""
    counted: Counter[tuple[str, str]] = Counter()
    for each in sets:
        counted.update({(one.status, one.source_version): one.tasks for one in each.will_cancel_by})
    most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    for (status, version), number in most[:_KINDS]:
        since = (" from ", name(version)) if version else ()
        yield say(exposed_number(number, of_status(status)), " ", name(status), *since)
    if rest := most[_KINDS:]:
        yield say(sum(number for _, number in rest), " of ", len(rest), " more statuses and versions")
    if any(status == _PUSHED for status, _ in counted):
        yield say("published devices were already notified and may still upgrade")


def _elsewhere(counts: Counter[Effect], *, looked: bool) -> Iterator[ReportLine]:
    items = [
        say(exposed_number(counts[effect], EFFECTS[effect].exposure), f" {words}")
        for effect, words in _ELSEWHERE.items()
        if counts[effect]
    ]
    if items:
        if not looked and any(counts[effect] for effect in _ELSEWHERE if effect is not Effect.RELEASED):
            items.append(say("as last recorded"))
        bad = counts[Effect.ESCAPED] or counts[Effect.MISSING] or counts[Effect.AMBIGUOUS]
        yield ReportLine("Other keys", tuple(items), Tone.BAD if bad else Tone.PLAIN)
    elif counts.total() and not counts[Effect.UNREAD]:
        yield ReportLine("Other keys", (say("none: every declared key waits"),))


def _exposed(job: JobReport, *, declared: bool) -> Iterator[ReportLine]:
    """Return the lines about the whole job and about devices that will still get the firmware."""
    if job.by_status:
        yield ReportLine("Whole job", tuple(_whole_job(job)))
    if job.status == "deleted" or not (job.looked or declared):
        return
    tone = Tone.CAREFUL
    if job.exposed is None:
        items = [say("unknown" if job.looked else "unknown: EnOS was not asked")]
    elif job.exposed:
        items = [_exposed_tasks(job.exposed)]
    else:
        items = [say("no other waiting tasks")]
        tone = Tone.GOOD if job.same_firmware == () and not job.incremental else Tone.CAREFUL
    if job.incremental:
        items.append(say("incremental job: devices that match later will join"))
    if job.same_firmware is None:
        items.append(say("other jobs with this firmware could not be read"))
    others = job.same_firmware or ()
    for other in others[:_NAMED]:
        waiting = (": ", other.waiting, " waiting") if other.waiting is not None else ()
        named = (name(other.name), " (", name(other.job_id), ")") if other.name else (name(other.job_id),)
        items.append(say("this firmware is also in started job ", *named, *waiting))
    if (rest := len(others) - _NAMED) > 0:
        items.append(say("and in ", rest, f" more started job{'' if rest == 1 else 's'}"))
    yield ReportLine("Still exposed", tuple(items), tone)


def _whole_job(job: JobReport) -> Iterator[Text]:
    if job.total is not None:
        yield say(job.total, f" task{'' if job.total == 1 else 's'}")
    for one in job.by_status[:_KINDS]:
        status = "failed or cancelled" if one.status == "failed" else name(one.status)
        yield say(exposed_number(one.tasks, of_status(one.status)), " ", status)
    if rest := sum(one.tasks for one in job.by_status[_KINDS:]):
        yield say(rest, " others")


def _guard(each: SetReport) -> Iterator[ReportLine]:
    use = each.guard
    if each.change is Change.DELETE or each.unknown:
        return
    items = [_use(use), *([say(*_limits(use.limit))] if use.limit.is_set else [])]
    tone = Tone.PLAIN
    if use.raised and (was := use.before or use.usual):
        words = "raised by this change, from " if use.before else "more than the stack's guard, "
        items.append(say(words, *_limits(was)))
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
        yield from ("maxDevices ", limit.max_devices)
    if limit.max_devices is not None and limit.max_share is not None:
        yield ", "
    if limit.max_share is not None:
        yield from ("maxShare ", name(f"{limit.max_share:g}"))
    if not limit.is_set:
        yield "no guard"


def _undo(
    job: JobReport, sets: Sequence[SetReport], counts: Counter[Effect], *, declared: bool
) -> Iterator[ReportLine]:
    """Return the line that says how to push the firmware again."""
    number = counts[Effect.CANCEL] + counts[Effect.CANCEL_AGAIN]
    if not number and not counts[Effect.UNREAD]:
        # This change cancels nothing: undo what is cancelled already.
        number = counts[Effect.CANCELLED] + sum(map(_released, sets))
        if not number:
            return
    if job.status == "deleted" or (job.looked and job.is_unknown):
        return
    retry = f"enos-ota retry --job {shlex.quote(job.job_id)} --keys FILE --expect {number or 'N'}"
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


def _place(job: JobReport) -> Iterator[ReportLine]:
    if not job.job_id:
        return
    where = (("organization ", job.org_id), ("at ", job.gateway))
    items = (say(words, name(text)) for words, text in where if text)
    yield ReportLine("Job id", (say(name(job.job_id)), *items), Tone.QUIET)


def _notes(sets: Sequence[SetReport], reasons: frozenset[str]) -> Iterator[ReportLine]:
    """Return the warnings that are neither reasons of the verdict, as all errors are, nor on another line."""
    texts: list[str] = []
    for each in sets:
        about = f"set {each.name!r} (job {each.job_id}): " if len(sets) == 1 else ""
        covered = {*reasons, *_on_other_lines(each)}
        texts += [text.removeprefix(about) for text in each.warnings if text not in covered]
    for text in texts[:_NOTES]:
        yield ReportLine("Note", (say(saying(text)),), Tone.CAREFUL)
    if (rest := len(texts) - _NOTES) > 0:
        yield ReportLine("Note", (say("and ", rest, " more"),), Tone.CAREFUL)


def _on_other_lines(each: SetReport) -> Iterator[str]:
    """Return the warnings that say the same as another line."""
    published = sum(one.tasks for one in each.will_cancel_by if one.status == _PUSHED)
    for message in each.messages:
        # Beside "By status" are the keys that are yet to be cancelled.
        is_published = message.code == Code.AFTER_PUSH.value and message.keys == published
        if message.severity is Severity.WARNING and (message.code in _ON_A_LINE or is_published):
            yield message.text


def describe_deleted(job: JobReport, sets: Iterable[SetReport]) -> Iterator[Text]:
    """Return the warning that a job is deleted, with the sets that can be removed."""
    left = [each.name for each in sets if each.change is not Change.DELETE]
    if job.status == "deleted" and left:
        gone = say("job ", name(job.name or job.job_id), " is deleted, so none of its tasks can run")
        yield (*gone, *say("; set " if len(left) == 1 else "; sets ", *names(left, _NAMED), " can be removed"))


def describe_unchanged(job: JobReport, each: SetReport) -> Text:
    """Return one line about a set for which there is nothing to do."""
    cancelled = each.count(Effect.CANCELLED)
    done = say(cancelled, f" {_keys(cancelled)} cancelled") if cancelled else _declared(each)
    status = f" {job.status}" if job.status != "unknown" else ""
    exposed = say("; ", *_exposed_tasks(job.exposed)) if job.exposed is not None else ()
    return say("set ", name(each.name), ": ", *done, "; job ", name(job.name or job.job_id), status, *exposed)


def _declared(each: SetReport) -> Text:
    return say(each.declared, f" {_keys(each.declared)} declared")


def _exposed_tasks(number: int) -> Text:
    words = " waiting task is not in any set" if number == 1 else " waiting tasks are not in any set"
    return say(exposed_number(number, Exposure.WAITING) if number else 0, words)


def _keys(number: int) -> str:
    return "key" if number == 1 else "keys"

"""What is said of a job and of its sets, line by line, in the order of a decision. Every word of it stands here."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from enos_ota.plan import Category, Code, Severity
from enos_ota.plan.guard import BREAK_GLASS
from enos_ota.review.model import STATUS_AFTER_PUSH, STATUS_UNKNOWN_TEXT, Change, Effect
from enos_ota.review.text import Piece, Text, command, name, say, saying

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enos_ota.review.model import GuardUse, JobReport, Limit, SetMessage, SetReport, StatusCount

_KINDS: Final = 6
"""Statuses and versions that are told apart on the first screen."""
_OTHER_JOBS: Final = 3
_SETS: Final = 3
"""Sets that are named in a sentence."""
_NOTES: Final = 6
"""Errors, or warnings, of one set that are told."""
_DIGEST: Final = 12
"""Characters of a digest that is there only to be compared with another."""

_COUNTED: Final = frozenset({Code.TOO_LATE.value, Code.MISSING.value})
"""Codes of warnings whose keys are counted beside "Other keys"."""
_PUSHED: Final = "published"

_OURS: Final = re.compile(
    f"(?:(?:{'|'.join(each.value for each in Category)})(?: |$))?"
    f"(?:(?:{re.escape(STATUS_AFTER_PUSH)}|{re.escape(STATUS_UNKNOWN_TEXT)})$)?"
)
"""What of a key's status is in our words: the category of one that leaves its set, and remarks."""


class Tone(Enum):
    """How a reader is to take it."""

    PLAIN = "plain"
    GOOD = "good"
    CAREFUL = "careful"
    BAD = "bad"
    QUIET = "quiet"
    """Not to be read unless it is looked for."""


@dataclass(frozen=True, slots=True)
class Line:
    """A label, and facts beside it, each short; a format sets them apart."""

    label: str
    items: tuple[Text, ...]
    tone: Tone = Tone.PLAIN


EFFECTS: Final = {
    Effect.CANCEL_AGAIN: ("recorded as cancelled, and retried by somebody since", Tone.CAREFUL),
    Effect.ESCAPED: ("were cancelled, are no longer, and cannot be cancelled again", Tone.BAD),
    Effect.AMBIGUOUS: ("in several products, which a cancel cannot tell apart: none is sent", Tone.BAD),
    Effect.MISSING: ("the job has no task for them", Tone.BAD),
    Effect.TOO_LATE: ("upgrading, succeeded or failed: nothing is left to cancel", Tone.CAREFUL),
    Effect.PENDING: ("not done, and nothing is planned for them", Tone.CAREFUL),
    Effect.HELD: ("waiting, but the job is stopped: not pushed, and not to be cancelled", Tone.CAREFUL),
    Effect.UNREAD: ("where their tasks stand was not read", Tone.CAREFUL),
    Effect.CANCEL: ("", Tone.PLAIN),
    Effect.RELEASED: ("nothing is sent, what is cancelled stays cancelled", Tone.PLAIN),
    Effect.CANCELLED: ("nothing is sent", Tone.QUIET),
}
"""What each effect means and how grave it is, in the order in which a reader has to see them."""

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
"""Keys for which nothing would be sent, in the order of the first screen."""


@dataclass(frozen=True, slots=True)
class SetLines:
    """What is said of one set: before, and after, what is said of its tasks."""

    heading: tuple[Line, ...]
    limits: tuple[Line, ...]
    digest: tuple[Line, ...]


def of_job(job: JobReport) -> Iterator[Line]:
    """What is rolled back."""
    if _is_unknown(job):
        unseen = "an unknown job" if job.looked else "a job that was not looked at"
        yield Line("Rollback of", (say(unseen),), Tone.CAREFUL)
        return
    if job.firmware_version or job.firmware_name:
        named = (" (", name(job.firmware_name), ")") if job.firmware_name and job.firmware_version else ()
        about = say("firmware ", name(job.firmware_version or job.firmware_name), *named)
    else:
        about = say("firmware not known")
    product = [say("product ", name(job.product_key))] if job.product_key else []
    kind = "verification job" if job.type == "verify" else "job"
    status = {"unknown": "nothing is known of the job"}.get(job.status, f"{kind} {job.status}")
    recorded = "" if job.looked or job.status == "unknown" else ", as last recorded"
    tone = Tone.PLAIN if job.status == "started" else Tone.CAREFUL
    yield Line("Rollback of", (about, *product, say(status + recorded)), tone)


def _is_unknown(job: JobReport) -> bool:
    """Whether nothing is known of a job: EnOS was not asked, or has no such job."""
    return job.status == "unknown" and not (job.name or job.firmware_version)


def retirement(job: JobReport, sets: Iterable[SetReport]) -> Iterator[Text]:
    """What an approver has to know of a job that is gone, though nothing about it is wrong."""
    left = [each for each in sets if each.change is not Change.DELETE]
    if job.status != "deleted" or not left:
        return
    named = [part for each in left[:_SETS] for part in (", ", name(each.name))][1:]
    rest = len(left) - _SETS
    which = ("set " if len(left) == 1 else "sets ", *named, *((" and ", rest, " more") if rest > 0 else ()))
    gone = say("job ", name(job.name or job.job_id), " is deleted: nothing of it can run any more")
    yield (*gone, *say("; ", *which, " can be retired"))


def place(job: JobReport) -> Iterator[Line]:
    """Where the job is found."""
    where = [say("organization ", name(job.org_id))] if job.org_id else []
    at = [say("at ", name(job.gateway))] if job.gateway else []
    yield Line("Job id", (say(name(job.job_id)), *where, *at), Tone.QUIET)


def of_set(each: SetReport, *, will: str, alone: bool, looked: bool) -> SetLines:
    """What is said of one set.

    Args:
        each: The set.
        will: "will", or "would" where an `up` will do nothing of it.
        alone: Whether it is its job's only one, so that what is said of the job is said of it.
        looked: Whether EnOS was asked about its job.
    """
    heading = [Line("Set", (say(name(each.name)), *_change(each))) if alone else Line("Change", tuple(_change(each)))]
    if each.reason:
        heading.append(Line("Reason", (say(name(each.reason)),)))
    if not alone:
        heading += [*_own_cancels(each, will=will), *_elsewhere([each], looked=looked)]
    return SetLines(tuple(heading), tuple(_guard(each)), tuple(_digest(each)))


def _change(each: SetReport) -> Iterator[Text]:
    declared = say(each.declared, f" {_keys(each.declared)} declared")
    if each.change is Change.CREATE:
        yield say("new")
        yield declared
    elif each.change is Change.DELETE:
        yield say("removed, nothing is sent: what is cancelled stays cancelled")
    else:
        yield declared
        yield from _edits(each)
    if each.change is Change.REPLACE:
        before = (" for job ", name(each.job_id_before)) if each.job_id_before else (" before",)
        yield say("replaced: what was recorded", *before, " stays cancelled, nothing is sent there")
    if each.change is Change.DECLARED:
        yield say("what is recorded could not be read, so what of it is new is not known")
    if each.expired:
        yield say("expired")
    elif each.expires:
        yield say("expires on ", name(each.expires))
    if each.expect_firmware_version:
        yield say("expects firmware ", name(each.expect_firmware_version))


def _edits(each: SetReport) -> Iterator[Text]:
    """What of the declaration is new."""
    if each.change in {Change.REPLACE, Change.DECLARED}:
        return
    if each.added:
        yield say(each.added, " added")
    if each.removed:
        yield say(each.removed, " taken out")
    if each.metadata:
        changed = [part for setting in each.metadata[:_KINDS] for part in (", ", name(setting))][1:]
        rest = len(each.metadata) - _KINDS
        yield say("changed: ", *changed, *((", and ", rest, " more") if rest > 0 else ()))
    if not (each.added or each.removed or each.metadata):
        yield say("declared as before")


def cancels(job: JobReport, sets: Sequence[SetReport], *, will: str) -> Iterator[Line]:
    """How much is cancelled, how it stands now, and what is not reached."""
    number = sum(each.will_cancel for each in sets)
    # Counts come from a search that may lag behind what was just read.
    waiting = job.waiting if job.waiting is not None and job.waiting >= number else None
    out_of = (" of ", waiting) if waiting is not None else ()
    tasks = "waiting task" if (number if waiting is None else waiting) == 1 else "waiting tasks"
    if all(each.change is Change.DELETE for each in sets):
        yield Line("To cancel", (say("nothing"),))
    elif job.looked and _is_unknown(job):
        yield Line("To cancel", (say("nothing: EnOS has no such job"),), Tone.CAREFUL)
    elif not job.looked and not number and not _open(sets) and _may_be_retried(sets):
        yield Line("To cancel", (say("not known, EnOS was not asked"),), Tone.CAREFUL)
    elif number or not _open(sets):
        count = number or ("none" if waiting else "nothing")
        what = say(
            count, *(out_of if waiting or number else ()), f" {tasks} {will} be cancelled" if number or waiting else ""
        )
        yield Line("To cancel", (what, *_and(sets, will)))
    else:
        yield Line("To cancel", tuple(_and(sets, will)), Tone.CAREFUL)
    counted: Counter[tuple[str, str]] = Counter()
    for each in sets:
        counted.update({(one.status, one.source_version): one.tasks for one in each.will_cancel_by})
    if counted:
        yield Line("By status", tuple(_told_apart(counted)))
    yield from _elsewhere(sets, looked=job.looked)


def _may_be_retried(sets: Iterable[SetReport]) -> bool:
    """Whether there are keys that are only recorded as cancelled, for which an `up` would look."""
    return any(each.count(Effect.CANCELLED) for each in sets if not each.expired)


def _open(sets: Iterable[SetReport]) -> bool:
    """Whether there are keys that would be cancelled if they could be, or if anybody knew."""
    return any(each.count(Effect.UNREAD, Effect.HELD) for each in sets)


def _and(sets: Iterable[SetReport], will: str) -> Iterator[Text]:
    counts: Counter[Effect] = Counter()
    for each in sets:
        counts.update(each.counts)
    if again := counts[Effect.CANCEL_AGAIN]:
        were = "was" if again == 1 else "were"
        yield say(again, f" {were} retried by somebody since and {will} be cancelled again")
    if unread := counts[Effect.UNREAD]:
        yield say("up to ", unread, f" {_keys(unread)}: where their tasks stand was not read")
    if counts[Effect.HELD]:
        yield say("nothing of what is held while the job is stopped")


def _own_cancels(each: SetReport, *, will: str) -> Iterator[Line]:
    """The same for one set of several."""
    items = [say(each.will_cancel, f" {will} be cancelled")] if each.will_cancel else []
    items += _and([each], will)
    if items:
        yield Line("To cancel", tuple(items))


def _elsewhere(sets: Sequence[SetReport], *, looked: bool) -> Iterator[Line]:
    counts: Counter[Effect] = Counter()
    for each in sets:
        counts.update(each.counts)
    items = [say(counts[effect], f" {said}") for effect, said in _ELSEWHERE.items() if counts[effect]]
    bad = counts[Effect.ESCAPED] or counts[Effect.MISSING] or counts[Effect.AMBIGUOUS]
    if items:
        if not looked and any(counts[effect] for effect in _ELSEWHERE if effect is not Effect.RELEASED):
            items.append(say("as last recorded"))
        yield Line("Other keys", tuple(items), Tone.BAD if bad else Tone.PLAIN)
    elif any(counts.values()) and not counts[Effect.UNREAD]:
        yield Line("Other keys", (say("none, every declared key waits"),))


def exposed(job: JobReport, *, declared: bool) -> Iterator[Line]:
    """How far the rollout is, and who will still get the firmware.

    Args:
        job: The job.
        declared: Whether there is a set for it after the change.
    """
    if job.by_status:
        total = [say(job.total, f" task{'' if job.total == 1 else 's'}")] if job.total is not None else []
        yield Line("Whole job", (*total, *_kinds(job.by_status, {"failed": "failed or cancelled"})))
    if job.status == "deleted" or not (job.looked or declared):
        return
    tone = Tone.CAREFUL
    if job.exposed is None:
        first = say("not known" if job.looked else "not known, EnOS was not asked")
    elif job.exposed:
        first = say(job.exposed, " waiting, not declared")
    else:
        first = say("no other task waits")
        tone = Tone.GOOD if job.same_firmware == () and not job.incremental else Tone.CAREFUL
    items = [first]
    if job.incremental:
        items.append(say("incremental job: devices that match later join it"))
    if job.same_firmware is None:
        items.append(say("whether other jobs have this firmware is not known"))
    others = job.same_firmware or ()
    for other in others[:_OTHER_JOBS]:
        waiting = (": ", other.waiting, " waiting") if other.waiting is not None else ()
        named = (name(other.name), " (", name(other.job_id), ")") if other.name else (name(other.job_id),)
        items.append(say("this firmware also in started job ", *named, *waiting))
    if (rest := len(others) - _OTHER_JOBS) > 0:
        items.append(say("and in ", rest, f" more started job{'' if rest == 1 else 's'}"))
    yield Line("Still exposed", tuple(items), tone)


def _guard(each: SetReport) -> Iterator[Line]:
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
    yield Line("Guard", tuple(items), tone)


def _use(use: GuardUse) -> Text:
    if not use.limit.is_set:
        return say("none")
    devices = " device" if use.allowed == 1 else " devices"
    most: tuple[str | int, ...] = () if use.allowed is None else ("at most ", use.allowed, devices)
    if use.would_send is None:
        return say("use not known", *(", " if most else "", *most))
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


def undo(job: JobReport, sets: Iterable[SetReport]) -> Iterator[Line]:
    """How what is cancelled gets its firmware after all."""
    sets = list(sets)
    number = sum(each.will_cancel for each in sets)
    if not number and not any(each.count(Effect.UNREAD) for each in sets):
        # This change cancels nothing: then it is about what is cancelled already.
        number = sum(each.count(Effect.CANCELLED) + _released(each) for each in sets)
        if not number:
            return
    if job.status == "deleted" or (job.looked and _is_unknown(job)):
        return
    retry = f"enos-ota retry --job {shlex.quote(job.job_id)} --keys FILE --expect {number or 'N'}"
    items = [say(command(retry), " pushes again")]
    if not number:
        items.append(say("N is how many keys FILE has"))
    if any(each.change is not Change.DELETE for each in sets):
        items.append(say("first take the keys out of the set, which alone sends nothing"))
    yield Line("Undo", tuple(items), Tone.QUIET)


def _released(each: SetReport) -> int:
    """Keys that leave the set and stay cancelled."""
    cancelled = Category.CANCELLED.value
    return sum(key.effect is Effect.RELEASED and key.status.startswith(cancelled) for key in each.keys)


def _digest(each: SetReport) -> Iterator[Line]:
    if not each.digest:
        return
    items = [say(name(each.digest), " (sha256)")]
    if each.digest_before and each.digest_before != each.digest:
        items.append(say("before ", name(each.digest_before[:_DIGEST])))
    yield Line("Digest", tuple(items), Tone.QUIET)


def notes(each: SetReport, told: frozenset[str]) -> Iterator[Line]:
    """What else is to be said of a set, and is not among the reasons of the verdict."""
    about = f"set {each.name!r} (job {each.job_id}): "
    covered = {one.text for one in each.messages if _has_line(one, each)}
    for label, tone, texts in (("Fails", Tone.BAD, each.errors), ("Note", Tone.CAREFUL, each.warnings)):
        said = [text.removeprefix(about) for text in texts if text not in told and text not in covered]
        for text in said[:_NOTES]:
            yield Line(label, (say(saying(text)),), tone)
        if (rest := len(said) - _NOTES) > 0:
            yield Line(label, (say("and ", rest, " more"),), tone)


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
    """A set for which there is nothing to do, in one line."""
    number = each.count(Effect.CANCELLED) or each.declared
    status = f" {job.status}" if job.status in {"started", "stopped", "deleted"} else ""
    exposed = ("; ", job.exposed, " waiting, not declared") if job.exposed is not None else ()
    done = f" {_keys(number)} cancelled" if each.count(Effect.CANCELLED) else f" {_keys(number)} declared"
    return say("set ", name(each.name), ": ", number, done, "; job ", name(job.name or job.job_id), status, *exposed)


def status(told: str) -> Text:
    """The status of a key's task. What we say of it is no name: it needs no quotes, whatever blanks are in it."""
    ours = _OURS.match(told)
    end = ours.end() if ours else 0
    return say(told[:end], *((name(told[end:]),) if told[end:] else ()))


def _kinds(counts: Iterable[StatusCount], words: dict[str, str]) -> Iterator[Text]:
    """How many tasks have which status."""
    shown = list(counts)
    for one in shown[:_KINDS]:
        status = words.get(one.status)
        yield say(one.tasks, " ", status or name(one.status))
    if rest := sum(one.tasks for one in shown[_KINDS:]):
        yield say(rest, " others")


def _told_apart(counted: Counter[tuple[str, str]]) -> Iterator[Text]:
    """How many tasks that would be cancelled have which status, and come from which version."""
    most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    for (status, version), number in most[:_KINDS]:
        since = (" from ", name(version)) if version else ()
        yield say(number, " ", name(status), *since)
    if rest := most[_KINDS:]:
        yield say(sum(number for _, number in rest), " of ", len(rest), " more statuses and versions")
    if any(status == _PUSHED for status, _ in counted):
        yield say("those published were told already and may go on")


def _keys(number: int) -> str:
    return "key" if number == 1 else "keys"

"""Every sentence about a set: what a change would do, what stops it, what its record means.

Each message has a code. A program recognises a message by its code, never by its text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from enos_ota.devicekeys.rules import unusual
from enos_ota.enos import TaskStatus
from enos_ota.plan.codes import Code
from enos_ota.plan.guard import BREAK_GLASS
from enos_ota.plan.naming import counted, listed, one_line, shown
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT, Category, RecordedJobStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from enos_ota.plan.guard import Guard, Objection
    from enos_ota.plan.plan import Plan
    from enos_ota.plan.record import KeyOutcome, Record
    from enos_ota.plan.task_set import TaskSet


class Severity(str, Enum):
    """What a message means for a run."""

    INFORMATION = "information"
    WARNING = "warning"
    ERROR = "error"
    """An `up` fails at its end, after every set was worked on."""
    REFUSAL = "refusal"
    """The same, and a preview fails too: no request would be sent for the set."""


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence about a set for the operator."""

    code: Code
    severity: Severity
    text: str
    keys: int = 0
    """Number of keys that a remark about cancelled keys is about."""


@dataclass(frozen=True, slots=True)
class SetVerdict:
    """What a set's record means for a run; any error fails it."""

    messages: tuple[Message, ...] = ()

    @property
    def errors(self) -> tuple[str, ...]:
        """The texts that fail a run."""
        return tuple(each.text for each in self.messages if each.severity in FAILING)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The texts that do not."""
        return tuple(each.text for each in self.messages if each.severity is Severity.WARNING)


FAILING: Final = frozenset({Severity.ERROR, Severity.REFUSAL})

_WAYS_OUT: Final = f"raise the guard in the stack file, split the change, or set {BREAK_GLASS}=<reason> for this run"
_NOT_READ_CODE: Final = f" [{Code.NOT_READ.value}]"
_FAILED: Final = {"failed": "failed or cancelled"}
"""How a status is named where only EnOS's own counts are known: a cancelled task is a failed one [I]."""


_REMARKABLE: Final = {
    Category.ESCAPED: (
        "cancelled before and escaped since",
        "the device upgrades or has upgraded and no cancel can reach it; handle it in the EnOS console, then take it "
        "out of the set",
    ),
    Category.AMBIGUOUS: (
        "with tasks in several products",
        "a cancel cannot tell them apart; cancel it in the EnOS console, then take it out of the set",
    ),
    Category.MISSING: (
        "without a task in this job, so there is nothing to cancel",
        "check the key and the job, or take it out of the set (or set onMissing: report)",
    ),
    Category.TOO_LATE: ("too late to cancel", "take it out of the set (or set onTooLate: report)"),
}
"""What is reported of the keys of a category, and the advice where they fail a run. Their code has the same name."""

_IN_PREVIEW_LINE: Final = (Category.TOO_LATE, Category.MISSING)
"""Categories whose keys the first line of a preview counts and names."""


# A plan


def describe_plan(plan: Plan) -> tuple[Message, ...]:
    """Everything about a plan: what it would do, what stops it, what its record would mean."""
    codes = {each.code for each in plan.objections}
    covered = {Code.MISSING} if Code.NO_TASKS in codes else set()
    if codes - {Code.NO_TASKS}:
        covered |= {Code.PROBLEM, Code.PENDING}  # the objection itself says why
    verdict = describe_record(plan.record, plan.task_set, is_expired=plan.is_expired)
    information = [Message(Code.PREVIEW, Severity.INFORMATION, _preview_line(plan))] if _has_preview(plan) else []
    refusals = [Message(each.code, Severity.REFUSAL, _refusal(plan, each)) for each in plan.objections]
    cautions = [Message(code, Severity.WARNING, text) for code, text in _cautions(plan)]
    others = [each for each in verdict.messages if each.code not in covered]
    return (*information, *_about(plan.task_set.subject, [*refusals, *cautions]), *others)


def preview_messages(plan: Plan) -> tuple[Message, ...]:
    """The messages that a preview prints: without the warnings whose numbers are in its first line."""
    messages = describe_plan(plan)
    if not plan.outcomes or not _has_preview(plan) or plan.unread_count:
        return messages
    in_line = {Code[each.name] for each in _IN_PREVIEW_LINE if plan.record.of(each).keys() <= plan.outcomes.keys()}
    published = {key for key, task in plan.cancels.items() if task.status is TaskStatus.PUBLISHED}
    if published.issuperset(plan.record.keys_with(AFTER_PUSH)):
        in_line.add(Code.AFTER_PUSH)
    return tuple(each for each in messages if each.severity is not Severity.WARNING or each.code not in in_line)


def _has_preview(plan: Plan) -> bool:
    return (
        plan.is_read
        and bool(plan.work or plan.unlisted)
        and plan.job.status in {RecordedJobStatus.STARTED, RecordedJobStatus.STOPPED}
    )


def _about(subject: str, messages: Iterable[Message]) -> tuple[Message, ...]:
    return tuple(replace(each, text=f"{subject}: {each.text}") for each in messages)


def _refusal(plan: Plan, objection: Objection) -> str:
    if objection.code is not Code.NO_TASKS:
        return describe_objection(objection)
    keys = listed(_safe(plan.task_set.device_keys))
    return f"the job has no task for any key of the set ({keys}): check jobId and the keys"


def _cautions(plan: Plan) -> Iterator[tuple[Code, str]]:
    if plan.override:
        excess = describe_excess(plan.override)
        yield (
            Code.GUARD_OVERRIDDEN,
            f"the guard is overridden by {BREAK_GLASS} ({plan.break_glass}); this change {excess}",
        )
    elif plan.unread_count and plan.is_read and plan.exceeds_guard:
        yield (
            Code.GUARD_MAY_BE_EXCEEDED,
            f"the guard may stop this change, depending on how many of the {plan.unread_count} tasks still wait; "
            "`pulumi up` reads them all first",
        )
    if plan.outdated:
        some = [f"{shown(key)} {now.status if now else 'cancelled'}" for key, now in sorted(plan.outdated.items())]
        yield (
            Code.OUTDATED,
            f"{counted(len(some), 'key')} no longer as recorded ({listed(some)}): the job is stopped, so `pulumi up` "
            "does nothing about that. Take these keys out of the set, or start the job: EnOS then pushes what waits "
            "until the next `pulumi up`",
        )


def _preview_line(plan: Plan) -> str:
    parts = [_work(plan), _job(plan), *_others(plan)]
    return f"preview of set {plan.task_set.name!r}: {'; '.join(parts)}"


def _work(plan: Plan) -> str:
    if plan.unread_count:
        return f"{plan.unread_count} keys to work on, too many to read each"
    by_category: dict[Category, list[str]] = {category: [] for category in Category}
    for key, outcome in sorted(plan.outcomes.items()):
        if key not in plan.cancels:
            category = outcome.category if outcome else Category.CANCELLED
            by_category[category].append(f"{shown(key)} {one_line(outcome.status) if outcome else ''}".strip())
    already = len(by_category.pop(Category.CANCELLED))
    will = "would" if plan.objections else "will"
    published = f" ({plan.published} published already)" if plan.published else ""
    parts = [f"{len(plan.cancels) or 'nothing'} {will} be cancelled{published}"]
    if already:
        parts.append(f"{already} cancelled already")
    parts += [f"{len(keys)} {category.value} ({listed(keys)})" for category, keys in by_category.items() if keys]
    return ", ".join(parts)


def _job(plan: Plan) -> str:
    job = plan.job
    name = f" '{one_line(job.name)}'" if job.name else ""
    firmware = f", firmware {one_line(job.firmware_version)}" if job.firmware_version else ""
    return f"job{name}{firmware}, {job.status.value}"


def _others(plan: Plan) -> list[str]:
    if plan.unread_count:
        live = plan.live
        parts = [] if live.total is None else [f"{counted(live.total, 'task')} in all"]
        parts += [f"{n} {_FAILED.get(each.value, each.value)}" for each, n in live.by_status.items() if n is not None]
        return [", ".join(parts)] if parts else []
    number = plan.other_waiting
    if number is None:
        return []
    if not number:
        return ["no other task waits"]
    return [f"{number} other waiting {'task is' if number == 1 else 'tasks are'} not in this set"]


def unknown_inputs(name: str) -> Message:
    """The information about a set whose job or keys are outputs of other resources."""
    text = f"set {name!r}: the job or the device keys are not known until `pulumi up`; tasks were not checked"
    return Message(Code.INPUTS_UNKNOWN, Severity.INFORMATION, text)


def unusual_keys(task_set: TaskSet, added: Collection[str]) -> Iterator[Message]:
    """A warning about added keys that do not follow EnOS's default rule."""
    if found := unusual(sorted(added)):
        text = f"{task_set.subject}: {found.sentence(lambda _: '')}"
        yield Message(Code.UNUSUAL_KEYS, Severity.WARNING, text)


NOT_CHECKED: Final = "EnOS could not be asked what `pulumi up` would do"
"""Of sets whose tasks a preview could not read."""


def not_read(task_set: TaskSet, why: str) -> str:
    """The error of a refresh that could not read a set's tasks; its code at the end is for `failed_reads`."""
    return f"{task_set.subject}: the tasks could not be read; the recorded state is unchanged: {why}{_NOT_READ_CODE}"


def failed_reads(errors: Iterable[str]) -> tuple[str, ...]:
    """The errors of `not_read` among the errors of another process, each without its code and what follows it."""
    return tuple(text.partition(_NOT_READ_CODE)[0] for text in errors if _NOT_READ_CODE in text)


# Objections


def describe_objection(objection: Objection, *, by_option: bool = False) -> str:
    """Why no request may be sent, with the numbers and what to do; `by_option`: a command line expects the firmware."""
    if objection.code is Code.GUARD_EXCEEDED:
        return f"the guard stops this change, which {describe_excess(objection)}; {_WAYS_OUT}"
    if objection.code is Code.FIRMWARE_UNKNOWN:
        advice = "" if by_option else ", then remove `expect`"
        return (
            f"firmware {objection.expected} is expected, but EnOS does not say which firmware the job is about: "
            f"look it up in the console{advice}"
        )
    check = "check --job and --expect-firmware" if by_option else "check jobId and `expect`"
    return f"firmware {objection.expected} is expected, but the job is about {one_line(objection.found)}: {check}"


def describe_refusal(objection: Objection) -> str:
    """The recorded problem of a change that an objection stopped."""
    return f"{describe_objection(objection)}; nothing was sent"


def describe_excess(objection: Objection) -> str:
    """The numbers of a guard's objection, to be read after "this change"."""
    count = counted(objection.count, "device")
    return f"would cancel {count}: {describe_limits(objection.guard, objection.count, objection.total)}"


def describe_limits(guard: Guard, count: int, total: int | None) -> str:
    """The limits that so many devices exceed; empty when there are none."""
    parts = []
    exceeded = guard.exceeded_by(count, total)
    if exceeded.max_devices is not None:
        parts.append(f"at most {guard.max_devices} may be (maxDevices)")
    if exceeded.max_share is not None:
        share = f"{guard.max_share:g}"
        if total is None:
            parts.append(f"how many tasks the job has is not known, so maxShare {share} cannot be checked")
        else:
            tasks = counted(total, "task")
            parts.append(f"at most {guard.share_of(total)} of the job's {tasks} may be (maxShare {share})")
    return " and ".join(parts)


# A record


def describe_record(record: Record, task_set: TaskSet, *, is_expired: bool) -> SetVerdict:
    """What a set as it is recorded means for a run.

    It fails with a problem, with pending, escaped and ambiguous keys, with missing and too late ones if the set says
    so. A set that expired or whose job was deleted only warns: nothing can or may be done about it any more.
    """
    if is_expired:
        text = (
            f"expired on {task_set.expires}: neither read nor written, {_last_seen(record)}; "
            "remove the set, or set a later day"
        )
        messages = [Message(Code.EXPIRED, Severity.WARNING, text)]
    elif record.job.status is RecordedJobStatus.DELETED:
        text = f"job deleted: retire this set; {_last_seen(record)}"
        messages = [Message(Code.JOB_DELETED, Severity.WARNING, text)]
    else:
        messages = [*_unfinished(record), *_exceptions(record, task_set), *_remarks(record)]
    return SetVerdict(_about(task_set.subject, messages))


def summarize(verdicts: Iterable[SetVerdict]) -> str:
    """One text for everything that fails a run, empty when nothing does."""
    all_verdicts = list(verdicts)
    errors = [error for verdict in all_verdicts for error in verdict.errors]
    if len(errors) <= 1:
        return "".join(errors)
    failing = sum(1 for verdict in all_verdicts if verdict.errors)
    return "\n".join([f"{failing} of {len(all_verdicts)} sets did not come out as declared:", *errors])


def status_problem(outcomes: Mapping[str, KeyOutcome]) -> str:
    """The problem of tasks with a status that EnOS does not document; empty where there are none."""
    unknown = [f"{shown(key)} {each.status}" for key, each in sorted(outcomes.items()) if each.has_unknown_status]
    if not unknown:
        return ""
    tasks = "1 task has" if len(unknown) == 1 else f"{len(unknown)} tasks have"
    return (
        f"{tasks} a status that EnOS does not document ({listed(unknown)}): it is unknown whether the upgrade goes on, "
        "and no cancel is sent while the status stays so; look in the EnOS console"
    )


def _exceptions(record: Record, task_set: TaskSet) -> Iterator[Message]:
    only_reported = {
        Category.TOO_LATE: task_set.on_too_late == "report",
        Category.MISSING: task_set.on_missing == "report",
    }
    for category, (words, advice) in _REMARKABLE.items():
        if keys := record.of(category):
            text = f"{counted(len(keys), 'key')} {words} ({_some(keys)})"
            if only_reported.get(category):
                yield Message(Code[category.name], Severity.WARNING, text)
            else:
                yield Message(Code[category.name], Severity.ERROR, f"{text}: {advice}")


def _remarks(record: Record) -> Iterator[Message]:
    if held := record.of(Category.HELD):
        yield Message(
            Code.HELD,
            Severity.WARNING,
            f"{counted(len(held), 'key')} held ({_some(held)}): the job is stopped, nothing is pushed and nothing can "
            "be cancelled; the first `pulumi up` after it was started again cancels what is left",
        )
    elif record.job.status is RecordedJobStatus.STOPPED:
        text = "the job is stopped: nothing is pushed, and the states are those last seen"
        yield Message(Code.JOB_STOPPED, Severity.WARNING, text)
    if notified := record.keys_with(AFTER_PUSH):
        one = len(notified) == 1
        tasks, devices, these = (
            ("task was", "device", "this device") if one else ("tasks were", "devices", "these devices")
        )
        yield Message(
            Code.AFTER_PUSH,
            Severity.WARNING,
            f"{len(notified)} {tasks} cancelled after the {devices} had been notified ({listed(_safe(notified))}); "
            f"{these} may still upgrade",
            keys=len(notified),
        )
    if unknown := record.keys_with(UNKNOWN_TEXT):
        yield Message(
            Code.UNKNOWN_TEXT,
            Severity.WARNING,
            f"{counted(len(unknown), 'key')} whose cancel EnOS accepted, but whose task failed with an unknown text "
            f"({listed(_safe(unknown))}): look up the task's `desc`; only if it is EnOS's word for a cancel add it to "
            "enos:cancelledMarkers, as a failure of the device's own may look the same",
        )
    if record.job.automatic_retry and record.cancelled_count:
        yield Message(
            Code.NOT_DURABLE,
            Severity.WARNING,
            "not durable: the job's retryPolicy re-publishes failed tasks, and a cancelled task may count as one; "
            "stop the job, or run `pulumi up` again later",
        )


def _unfinished(record: Record) -> Iterator[Message]:
    pending = record.of(Category.PENDING)
    numbers = f"{record.cancelled_count} cancelled"
    if pending:
        numbers += f", {len(pending)} pending ({_some(pending)}){_accepted(record)}"
        if not any(outcome.has_unknown_status for outcome in record.outcomes.values()):
            numbers += "; `pulumi up` sends just these as soon as it can"
    if record.problem:
        yield Message(Code.PROBLEM, Severity.ERROR, f"{record.problem} ({numbers})")
    elif pending:
        yield Message(Code.PENDING, Severity.ERROR, numbers)


def _last_seen(record: Record) -> str:
    undone = {category: len(record.of(category)) for category in Category if category is not Category.CANCELLED}
    parts = [f"{record.cancelled_count} cancelled", *(f"{n} {category.value}" for category, n in undone.items() if n)]
    return "last seen: " + ", ".join(parts) + _accepted(record)


def _accepted(record: Record) -> str:
    """How many of the pending cancels EnOS accepted: most of these are probably done."""
    number = record.accepted_count
    return f", of which EnOS accepted {number} that could not be read back yet" if number else ""


def _some(keys: Mapping[str, str]) -> str:
    return listed([f"{shown(key)} {one_line(status)}".strip() for key, status in keys.items()])


def _safe(keys: Iterable[str]) -> list[str]:
    return [shown(key) for key in sorted(keys)]

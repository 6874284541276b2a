"""What a record means for the run: what fails it, what is only said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from enos_ota.reconciler.naming import listed, shown
from enos_ota.reconciler.outcome import AFTER_PUSH, UNKNOWN_TEXT, Category, JobStatus, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNREAD: Final = "could not be read, so nothing is known to have changed"
"""What is said of a set whose refresh failed."""

UNASKED: Final = "EnOS could not be asked what `pulumi up` would meet"
"""What a preview says of sets that it could not look at."""

OnTooLate = Literal["report", "fail"]
OnMissing = Literal["fail", "report"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How a set wants to be judged.

    Attributes:
        set_name: The set, as messages name it.
        job_id: Its job.
        on_too_late: Whether keys that were too late fail the run.
        on_missing: Whether keys without a task fail the run.
        expired: The set's day is over: it is only reported.
        expires: That day, as an ISO date, for the message.
    """

    set_name: str
    job_id: str
    on_too_late: OnTooLate = "report"
    on_missing: OnMissing = "fail"
    expired: bool = False
    expires: str = ""

    @property
    def subject(self) -> str:
        """How a message begins."""
        return f"set {self.set_name!r} (job {self.job_id})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one set; each entry a sentence for the operator. Any error fails the run."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Words:
    """How a category is put to the operator; the advice follows where it fails the run."""

    said: str
    advice: str


_WORDS: Final = {
    Category.ESCAPED: _Words(
        "cancelled before and escaped since",
        "the device goes on or has gone on and no cancel can reach it; see to it by hand, then take it out of the set",
    ),
    Category.AMBIGUOUS: _Words(
        "with tasks in several products",
        "a cancel cannot tell them apart; see to it in the EnOS console, then take it out of the set",
    ),
    Category.MISSING: _Words(
        "without a task in this job, so there is nothing to cancel",
        "check the key and the job, or take it out of the set (or say onMissing: report)",
    ),
    Category.TOO_LATE: _Words(
        "too late to cancel",
        "take it out of the set (or say onTooLate: report)",
    ),
}


def judge(record: Record, rules: Rules) -> Verdict:
    """The verdict on a set as it is recorded now.

    Fails: a problem, pending, escaped and ambiguous keys, missing ones unless they are only to be reported, keys that
    were too late if they are to fail. A set that expired or whose job was deleted only warns: nothing can or may be
    done about it any more.
    """
    if rules.expired:
        return Verdict(warnings=(_expired(record, rules),))
    if record.job.status is JobStatus.DELETED:
        return Verdict(warnings=(_deleted(record, rules),))
    errors = _undone(record)
    warnings: list[str] = []
    for category, words in _WORDS.items():
        if not (keys := record.of(category)):
            continue
        said = f"{_count(keys)} {words.said} ({_some(keys)})"
        if _fails(category, rules):
            errors.append(f"{said}: {words.advice}")
        else:
            warnings.append(said)
    warnings.extend(_remarks(record))
    return Verdict(
        tuple(f"{rules.subject}: {text}" for text in errors), tuple(f"{rules.subject}: {text}" for text in warnings)
    )


def _fails(category: Category, rules: Rules) -> bool:
    if category is Category.TOO_LATE:
        return rules.on_too_late == "fail"
    return category is not Category.MISSING or rules.on_missing == "fail"


def summary(verdicts: Iterable[Verdict]) -> str:
    """One text for everything that fails a run, empty when nothing does."""
    all_verdicts = list(verdicts)
    errors = [error for verdict in all_verdicts for error in verdict.errors]
    if len(errors) <= 1:
        return "".join(errors)
    failing = sum(1 for verdict in all_verdicts if verdict.errors)
    return "\n".join([f"{failing} of {len(all_verdicts)} sets did not come out as declared:", *errors])


def _remarks(record: Record) -> list[str]:
    remarks = []
    if held := record.of(Category.HELD):
        remarks.append(
            f"{_count(held)} held ({_some(held)}): the job is stopped, nothing is pushed and nothing can be cancelled; "
            f"the first `pulumi up` after it was started again cancels what is left"
        )
    elif record.job.status is JobStatus.STOPPED:
        remarks.append("the job is stopped: nothing is pushed, and the states are those last seen")
    if pushed := [shown(key) for key, finding in sorted(record.findings.items()) if finding == AFTER_PUSH]:
        remarks.append(
            f"{_count(pushed)} cancelled after push ({listed(pushed)}): the device had been told already and may go on"
        )
    if unknown := [shown(key) for key, finding in sorted(record.findings.items()) if finding == UNKNOWN_TEXT]:
        remarks.append(
            f"{_count(unknown)} whose cancel EnOS accepted, but whose task failed with a text that is not known "
            f"({listed(unknown)}): look up the task's `desc`; only if it is EnOS's word for a cancel add it to "
            "enos:cancelledMarkers, as a failure of the device's own may look the same"
        )
    if record.job.automatic_retry and record.cancelled_count:
        remarks.append(
            "not durable: the job's retryPolicy re-publishes failed tasks, and a cancelled task may count as one; "
            "stop the job, or run `pulumi up` again later"
        )
    return remarks


def _undone(record: Record) -> list[str]:
    pending = record.of(Category.PENDING)
    cancelled = f"{record.cancelled_count} cancelled"
    if not record.problem and not pending:
        return []
    if not pending:
        return [f"{record.problem} ({cancelled})"]
    undone = f"{len(pending)} pending ({_some(pending)}){_accepted(record)}"
    then = f"{cancelled}, {undone}"
    if not any(finding.has_unknown_status for finding in record.findings.values()):
        then += "; `pulumi up` sends just these as soon as it can"
    return [f"{record.problem} ({then})" if record.problem else then]


def _expired(record: Record, rules: Rules) -> str:
    return (
        f"{rules.subject}: expired on {rules.expires}: neither read nor written, {_last_seen(record)}; "
        f"remove the set, or set a later day"
    )


def _deleted(record: Record, rules: Rules) -> str:
    return f"{rules.subject}: job deleted: retire this set; {_last_seen(record)}"


def _last_seen(record: Record) -> str:
    undone = {category: len(record.of(category)) for category in Category if category is not Category.CANCELLED}
    parts = [f"{record.cancelled_count} cancelled", *(f"{n} {category.value}" for category, n in undone.items() if n)]
    return "last seen: " + ", ".join(parts) + _accepted(record)


def _accepted(record: Record) -> str:
    """How many of the pending cancels EnOS accepted: most of these will have been done."""
    number = record.accepted_count
    return f", of which EnOS accepted {number} that could not be read back yet" if number else ""


def _count(keys: Iterable[str]) -> str:
    number = len(list(keys))
    return f"{number} {'key' if number == 1 else 'keys'}"


def _some(keys: Mapping[str, str]) -> str:
    return listed([f"{shown(key)} {status}".strip() for key, status in keys.items()])

"""What a change would meet now, and what is to be said about it: information, warnings, and what stops it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enos_ota.reconciler.guard import BREAK_GLASS, Guard, expectation_objection, one_line
from enos_ota.reconciler.naming import listed, shown
from enos_ota.reconciler.outcome import Category, JobFacts, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from enos_ota.reconciler.verdict import Rules

_COUNTED: Final = {"failed": "failed or cancelled"}
"""How a status is told where only EnOS's own counts are known: a cancelled task is a failed one [I]."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where the keys stand that a change would work on, and what else there is to know of their job.

    Attributes:
        job: The job as it is now.
        added: Number of the keys.
        looked: Whether the task of each key was read; if not, only `by_status` tells of tasks.
        will_cancel: Keys whose task can be cancelled.
        published: Those of them whose device has been told already.
        cancelled: Keys whose task is cancelled already.
        others: The other keys and their task's status, by what they are: too late, missing, ambiguous, held, pending
            (which have a status that EnOS does not document).
        ambiguous_waiting: Tasks of ambiguous keys that are `init` or `published`.
        total: Tasks of the job; None when EnOS does not say.
        waiting: Tasks of the job that are `init` or `published`; None when EnOS does not say.
        by_status: Tasks of the job by status, where the keys were not looked at.
    """

    job: JobFacts
    added: int
    looked: bool = True
    will_cancel: int = 0
    published: int = 0
    cancelled: int = 0
    others: Mapping[Category, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    ambiguous_waiting: int = 0
    total: int | None = None
    waiting: int | None = None
    by_status: Mapping[str, int | None] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_held(self) -> bool:
        """The job is stopped: nothing can be cancelled."""
        return self.job.status is JobStatus.STOPPED

    @property
    def all_missing(self) -> bool:
        """The job has no task for any of the keys."""
        return len(self.others.get(Category.MISSING, ())) == self.added > 0

    @property
    def still_waiting(self) -> int | None:
        """Tasks that wait and are not among the keys; None where that is unknown.

        A total that is smaller than the keys that wait lags behind, or is capped [U]: then it says nothing of others.
        """
        if self.waiting is None or not self.looked:
            return None
        here = self.will_cancel + len(self.others.get(Category.HELD, ())) + self.ambiguous_waiting
        return self.waiting - here if self.waiting >= here else None


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be said about a forecast; each entry a sentence for the operator. Any failure stops the change.

    Attributes:
        overridden: Whether the guard is, which is among the warnings.
    """

    information: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    overridden: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a change must keep to.

    Attributes:
        guard: Its limits.
        firmware_version: What the job must be about; None for anything.
        break_glass: The reason for which the guard is overridden; empty when it is not.
    """

    guard: Guard = field(default_factory=Guard)
    firmware_version: str | None = None
    break_glass: str = ""


def report(forecast: Forecast, rules: Rules, conditions: Conditions, *, alone: bool = True) -> Report:
    """What a forecast means.

    Args:
        forecast: What a change would meet.
        rules: How the set is judged once the change was made.
        conditions: What the change must keep to.
        alone: Whether the set has no other keys that have a task in the job: if all of these are missing, all are.
    """
    guard, most = conditions.guard, _most(forecast)
    warnings: list[str] = []
    failures = list(filter(None, [_wrong_job(forecast, conditions)]))
    too_many = guard.objection(most, forecast.total)
    # What is refused all the same is not overridden.
    overridden = bool(too_many and conditions.break_glass and not failures)
    if overridden:
        excess = guard.excess(most, forecast.total)
        warnings.append(f"the guard is overridden by {BREAK_GLASS} ({conditions.break_glass}); this change {excess}")
    elif too_many and not conditions.break_glass and forecast.looked:
        failures.append(too_many)
    elif too_many and not conditions.break_glass:
        warnings.append(
            f"the guard may stop this change, depending on how many of the {forecast.added} keys still wait; "
            "`pulumi up` reads them all first"
        )
    missing = forecast.others.get(Category.MISSING, {})
    if forecast.all_missing and alone and rules.on_missing == "fail":
        failures.append(f"the job has no task for any key of the set ({_some(missing)}): check jobId and the keys")
    elif missing and rules.on_missing == "fail":
        warnings.append(
            f"{_count(len(missing), 'key')} without a task in this job ({_some(missing)}), for which `pulumi up` will "
            "fail: check the key and the job, or take it out of the set (or say onMissing: report)"
        )
    warnings.extend(_not_to_cancel(forecast, rules))
    if forecast.is_held:
        warnings.append("the job is stopped: nothing is pushed, and nothing can be cancelled until it is started again")
    if forecast.job.automatic_retry and (forecast.will_cancel or not forecast.looked):
        warnings.append(
            "not durable: the job's retryPolicy re-publishes failed tasks, and a cancelled task may count as one"
        )
    parts = [*_keys(forecast, "would" if failures else "will"), _job(forecast), *_rest(forecast)]
    return Report(
        information=(f"preview of set {rules.set_name!r}: {'; '.join(parts)}",),
        warnings=tuple(f"{rules.subject}: {text}" for text in warnings),
        failures=tuple(f"{rules.subject}: {text}" for text in failures),
        overridden=overridden,
    )


def _not_to_cancel(forecast: Forecast, rules: Rules) -> Iterator[str]:
    """Keys for which `pulumi up` will fail, as their tasks are there and no cancel can be sent for them."""
    if (late := forecast.others.get(Category.TOO_LATE)) and rules.on_too_late == "fail":
        yield (
            f"{_count(len(late), 'key')} too late to cancel ({_some(late)}), for which `pulumi up` will fail: "
            "take it out of the set (or say onTooLate: report)"
        )
    if ambiguous := forecast.others.get(Category.AMBIGUOUS):
        yield (
            f"{_count(len(ambiguous), 'key')} with tasks in several products ({_some(ambiguous)}), for which "
            "`pulumi up` will fail: a cancel cannot tell them apart, so none will be sent"
        )
    if unknown := forecast.others.get(Category.PENDING):
        yield (
            f"{_count(len(unknown), 'key')} whose task has a status that EnOS does not document ({_some(unknown)}), "
            "for which `pulumi up` will fail: no cancel is sent for it; look in the EnOS console"
        )


def _wrong_job(forecast: Forecast, conditions: Conditions) -> str:
    """Why the job is not the one that is meant. Of a stopped one nobody asks: its keys are held, nothing is sent."""
    if forecast.is_held:
        return ""
    return expectation_objection(conditions.firmware_version, forecast.job.firmware_version)


def _most(forecast: Forecast) -> int:
    """How many devices would be in a cancelTask, at most if the keys were not looked at."""
    if forecast.is_held:
        return 0
    if forecast.looked:
        return forecast.will_cancel
    return forecast.added if forecast.waiting is None else min(forecast.added, forecast.waiting)


def _keys(forecast: Forecast, will: str) -> list[str]:
    if not forecast.looked:
        return [f"{forecast.added} keys to work on, too many to look at each"]
    parts = [f"{forecast.will_cancel or 'nothing'} {will} be cancelled"]
    if forecast.published:
        parts[0] += f" ({forecast.published} published already)"
    if forecast.cancelled:
        parts.append(f"{forecast.cancelled} cancelled already")
    parts += [f"{len(keys)} {category.value} ({_some(keys)})" for category, keys in forecast.others.items() if keys]
    return [", ".join(parts)]


def _job(forecast: Forecast) -> str:
    job = forecast.job
    name = f" '{one_line(job.name)}'" if job.name else ""
    firmware = f", firmware {one_line(job.firmware_version)}" if job.firmware_version else ""
    return f"job{name}{firmware}, {job.status.value}"


def _rest(forecast: Forecast) -> list[str]:
    if not forecast.looked:
        known = [f"{n} {_COUNTED.get(status, status)}" for status, n in forecast.by_status.items() if n is not None]
        tasks = [] if forecast.total is None else [f"{_count(forecast.total, 'task')} in all"]
        return [", ".join([*tasks, *known])] if tasks or known else []
    if forecast.still_waiting is None:
        return []
    if not forecast.still_waiting:
        return ["no other task is init or published" if forecast.is_held else "no other task waits"]
    more = "1 more waits and is" if forecast.still_waiting == 1 else f"{forecast.still_waiting} more wait and are"
    return [f"{more} not in this set"]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _some(keys: Mapping[str, str]) -> str:
    return listed([f"{shown(key)} {one_line(status)}".strip() for key, status in sorted(keys.items())])

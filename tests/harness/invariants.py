"""What must hold of every run, by what the simulator saw and holds: for the crash tests and for the stateful ones.

Pure functions; nothing is asked of the client. Each yields what is wrong.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from enos_ota.plan import Category, RecordedJobStatus
from enos_simulator.jobs import is_cancelled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from enos_ota.plan import Record
    from enos_simulator.journal import Entry
    from enos_simulator.store import JobTasks, Task
    from enos_simulator.switches import Switches

_CANCELLABLE: Final = frozenset({"init", "published"})


class Wrong(Enum):
    """The kinds of violation."""

    UNCONVERGED = "a declared task that can be cancelled is not"
    RESTLESS = "there was something to do, or was written, after convergence"
    UNDECLARED = "a device was touched that was not declared at that moment"
    EMPTY = "a request that writes named no device"
    REPEATED = "a request that writes named a device twice"
    ORPHAN = "a process whose engine was gone, or that was interrupted, has written"
    AMBIGUOUS = "a key that stands for several devices was sent"
    BLIND = "something was sent that could not be cancelled, and a look would have told"
    FORBIDDEN = "a write that is no cancel, or one where nothing may be written"
    OVER_GUARD = "more devices were sent than the guard allows"
    UNAUDITED = "a request that writes has no line in the audit log from before it"
    LIE = "the state says what the simulator did not hold when it was read"
    SLIPPED = "a key that was recorded as cancelled is said to have been too late"
    GONE = "a refresh dropped a set"
    FAILED = "a run failed although nothing disturbed it"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong."""

    wrong: Wrong
    detail: str

    def __str__(self) -> str:
        return f"{self.wrong.value}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Moment:
    """What may be written from some entry of the journal on.

    Attributes:
        entries: How many entries there were before.
        declared: Job and device key of everything that is declared.
        may_write: Whether an `up` is under way.
        living: The applications of the processes whose engines live, and which were not interrupted.
    """

    entries: int
    declared: frozenset[tuple[str, str]]
    may_write: bool
    living: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Guarded:
    """How many devices of a set one process may send."""

    by: str
    job_id: str
    keys: frozenset[str]
    most: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A cancelTask when it arrived, and how many bytes the audit log had then."""

    job_id: str
    keys: frozenset[str]
    logged: int


def of_writes(
    entries: Sequence[Entry], moments: Sequence[Moment], ambiguous: Collection[tuple[str, str]]
) -> Iterator[Violation]:
    """What is wrong with the requests that write, given what might be written when.

    Args:
        entries: The journal.
        moments: In order; the first from 0 on.
        ambiguous: Job and key of every key that several devices share.
    """
    starts = [moment.entries for moment in moments]
    for number, entry in enumerate(entries):
        if entry.by == "control":  # a colleague
            continue
        moment = moments[bisect_right(starts, number) - 1]
        what = f"{entry.operation} of {entry.keys} in job {entry.job_id} by {entry.by[-2:]}"
        if not entry.keys:
            yield Violation(Wrong.EMPTY, what)
        touched = {(entry.job_id, key) for key in entry.keys or ()}
        if len(touched) < len(entry.keys or ()):
            yield Violation(Wrong.REPEATED, what)
        if strangers := touched - moment.declared:
            yield Violation(Wrong.UNDECLARED, f"{what}: {sorted(strangers)}")
        if shared := touched & set(ambiguous):
            yield Violation(Wrong.AMBIGUOUS, f"{what}: {sorted(shared)}")
        if entry.operation != "cancelTask" or not moment.may_write:
            yield Violation(Wrong.FORBIDDEN, what)
        if entry.by and entry.by not in moment.living:
            yield Violation(Wrong.ORPHAN, what)


def of_guards(entries: Sequence[Entry], guards: Sequence[Guarded]) -> Iterator[Violation]:
    """Runs that sent more devices than their sets allow."""
    for guard in guards:
        sent = {
            key
            for entry in entries
            if entry.by == guard.by and entry.job_id == guard.job_id and entry.operation == "cancelTask"
            for key in entry.keys or ()
        } & guard.keys
        if len(sent) > guard.most:
            yield Violation(Wrong.OVER_GUARD, f"{guard.by[-2:]} sent {sorted(sent)}, {guard.most} are allowed")


def of_audit(arrivals: Sequence[Arrival], log: bytes) -> Iterator[Violation]:
    """Requests that write and that the audit log did not tell of when they arrived.

    Args:
        arrivals: All of them, in order.
        log: The audit log as it is in the end: lines are only ever added.
    """
    arrived: Counter[tuple[str, str, int]] = Counter()
    for one in arrivals:
        told = Counter(
            (line["job"], line["digest"], line["keys"])
            for line in map(json.loads, log[: one.logged].splitlines())
            if line["event"] == "before" and line["operation"] == "cancelTask"
        )
        digest = sha256("".join(f"{key}\n" for key in sorted(one.keys)).encode()).hexdigest()
        what = (one.job_id, digest, len(one.keys))
        arrived[what] += 1
        if told[what] < arrived[what]:
            yield Violation(Wrong.UNAUDITED, f"cancelTask of {sorted(one.keys)} in job {one.job_id}")


def of_needless(entries: Sequence[Entry], switches: Switches) -> Iterator[Violation]:
    """Cancels of what could not be cancelled. To be asked only where everything could be known before it was sent."""
    for entry in entries:
        if entry.operation != "cancelTask" or entry.by == "control" or not entry.processed or not entry.keys:
            continue
        if switches.max_keys and len(entry.keys) > switches.max_keys:
            continue  # how many a call may carry has to be found out
        if spared := set(entry.keys) - {change.device_key for change in entry.changes}:
            yield Violation(Wrong.BLIND, f"cancelTask of {entry.keys} ({entry.code}): {sorted(spared)}")


def of_convergence(
    held: JobTasks | None, keys: Collection[str], switches: Switches, read_at: Mapping[str, float]
) -> Iterator[Violation]:
    """Declared keys of a job that could be cancelled and are not, unless they became so after they were last read."""
    if held is None or held.job.status != "started":
        return
    for key in sorted(keys):
        tasks = [held.task(place) for place in held.places(key)]
        if len(tasks) == 1 and tasks[0].status in _CANCELLABLE and _showed(tasks[0], read_at, switches):
            yield Violation(Wrong.UNCONVERGED, f"{key} is {tasks[0].status}")


def of_record(
    record: Record,
    known: Collection[str],
    held: JobTasks | None,
    switches: Switches,
    read_at: Mapping[str, float],
    *,
    was_deleted: bool,
) -> Iterator[Violation]:
    """What a record that was just saved says, but the simulator does not hold.

    Args:
        record: What is in the state now.
        known: Keys that were recorded as cancelled before, and were not looked at now.
        held: The job.
        switches: How the simulator behaves.
        read_at: Unix ms at which a row of the key was last answered; what changed since then nobody could know.
        was_deleted: Whether the job was there once, and is no longer.
    """
    if record.job.status is RecordedJobStatus.DELETED and not was_deleted:
        yield Violation(Wrong.LIE, "the job is recorded as deleted, but never was")
    if held is None or held.job.status != "started":
        return
    for key in sorted(record.cancelled_keys() - set(known)):
        tasks = [held.task(place) for place in held.places(key)]
        lies = [task.status for task in tasks if not is_cancelled(task, switches) and _showed(task, read_at, switches)]
        if lies or not tasks:
            yield Violation(Wrong.LIE, f"{key} is recorded as cancelled, but is {', '.join(lies) or 'not there'}")
    for key, finding in sorted(record.outcomes.items()):
        tasks = [held.task(place) for place in held.places(key)]
        category = finding.category
        if (
            (category is Category.MISSING and tasks)
            or (category is Category.AMBIGUOUS and len(tasks) < 2)
            or (
                category in {Category.TOO_LATE, Category.ESCAPED}
                and any(task.status in _CANCELLABLE and _showed(task, read_at, switches) for task in tasks)
            )
        ):
            states = [task.status for task in tasks]
            yield Violation(Wrong.LIE, f"{key} is recorded as {category.value}, but its tasks are {states}")


def of_refresh(
    before: Collection[str],
    after: Collection[str],
    held: JobTasks | None,
    switches: Switches,
    read_at: Mapping[str, float],
) -> Iterator[Violation]:
    """What a refresh shows as work to do: exactly the tasks that can be cancelled again.

    Args:
        before: The device keys in the inputs before.
        after: The same after.
        held: The job.
        switches: How the simulator behaves.
        read_at: See `of_record`.
    """
    if held is None or held.job.status != "started":
        return
    for key in before:
        tasks = [held.task(place) for place in held.places(key)]
        if not all(_showed(task, read_at, switches) for task in tasks):
            continue
        is_work = len(tasks) == 1 and tasks[0].status in _CANCELLABLE
        if is_work == (key in after):
            states = [task.status for task in tasks]
            yield Violation(
                Wrong.LIE, f"{key} is {states}, and {'is no' if is_work else 'is'} work to do by the refresh"
            )


def of_history(record: Record, once_cancelled: Collection[str]) -> Iterator[Violation]:
    """What a record makes of keys that were recorded as cancelled before."""
    for key in record.of(Category.TOO_LATE):
        if key in once_cancelled:
            yield Violation(Wrong.SLIPPED, key)


def _showed(task: Task, read_at: Mapping[str, float], switches: Switches) -> bool:
    """Whether the task was as it is when it was last read; also if it was never read."""
    return task.update_time <= read_at.get(task.device_key, float("inf")) - switches.index_delay * 1000

"""The undo of a cancel: EnOS's retryTask for tasks that read as cancelled, looked at before and after."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enos_ota.enos import ApiError, EnosError, InvalidArgument, RequestTooLarge, TasksNotRetryable, TaskStatus
from enos_ota.plan.classify import is_cancelled
from enos_ota.reconciler.batch import FIRST_WAIT, LAG, LONGEST_WAIT, ROUNDS
from enos_ota.reconciler.deadline import Deadline, DeadlineWatch, Stopped
from enos_ota.reconciler.reading import TaskReader, chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from enos_ota.enos import Clock, EnosClient, Task, WriteWatch
    from enos_ota.reconciler.deadline import Stop
    from enos_ota.reconciler.workers import Workers

SETTLE: Final = 10.0
"""Seconds after the last retryTask in which a search may still show old states; EnOS documents about 2 [D]."""
_GRACE: Final = 60.0
"""Seconds to read back what was sent once the deadline is over."""

_GOES_ON: Final = frozenset({TaskStatus.INIT, TaskStatus.PUBLISHED, TaskStatus.UPGRADING, TaskStatus.SUCCEEDED})


class Standing(Enum):
    """Where a task stands as far as a retry is concerned; the value is what is said of it."""

    CANCELLED = "cancelled"
    FAILED = "failed for another reason"
    GOES_ON = "not failed"
    MISSING = "no task in this job"
    AMBIGUOUS = "tasks in several products, which a retry cannot tell apart"
    UNKNOWN = "in a state that nobody knows"


@dataclass(frozen=True, slots=True)
class Look:
    """What a first look found.

    Attributes:
        tasks: The tasks of each key.
        standings: Where each key stands.
    """

    tasks: Mapping[str, Sequence[Task]]
    standings: Mapping[str, Standing]

    def of(self, *standings: Standing) -> list[str]:
        """The keys that stand at one of these, sorted."""
        return sorted(key for key, standing in self.standings.items() if standing in standings)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a retry.

    Attributes:
        retried: Keys whose task was brought back, and the status it reads now.
        pending: Keys whose task reads as before, or was not read; they may have been sent.
        accepted: How many of the pending ones were in a call that EnOS accepted.
        problem: Why it could not be finished; empty when it could.
    """

    retried: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pending: tuple[str, ...] = ()
    accepted: int = 0
    problem: str = ""


def standing(tasks: Sequence[Task], markers: frozenset[str]) -> Standing:
    """Where a key stands.

    Args:
        tasks: Its tasks in the job.
        markers: The texts of a cancelled task, as `enos_ota.plan.classify.normalise_markers` gives them.
    """
    if not tasks:
        return Standing.MISSING
    if len(tasks) > 1:
        return Standing.AMBIGUOUS
    (task,) = tasks
    if is_cancelled(task, markers):
        return Standing.CANCELLED
    if task.status is TaskStatus.FAILED:
        return Standing.FAILED
    return Standing.GOES_ON if task.status in _GOES_ON else Standing.UNKNOWN


class Retrial:
    """Retries tasks of one started job. Used once.

    Args:
        client: The EnOS client.
        job_id: The job.
        markers: See `standing`.
        batch_size: Keys in one retryTask.
        clock: Time and waiting; its waits should be over once the run is interrupted.
        stop: Interrupts the run: nothing new is sent.
        workers: How many searches at once; retries go out one after the other, as an undo is no emergency.
        deadline: Seconds for all of it.
        watch: Makes what is told about a retryTask for some keys.
    """

    def __init__(
        self,
        client: EnosClient,
        job_id: str,
        *,
        markers: frozenset[str],
        batch_size: int,
        clock: Clock,
        stop: Stop,
        workers: Workers,
        deadline: float,
        watch: Callable[[Sequence[str]], WriteWatch | None],
    ) -> None:
        self._plain_client = client
        self._job_id = job_id
        self._markers = markers
        self._batch_size = batch_size
        self._clock = clock
        self._stop = stop
        self._workers = workers
        self._watch = watch
        self._before: dict[str, Task] = {}
        self._seen: dict[str, Task] = {}
        self._sent: set[str] = set()
        self._accepted: set[str] = set()
        self._keep_to(Deadline(clock, stop, deadline))

    def _keep_to(self, ending: Deadline) -> None:
        self._ending = ending
        self._client = ending.limit(self._plain_client)
        self._reader = TaskReader(self._client, self._job_id, workers=self._workers, deadline=ending)

    def look(self, keys: Iterable[str]) -> Look:
        """Where the keys stand. A key without a task was asked for twice.

        Raises:
            EnosError: They could not be read.
            Stopped: The time for it was over.
        """
        tasks = self._reader.of_keys_surely(keys).complete()
        self._ending.check()
        return Look(tasks, {key: standing(rows, self._markers) for key, rows in tasks.items()})

    def run(self, look: Look, keys: Collection[str]) -> Outcome:
        """Retry those keys of a look, and read them back.

        Raises:
            EnosError: Configuration, authentication or transport failed before anything was sent; no `ApiError`.
        """
        self._before = {key: look.tasks[key][0] for key in keys}
        problem = ""
        try:
            self._bring_through(sorted(keys))
        except (EnosError, Stopped) as error:
            if not self._sent and not isinstance(error, (ApiError, Stopped)):
                raise
            problem = str(error)
        try:
            self._read_back()
        except (EnosError, Stopped) as error:
            problem = problem or f"what was sent could not be read back: {error}"
        changed = {key: task for key, task in self._seen.items() if not self._is_as_before(key)}
        pending = tuple(key for key in sorted(keys) if key not in changed)
        return Outcome(
            {key: task.raw_status for key, task in sorted(changed.items())},
            pending,
            len(self._accepted.intersection(pending)),
            problem if pending else "",
        )

    def _bring_through(self, keys: Sequence[str]) -> None:
        """Send keys in calls that the gateway does not find too large."""
        rest = keys
        while rest:
            part, rest = rest[: self._batch_size], rest[self._batch_size :]
            try:
                self._bring_part_through(part)
            except RequestTooLarge:
                if len(part) == 1:
                    raise
                self._batch_size = (len(part) + 1) // 2
                rest = [*part, *rest]

    def _bring_part_through(self, keys: Sequence[str]) -> None:
        """Send some keys until none of them reads as before, a bounded number of times."""
        wait = FIRST_WAIT
        for attempt in range(ROUNDS):
            if (refusal := self._send(keys)) is None:
                return
            is_answered = isinstance(refusal, (InvalidArgument, TasksNotRetryable))
            if attempt and is_answered:
                self._ending.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
            left = self._still(keys)
            if not is_answered:
                # Perhaps it was processed, and searches lag behind by about 2 s [D].
                for lag in LAG:
                    if left:
                        self._ending.sleep(lag)
                        left = self._still(left)
            if not left:
                return
            if isinstance(refusal, InvalidArgument) and len(left) == len(keys) > 1:
                # Too many for one call, or one is bad in a way that does not show [U].
                for half in chunks(keys, (len(keys) + 1) // 2):
                    self._bring_part_through(half)
                return
            keys = left
        tasks = "1 task still reads" if len(keys) == 1 else f"{len(keys)} tasks still read"
        raise Stopped(f"{tasks} as before after {ROUNDS} attempts, the last: {refusal}")

    def _send(self, keys: Sequence[str]) -> EnosError | None:
        """One retryTask: None when it was accepted, else why it has to be looked at."""
        self._ending.check()
        try:
            self._client.retry_tasks(self._job_id, keys, watch=DeadlineWatch(self._ending, self._watch(keys)))
        except (TasksNotRetryable, InvalidArgument) as refusal:
            # Whether a refused call changes nothing is not documented [U]: what it did is looked up.
            self._sent.update(keys)
            return refusal
        except EnosError as error:
            if not error.may_have_been_processed:
                raise
            self._sent.update(keys)
            return error
        self._sent.update(keys)
        self._accepted.update(keys)
        return None

    def _still(self, keys: Iterable[str]) -> list[str]:
        """Read these keys; which of them read as before."""
        tasks = self._reader.of_keys(keys).complete()
        self._ending.check()
        self._seen.update({key: rows[0] for key, rows in tasks.items() if len(rows) == 1})
        return [key for key, rows in sorted(tasks.items()) if len(rows) == 1 and self._is_as_before(key)]

    def _is_as_before(self, key: str) -> bool:
        """Whether the task was not touched: one that was retried and failed again is another matter."""
        before, now = self._before[key], self._seen[key]
        return (before.raw_status, before.desc, before.update_time) == (now.raw_status, now.desc, now.update_time)

    def _read_back(self) -> None:
        if not self._sent or self._ending.interrupted:
            return
        if self._ending.left < _GRACE:
            self._keep_to(Deadline(self._clock, self._stop, _GRACE))
        until = self._clock.monotonic() + SETTLE
        wait = FIRST_WAIT
        left = self._still(self._sent)
        while left and self._clock.monotonic() < until:
            self._ending.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            left = self._still(left)

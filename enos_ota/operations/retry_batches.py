"""Retrying cancelled tasks in batches, and reading them before and afterwards."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
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
"""Seconds to read the tasks again once the deadline is over."""

_NOT_FAILED: Final = frozenset({TaskStatus.INIT, TaskStatus.PUBLISHED, TaskStatus.UPGRADING, TaskStatus.SUCCEEDED})


class RetryState(Enum):
    """The state of a key before a retry; the value is its description in messages."""

    CANCELLED = "cancelled"
    FAILED = "failed for another reason"
    NOT_FAILED = "not failed"
    MISSING = "no task in this job"
    AMBIGUOUS = "tasks in several products, which a retry cannot tell apart"
    UNKNOWN = "in an unknown state"


@dataclass(frozen=True, slots=True)
class RetryCheck:
    """The tasks before a retry.

    Attributes:
        tasks: The tasks of each key.
        states: The state of each key.
    """

    tasks: Mapping[str, Sequence[Task]]
    states: Mapping[str, RetryState]

    def of(self, *wanted: RetryState) -> list[str]:
        """Return the keys in one of these states, sorted."""
        return sorted(key for key, state in self.states.items() if state in wanted)


@dataclass(frozen=True, slots=True)
class RetryOutcome:
    """The result of a retry.

    Attributes:
        retried: The retried keys, and the status that their task reads now.
        pending: The keys whose task reads as before, or was not read; they may have been sent.
        accepted: The number of pending keys in requests that EnOS accepted.
        problem: Why the retry did not complete; empty if it did.
    """

    retried: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pending: tuple[str, ...] = ()
    accepted: int = 0
    problem: str = ""


def retry_state(tasks: Sequence[Task], markers: frozenset[str]) -> RetryState:
    """Return the state of a key by its tasks and the normalised texts of a cancelled task."""
    if not tasks:
        return RetryState.MISSING
    if len(tasks) > 1:
        return RetryState.AMBIGUOUS
    (task,) = tasks
    if is_cancelled(task, markers):
        return RetryState.CANCELLED
    if task.status is TaskStatus.FAILED:
        return RetryState.FAILED
    return RetryState.NOT_FAILED if task.status in _NOT_FAILED else RetryState.UNKNOWN


@dataclass
class RetryOperation:
    """A retry of tasks of one started job. Used once.

    Attributes:
        markers: The normalised texts of a cancelled task.
        batch_size: Keys in one retryTask.
        clock: Time and waiting; an interrupt should end its waits.
        stop: Interrupts the retry: no further request is sent.
        workers: Run searches at the same time; retries are sent one after the other.
        deadline: Seconds for everything.
        watch: Returns the watch of a retryTask for some keys.
    """

    client: EnosClient
    job_id: str
    _: KW_ONLY
    markers: frozenset[str]
    batch_size: int
    clock: Clock
    stop: Stop
    workers: Workers
    deadline: float
    watch: Callable[[Sequence[str]], WriteWatch | None]

    def __post_init__(self) -> None:
        self._before: dict[str, Task] = {}
        self._latest: dict[str, Task] = {}
        self._sent: set[str] = set()
        self._accepted: set[str] = set()
        self._restart_deadline(Deadline(self.clock, self.stop, self.deadline))

    def _restart_deadline(self, ending: Deadline) -> None:
        self._ending = ending
        self._limited_client = ending.limit(self.client)
        self._reader = TaskReader(self._limited_client, self.job_id, workers=self.workers, deadline=ending)

    def check(self, keys: Iterable[str]) -> RetryCheck:
        """Read the state of the keys; a key without a task is read twice."""
        tasks = self._reader.of_keys_surely(keys).complete()
        self._ending.check()
        return RetryCheck(tasks, {key: retry_state(rows, self.markers) for key, rows in tasks.items()})

    def run(self, check: RetryCheck, keys: Collection[str]) -> RetryOutcome:
        """Retry these keys of a check, and read them again."""
        self._before = {key: check.tasks[key][0] for key in keys}
        problem = ""
        try:
            self._send_until_settled(sorted(keys))
        except (EnosError, Stopped) as error:
            if not self._sent and not isinstance(error, (ApiError, Stopped)):
                raise
            problem = str(error)
        try:
            self._read_back()
        except (EnosError, Stopped) as error:
            problem = problem or f"the retried tasks could not be read: {error}"
        changed = {key: task for key, task in self._latest.items() if not self._is_as_before(key)}
        pending = tuple(key for key in sorted(keys) if key not in changed)
        return RetryOutcome(
            {key: task.raw_status for key, task in sorted(changed.items())},
            pending,
            len(self._accepted.intersection(pending)),
            problem if pending else "",
        )

    def _send_until_settled(self, keys: Sequence[str]) -> None:
        """Send some keys until none of them reads as before, at most `ROUNDS` times."""
        if len(keys) > self.batch_size:
            return self._send_parts(keys, self.batch_size)
        for attempt in range(ROUNDS):
            refusal = self._send(keys)
            if refusal is None:
                return None
            half = (len(keys) + 1) // 2
            if isinstance(refusal, RequestTooLarge):
                self.batch_size = half
                return self._send_parts(keys, half)
            left = self._read_after(refusal, keys, min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) if attempt else 0)
            if not left:
                return None
            if isinstance(refusal, InvalidArgument) and len(left) == len(keys) > 1:
                # Too many for one request, or one of them is invalid for an unknown reason [U].
                return self._send_parts(keys, half)
            keys = left
        tasks = "1 task still reads" if len(keys) == 1 else f"{len(keys)} tasks still read"
        raise Stopped(f"{tasks} as before after {ROUNDS} attempts, the last: {refusal}")

    def _send_parts(self, keys: Sequence[str], size: int) -> None:
        for part in chunks(keys, size):
            self._send_until_settled(part)

    def _read_after(self, refusal: EnosError, keys: Sequence[str], wait: float) -> list[str]:
        """Read the keys after a refused or lost request. Return those that read as before."""
        if isinstance(refusal, (InvalidArgument, TasksNotRetryable)):
            self._ending.sleep(wait)
            return self._read_unchanged(keys)
        left = self._read_unchanged(keys)
        for lag in LAG:  # It may have been processed: searches lag behind by about 2 s [D].
            if left:
                self._ending.sleep(lag)
                left = self._read_unchanged(left)
        return left

    def _send(self, keys: Sequence[str]) -> EnosError | None:
        """Send one retryTask. Return None if EnOS accepted it, else why the tasks have to be read."""
        self._ending.check()
        try:
            self._limited_client.retry_tasks(self.job_id, keys, watch=DeadlineWatch(self._ending, self.watch(keys)))
        except EnosError as error:
            if isinstance(error, RequestTooLarge) and len(keys) > 1:
                return error
            # It is not documented whether a refused request changes nothing [U], so the tasks are read.
            if not (error.may_have_been_processed or isinstance(error, (TasksNotRetryable, InvalidArgument))):
                raise
            self._sent.update(keys)
            return error
        self._sent.update(keys)
        self._accepted.update(keys)
        return None

    def _read_unchanged(self, keys: Iterable[str]) -> list[str]:
        """Read these keys. Return those that read as before."""
        tasks = self._reader.of_keys(keys).complete()
        self._ending.check()
        self._latest.update({key: rows[0] for key, rows in tasks.items() if len(rows) == 1})
        return [key for key, rows in sorted(tasks.items()) if len(rows) == 1 and self._is_as_before(key)]

    def _is_as_before(self, key: str) -> bool:
        """Whether the task is unchanged; one that was retried and failed again is not."""
        before, now = self._before[key], self._latest[key]
        return (before.raw_status, before.desc, before.update_time) == (now.raw_status, now.desc, now.update_time)

    def _read_back(self) -> None:
        if not self._sent or self._ending.interrupted:
            return
        if self._ending.left < _GRACE:
            self._restart_deadline(Deadline(self.clock, self.stop, _GRACE))
        until = self.clock.monotonic() + SETTLE
        wait = FIRST_WAIT
        left = self._read_unchanged(self._sent)
        while left and self.clock.monotonic() < until:
            self._ending.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            left = self._read_unchanged(left)

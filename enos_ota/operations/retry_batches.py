"""Retrying cancelled tasks in batches, and reading them before and afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enos_ota.enos import ApiError, EnosError, TaskStatus
from enos_ota.plan.classify import is_cancelled
from enos_ota.reconciler.batch import Batch, BatchContext, read_until_settled
from enos_ota.reconciler.deadline import COMMAND_IS_OVER, GRACE, Deadline, DeadlineWatch, Stopped
from enos_ota.reconciler.reading import TaskReader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from enos_ota.enos import EnosClient, Task, WriteWatch
    from enos_ota.reconciler.batch import BatchResult
    from enos_ota.reconciler.cancellation import Runtime

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
        runtime: Its workers run searches at the same time; retries are sent one after the other.
        watch: Returns the watch of a retryTask for some keys.
    """

    client: EnosClient
    job_id: str
    runtime: Runtime
    watch: Callable[[Sequence[str]], WriteWatch | None]

    def __post_init__(self) -> None:
        self._before: Mapping[str, Sequence[Task]] = {}
        self._restart_deadline(self.runtime.limits.deadline)

    def _restart_deadline(self, seconds: float) -> None:
        runtime = self.runtime
        self._deadline = deadline = Deadline(runtime.clock, runtime.stop, seconds, COMMAND_IS_OVER)
        client = deadline.limit(self.client)
        self._reader = TaskReader(client, self.job_id, workers=runtime.workers, deadline=deadline)

        def send(keys: Sequence[str]) -> None:
            client.retry_tasks(self.job_id, keys, watch=DeadlineWatch(deadline, self.watch(keys)))

        self._context = BatchContext(send, self._is_unchanged, self._reader, deadline, runtime.service)

    def check(self, keys: Iterable[str]) -> RetryCheck:
        """Read the state of the keys; a key without a task is read twice."""
        tasks = self._reader.of_keys_surely(keys).complete()
        self._deadline.check()
        return RetryCheck(tasks, {key: retry_state(rows, self.runtime.markers) for key, rows in tasks.items()})

    def run(self, check: RetryCheck, keys: Collection[str]) -> RetryOutcome:
        """Retry these keys of a check, and read them again."""
        self._before = check.tasks
        batch = Batch(self._context, sorted(keys))
        batch.run()
        result, failure = batch.result, batch.failure
        if failure and not result.sent and not isinstance(failure, (ApiError, Stopped)):
            raise failure
        problem = str(failure or batch.problem)
        try:
            self._read_back(result)
        except (EnosError, Stopped) as error:
            problem = problem or f"the retried tasks could not be read: {error}"
        retried = {
            key: rows[0].raw_status
            for key, rows in sorted(result.seen.items())
            if len(rows) == 1 and not self._is_unchanged(key, rows)
        }
        pending = tuple(key for key in sorted(keys) if key not in retried)
        return RetryOutcome(retried, pending, len(result.accepted.intersection(pending)), problem if pending else "")

    def _is_unchanged(self, key: str, tasks: Sequence[Task]) -> bool:
        """Whether the task reads as before; one that was retried and failed again does not."""
        rows = [(task.raw_status, task.desc, task.update_time) for task in (*self._before[key], *tasks)]
        return len(tasks) == 1 and rows[0] == rows[1]

    def _read_back(self, result: BatchResult) -> None:
        if not result.sent or self._deadline.interrupted:
            return
        if self._deadline.left < GRACE:
            self._restart_deadline(GRACE)

        def read(keys: Sequence[str]) -> list[str]:
            result.note(self._reader.of_keys(keys).complete())
            self._deadline.check()
            return [key for key in keys if self._is_unchanged(key, result.seen.get(key, ()))]

        read_until_settled(
            read(sorted(result.sent)),
            read,
            deadline=self._deadline,
            clock=self.runtime.clock,
            seconds=self.runtime.limits.settle,
        )

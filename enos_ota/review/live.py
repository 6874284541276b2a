"""How the jobs of a stack and the tasks of its sets stand now: read from EnOS, never written."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enos_ota.enos import EnosError, JobNotFound, JobStatus, TaskStatus
from enos_ota.reconciler.reading import TaskReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from enos_ota.enos import EnosClient, Job, Task
    from enos_ota.reconciler.workers import Workers

_COUNTED: Final = (
    TaskStatus.INIT,
    TaskStatus.PUBLISHED,
    TaskStatus.UPGRADING,
    TaskStatus.SUCCEEDED,
    TaskStatus.FAILED,
)
WAITING: Final = frozenset({TaskStatus.INIT, TaskStatus.PUBLISHED})
"""Statuses of a task that an upgrade is still ahead of."""

_OTHER_JOBS: Final = 10
"""Other jobs with the same firmware whose tasks are counted."""


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another started job with the same firmware."""

    job_id: str
    name: str
    waiting: int | None


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A job as it is now.

    Attributes:
        job: None when there is none (any more).
        total: Its tasks; None when EnOS does not say.
        by_status: Its tasks by status, where EnOS says.
        siblings: Other started jobs with its firmware; None when they could not be read.
    """

    job: Job | None
    total: int | None = None
    by_status: Mapping[TaskStatus, int | None] = field(default_factory=lambda: MappingProxyType({}))
    siblings: tuple[Sibling, ...] | None = ()

    @property
    def is_stopped(self) -> bool:
        """Nothing of it is pushed, and nothing can be cancelled."""
        return self.job is not None and self.job.status is JobStatus.STOPPED

    @property
    def waiting(self) -> int | None:
        """Tasks that are `init` or `published`; None when EnOS does not say."""
        numbers = [self.by_status.get(status) for status in WAITING]
        return None if None in numbers else sum(number or 0 for number in numbers)


def look_at_job(client: EnosClient, job_id: str, ours: Collection[str]) -> LiveJob:
    """A job, and the other started ones with its firmware: seven requests, and one for each of these.

    Args:
        client: Whom to ask.
        job_id: The job.
        ours: Jobs that sets of the stack are about; they are no siblings.

    Raises:
        EnosError: It could not be read. Not for its siblings: an `up` does without them.
    """
    try:
        job = client.get_job(job_id)
    except JobNotFound:
        return LiveJob(None)
    return LiveJob(
        job,
        total=client.count_tasks(job_id),
        by_status={status: client.count_tasks(job_id, statuses=[status]) for status in _COUNTED},
        siblings=_siblings_if_possible(client, job, {job_id, *ours}),
    )


def _siblings_if_possible(client: EnosClient, job: Job, ours: Collection[str]) -> tuple[Sibling, ...] | None:
    try:
        return tuple(_siblings(client, job, ours))
    except EnosError:
        return None


def _siblings(client: EnosClient, job: Job, ours: Collection[str]) -> Iterable[Sibling]:
    if not job.firmware_version:
        return
    found = client.search_jobs(firmware_version=job.firmware_version, status=JobStatus.STARTED)
    others = (each for each in found if each.job_id not in ours and _same_firmware(each, job))
    for number, other in enumerate(others):
        waiting = client.count_tasks(other.job_id, statuses=sorted(WAITING)) if number < _OTHER_JOBS else None
        yield Sibling(other.job_id, other.name, waiting)


def _same_firmware(one: Job, other: Job) -> bool:
    # The same version may be another product's firmware: only where EnOS names both files are they compared.
    return not (one.firmware_id and other.firmware_id) or one.firmware_id == other.firmware_id


def look_at_tasks(
    client: EnosClient, job_id: str, keys: Collection[str], workers: Workers
) -> Mapping[str, tuple[Task, ...]]:
    """The tasks of each key: one request for 200; keys without a task are asked for twice.

    Raises:
        EnosError: They could not be read.
    """
    if not keys:
        return {}
    return TaskReader(client, job_id, workers=workers).of_keys_surely(keys).complete()

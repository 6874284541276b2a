"""The state of a set in EnOS now: its job, the job's counts, and the tasks that were read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enos_ota.enos import JobStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enos_ota.enos import Job, Task

WAITING: Final = (TaskStatus.INIT, TaskStatus.PUBLISHED)
"""Statuses of a task that can be cancelled: the upgrade has not begun [D]."""

COUNTED: Final = (*WAITING, TaskStatus.UPGRADING, TaskStatus.SUCCEEDED, TaskStatus.FAILED)
"""Statuses by which a job's tasks are counted."""


@dataclass(frozen=True, slots=True)
class LiveSet:
    """A set as EnOS has it now; None for a number that EnOS does not give.

    Attributes:
        job: Its job; None when EnOS has no such job.
        total: Tasks of the job.
        waiting: Tasks of the job that are `init` or `published`.
        by_status: Tasks of the job by status, where they were counted.
        tasks: The tasks of each key that was read; empty for a key without a task.
        not_found: The answer of EnOS when it has no such job.
    """

    job: Job | None
    total: int | None = None
    waiting: int | None = None
    by_status: Mapping[TaskStatus, int | None] = field(default_factory=lambda: MappingProxyType({}))
    tasks: Mapping[str, tuple[Task, ...]] = field(default_factory=lambda: MappingProxyType({}))
    not_found: str = ""

    @property
    def is_stopped(self) -> bool:
        """Whether the job is stopped: EnOS pushes nothing and cancels nothing."""
        return self.job is not None and self.job.status is JobStatus.STOPPED

    def with_tasks(self, tasks: Mapping[str, tuple[Task, ...]]) -> LiveSet:
        """Add the tasks of more keys."""
        return replace(self, tasks={**self.tasks, **tasks})

"""Read the jobs of a stack, and other jobs with the same firmware. No request writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.enos import EnosError, JobNotFound, JobStatus
from enos_ota.plan.live import WAITING, LiveSet
from enos_ota.reconciler.live_reader import read_job

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from enos_ota.enos import EnosClient, Job

_OTHER_JOBS: Final = 10
"""Other jobs with the same firmware whose tasks are counted."""


@dataclass(frozen=True, slots=True)
class RelatedJob:
    """Another started job with the same firmware."""

    job_id: str
    name: str
    waiting: int | None


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A job as EnOS has it now.

    Attributes:
        live: The job and its counts by status.
        related: Other started jobs with its firmware; None when they could not be read.
    """

    live: LiveSet
    related: tuple[RelatedJob, ...] | None = ()


def read_live_job(client: EnosClient, job_id: str, ours: Collection[str]) -> LiveJob:
    """Read a job, and the other started ones with its firmware: seven requests, and one for each of these.

    Args:
        client: The EnOS client.
        job_id: The job.
        ours: Jobs of the stack's sets, which are not related jobs.

    Raises:
        EnosError: It could not be read. Not for related jobs: an `up` does without them.
    """
    try:
        live = read_job(client, job_id, by_status=True)
    except JobNotFound as error:
        return LiveJob(LiveSet(None, not_found=str(error)))
    return LiveJob(live, _related_if_possible(client, live.job, {job_id, *ours}) if live.job else ())


def _related_if_possible(client: EnosClient, job: Job, ours: Collection[str]) -> tuple[RelatedJob, ...] | None:
    try:
        return tuple(_related(client, job, ours))
    except EnosError:
        return None


def _related(client: EnosClient, job: Job, ours: Collection[str]) -> Iterable[RelatedJob]:
    if not job.firmware_version:
        return
    found = client.search_jobs(firmware_version=job.firmware_version, status=JobStatus.STARTED)
    others = (each for each in found if each.job_id not in ours and _same_firmware(each, job))
    for number, other in enumerate(others):
        waiting = client.count_tasks(other.job_id, statuses=WAITING) if number < _OTHER_JOBS else None
        yield RelatedJob(other.job_id, other.name, waiting)


def _same_firmware(one: Job, other: Job) -> bool:
    # The same version may be another product's firmware: only where EnOS names both files are they compared.
    return not (one.firmware_id and other.firmware_id) or one.firmware_id == other.firmware_id

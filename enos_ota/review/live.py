"""Read the jobs of a stack, and other jobs with the same firmware. No request writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.enos import EnosError, JobNotFound, JobStatus
from enos_ota.plan.live import WAITING, LiveSet
from enos_ota.reconciler.live_reader import read_job
from enos_ota.review.model import OtherJob

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from enos_ota.enos import EnosClient, Job

_OTHER_JOBS: Final = 10
"""Other jobs with the same firmware whose tasks are counted."""


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A job with its counts by status, and other started jobs with its firmware; None: they could not be read."""

    live: LiveSet
    related: tuple[OtherJob, ...] | None = ()


def read_live_job(client: EnosClient, job_id: str, ours: Collection[str]) -> LiveJob:
    """Read a job, and the started ones with its firmware that are not ours: seven requests, and one for each of these.

    Raises:
        EnosError: It could not be read. Not for related jobs: an `up` does without them.
    """
    try:
        live = read_job(client, job_id, by_status=True)
    except JobNotFound as error:
        return LiveJob(LiveSet(None, not_found=str(error)))
    if live.job is None or not live.job.firmware_version:
        return LiveJob(live)
    try:
        return LiveJob(live, tuple(_related(client, live.job, {job_id, *ours})))
    except EnosError:
        return LiveJob(live, None)


def _related(client: EnosClient, job: Job, ours: Collection[str]) -> Iterable[OtherJob]:
    found = client.search_jobs(firmware_version=job.firmware_version, status=JobStatus.STARTED)
    others = (each for each in found if each.job_id not in ours and _same_firmware(each, job))
    for number, other in enumerate(others):
        waiting = client.count_tasks(other.job_id, statuses=WAITING) if number < _OTHER_JOBS else None
        yield OtherJob(job_id=other.job_id, name=other.name, waiting=waiting)


def _same_firmware(one: Job, other: Job) -> bool:
    # The same version may be another product's firmware: only where EnOS names both files are they compared.
    return not (one.firmware_id and other.firmware_id) or one.firmware_id == other.firmware_id

"""The OTA jobs of an organization, whatever the firmware's version is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enos_ota.enos import UnquotableValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.enos import EnosClient, Job, JobStatus


def find_jobs(client: EnosClient, *, firmware_version: str | None, status: JobStatus | None) -> Iterator[Job]:
    """The jobs, newest first, read as they are needed.

    Args:
        client: Whom to ask.
        firmware_version: Only those that push this version; None for any.
        status: Only those in this state; None for any.

    Raises:
        EnosError: They could not be read.
    """
    try:
        yield from client.search_jobs(firmware_version=firmware_version, status=status)
    except UnquotableValue:
        # No search can name it; raised before the first row.
        yield from (job for job in client.search_jobs(status=status) if job.firmware_version == firmware_version)

"""The OTA jobs of an organization, whatever the firmware's version is called and however few rows a page may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enos_ota.enos import UnquotableValue
from enos_ota.pagesize import rows_of

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

    def search(size: int) -> Iterator[Job]:
        return client.search_jobs(firmware_version=firmware_version, status=status, page_size=size)

    def search_all(size: int) -> Iterator[Job]:
        return client.search_jobs(status=status, page_size=size)

    try:
        yield from rows_of(search)
    except UnquotableValue:
        # No search can name it; raised before the first row.
        yield from (job for job in rows_of(search_all) if job.firmware_version == firmware_version)

"""The OTA calls of the EnOS Connection Service, typed."""

from __future__ import annotations

import random as _random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enos_ota.enos.clock import SYSTEM_CLOCK, Clock
from enos_ota.enos.gateway import check_gateway
from enos_ota.enos.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from typing_extensions import Self

    from enos_ota.enos.auth import Credentials
    from enos_ota.enos.models import Job, JobStatus, Page, Task, TaskStatus


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long to wait, in seconds; both halves are needed.

    Raises:
        ValueError: a half that is missing or not positive.
    """

    connect: float
    """Until the connection stands, TLS included."""
    read: float
    """For the next bytes of an answer."""

    def __post_init__(self) -> None:
        for name in ("connect", "read"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a positive number of seconds")


DEFAULT_TIMEOUT = Timeout(connect=5, read=30)


class EnosClient:
    """The OTA calls of one organization. Safe to share between threads; costs no request until first used."""

    def __init__(
        self,
        gateway: str,
        org_id: str,
        credentials: Credentials,
        *,
        ca_bundle: str | None = None,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
        max_requests_per_second: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.gateway = check_gateway(gateway)
        self.org_id = org_id

    def get_job(self, job_id: str) -> Job:
        """The job."""
        raise NotImplementedError

    def search_jobs(
        self, *, firmware_version: str | None = None, status: JobStatus | None = None, page_size: int = 200
    ) -> Iterator[Job]:
        """Jobs, newest first."""
        raise NotImplementedError

    def search_tasks(
        self,
        job_id: str,
        *,
        device_keys: Collection[str] | None = None,
        statuses: Collection[TaskStatus] | None = None,
        page_size: int = 200,
    ) -> Iterator[Task]:
        """Tasks of a job."""
        raise NotImplementedError

    def search_tasks_page(
        self,
        job_id: str,
        *,
        device_keys: Collection[str] | None = None,
        statuses: Collection[TaskStatus] | None = None,
        page_no: int,
        page_size: int,
    ) -> Page[Task]:
        """One page of tasks of a job."""
        raise NotImplementedError

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str]) -> str:
        """Cancel; returns the requestId."""
        raise NotImplementedError

    def retry_tasks(self, job_id: str, device_keys: Sequence[str]) -> str:
        """Retry; returns the requestId."""
        raise NotImplementedError

    def close(self) -> None:
        """Close all connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

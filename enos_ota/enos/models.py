"""Jobs and tasks of EnOS, converted from JSON: unknown fields are ignored, null is accepted everywhere."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


class JobStatus(str, Enum):
    """State of a job. EnOS documents the first two [D]; any other text is UNKNOWN, see `Job.raw_status`."""

    STARTED = "started"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class TaskStatus(str, Enum):
    """State of a task. EnOS documents the first five [D]; any other text is UNKNOWN, see `Task.raw_status`.

    A cancelled task reads `failed` with a text in `Task.desc` [I]; CANCELED is the literal `canceled` or
    `cancelled`, in case a platform answers that.
    """

    INIT = "init"
    PUBLISHED = "published"
    UPGRADING = "upgrading"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Job:
    """A firmware job: one version pushed to many devices."""

    job_id: str
    org_id: str = ""
    name: str = ""
    """Default text of the job's name, or ""."""
    firmware_id: str = ""
    firmware_version: str = ""
    """Target version; given since EnOS 2.4.0 [D], else ""."""
    firmware_name: str = ""
    product_key: str = ""
    """Only for old firmware files since EnOS 2.4.4 [D], else ""."""
    type: str = ""
    """`upgrade` or `verify`."""
    status: JobStatus = JobStatus.UNKNOWN
    raw_status: str = ""
    """Status text of EnOS."""
    upgrade_policy: str = ""
    """`snapshot` (a closed list of devices) or `incremental` (devices that match later join)."""
    automatic_retry: bool = False
    """Whether EnOS retries failed tasks automatically, perhaps also cancelled ones [U]."""
    maximum_concurrency: int | None = None
    """Most tasks that may run at the same time."""
    create_time: int | None = None
    """Unix milliseconds."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """Return the job in an EnOS JobInfo."""
        raw_status, retries = _text(data.get("status")), data.get("retryPolicy")
        return cls(
            job_id=_text(data.get("jobId")),
            org_id=_text(data.get("orgId")),
            name=_default_text(data.get("name")),
            firmware_id=_text(data.get("firmwareId")),
            firmware_version=_text(data.get("firmwareVersion")),
            firmware_name=_default_text(data.get("firmwareName")),
            product_key=_text(data.get("productKey")),
            type=_text(data.get("type")),
            status=_member(JobStatus, raw_status, JobStatus.UNKNOWN),
            raw_status=raw_status,
            upgrade_policy=_text(data.get("upgradePolicy")),
            automatic_retry=isinstance(retries, Mapping) and _truth(retries.get("enableRetry")),
            maximum_concurrency=whole_number(data.get("maximumConcurrency")),
            create_time=whole_number(data.get("createTime")),
        )


@dataclass(frozen=True, slots=True)
class Task:
    """Part of a job for one device."""

    task_id: str
    job_id: str = ""
    device_key: str = ""
    product_key: str = ""
    """A device is identified by product and device key: a device key alone is unique within one product only [I]."""
    asset_id: str = ""
    from_version: str = ""
    to_version: str = ""
    status: TaskStatus = TaskStatus.UNKNOWN
    raw_status: str = ""
    """Status text of EnOS."""
    desc: str = ""
    """Reason text of EnOS or the device; only this distinguishes a cancelled task from other failed ones [I]."""
    progress: int | None = None
    """0 to 100; negative: the failed step."""
    update_time: int | None = None
    """Last change, Unix milliseconds."""

    @property
    def identity(self) -> Hashable:
        """Identity of a task in its job."""
        return self.task_id or (self.product_key, self.asset_id, self.device_key)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Return the task in an EnOS TaskInfo."""
        raw_status = _text(data.get("status"))
        spelled = "canceled" if raw_status.strip().lower() == "cancelled" else raw_status
        return cls(
            task_id=_text(data.get("taskId")),
            job_id=_text(data.get("jobId")),
            device_key=_text(data.get("deviceKey")),
            product_key=_text(data.get("productKey")),
            asset_id=_text(data.get("assetId")),
            from_version=_text(data.get("fromVersion")),
            to_version=_text(data.get("toVersion")),
            status=_member(TaskStatus, spelled, TaskStatus.UNKNOWN),
            raw_status=raw_status,
            desc=_text(data.get("desc")),
            progress=whole_number(data.get("progress")),
            update_time=whole_number(data.get("updateTime")),
        )


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a search."""

    items: tuple[T, ...]
    page_no: int
    """From 1."""
    page_size: int
    """Page size that EnOS used; it may be less than the requested one."""
    total_size: int | None
    """Rows of the whole search, or None when EnOS does not report it."""


def whole_number(value: object) -> int | None:
    """Return an integer from a JSON number or text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return None
    return value if isinstance(value, int) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _default_text(value: object) -> str:
    """Return the text of a StringI18n (its default, else the first translation) or of a plain string."""
    if not isinstance(value, Mapping):
        return _text(value)
    translations = value.get("i18nValue")
    others = translations.values() if isinstance(translations, Mapping) else ()
    return next((text for text in map(_text, [value.get("defaultValue"), *others]) if text), "")


def _truth(value: object) -> bool:
    # The official samples send such fields as JSON strings [S].
    return value.strip().lower() == "true" if isinstance(value, str) else value is True


def _member(kind: type[E], text: str, otherwise: E) -> E:
    try:
        return kind(text.strip().lower())
    except ValueError:
        return otherwise

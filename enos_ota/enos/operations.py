"""The calls of EnOS that this client makes [D, enos-ota-api.md section 1]."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_OTA_JOBS: Final = "/connect-service/v2.1/ota-jobs"
_TOKEN: Final = "/apim-token-service/v2.0/token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of call."""

    name: str
    """As EnOS names it; in texts and logs."""
    method: str
    path: str
    action: str = ""
    """The query parameter `action`, or "" for none."""
    changes: str = ""
    """What it changes in EnOS, for texts: the tasks, the job; "" for nothing."""

    @property
    def writes(self) -> bool:
        """Whether it changes anything in EnOS, so that sending it twice may matter."""
        return bool(self.changes)


GET_TOKEN: Final = Operation("token/get", "POST", f"{_TOKEN}/get")
REFRESH_TOKEN: Final = Operation("token/refresh", "POST", f"{_TOKEN}/refresh")
GET_JOB: Final = Operation("get", "GET", _OTA_JOBS, "get")
SEARCH_JOBS: Final = Operation("search", "POST", _OTA_JOBS, "search")
SEARCH_TASKS: Final = Operation("searchTask", "POST", _OTA_JOBS, "searchTask")
CANCEL_TASKS: Final = Operation("cancelTask", "POST", _OTA_JOBS, "cancelTask", changes="the tasks")
RETRY_TASKS: Final = Operation("retryTask", "POST", _OTA_JOBS, "retryTask", changes="the tasks")
START_JOB: Final = Operation("start", "POST", _OTA_JOBS, "start", changes="the job")
STOP_JOB: Final = Operation("stop", "POST", _OTA_JOBS, "stop", changes="the job")


@dataclass(frozen=True, slots=True)
class Call:
    """One call with its arguments; each attempt signs and sends it afresh."""

    operation: Operation
    about: str = ""
    """For texts: what it concerns, such as "job 65a1"; "" for nothing worth telling."""
    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Query parameters by name, before URL encoding."""
    body: bytes = b""
    """Exactly the bytes to sign and send; empty for none."""

    @property
    def what(self) -> str:
        """For texts: the operation and what it concerns."""
        return f"{self.operation.name} ({self.about})" if self.about else self.operation.name

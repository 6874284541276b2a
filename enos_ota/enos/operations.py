"""EnOS operations that this client uses [D, enos-ota-api.md section 1], and calls of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from enos_ota.enos.errors import EnosError, TasksNotCancellable, TasksNotRetryable

if TYPE_CHECKING:
    from collections.abc import Mapping

_E = TypeVar("_E", bound=EnosError)
_OTA_JOBS: Final = "/connect-service/v2.1/ota-jobs"
_TOKEN: Final = "/apim-token-service/v2.0/token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the EnOS API."""

    name: str
    """EnOS's name, for texts and logs."""
    method: str
    path: str
    action: str = ""
    """The query parameter `action`, or "" for none."""
    changes: str = ""
    """Object that it changes in EnOS, for texts: the tasks, the job; "" for a reading operation."""

    @property
    def writes(self) -> bool:
        """Whether it changes anything in EnOS, so that sending it twice may do harm."""
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
class ApiCall:
    """An operation with its arguments; each attempt signs it again."""

    operation: Operation
    about: str = ""
    """Object of the call, for texts, such as "job 65a1"; "" for none."""
    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Query parameters by name, before URL encoding."""
    body: bytes = b""
    """Exactly the bytes to sign and send; empty for none."""

    @property
    def what(self) -> str:
        """Operation and object, for texts."""
        return f"{self.operation.name} ({self.about})" if self.about else self.operation.name

    def error(self, kind: type[_E], text: str, **attributes: Any) -> _E:
        """Return an error of this call, with a note for the operator if a writing request may have been processed."""
        unconfirmed = self.operation.writes and kind.may_have_been_processed
        if unconfirmed and kind not in {TasksNotCancellable, TasksNotRetryable}:  # their advice contains the note
            text += f" It may have been processed: look at {self.operation.changes} before sending it again."
        return kind(text, operation=self.operation.name, may_have_been_processed=unconfirmed, **attributes)

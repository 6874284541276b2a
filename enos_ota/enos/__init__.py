"""Client for the OTA jobs and tasks of the EnOS Connection Service. It does not depend on Pulumi or on the CLI."""

from enos_ota.enos.auth import Credentials
from enos_ota.enos.client import EnosClient, Timeout
from enos_ota.enos.clock import SYSTEM_CLOCK, Clock
from enos_ota.enos.errors import (
    AnswerLost,
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    EnosError,
    GatewayRefusal,
    IncompleteList,
    InvalidAnswer,
    InvalidArgument,
    JobHasStarted,
    JobHasStopped,
    JobNotFound,
    JobNotRunning,
    PermissionDenied,
    RequestTooLarge,
    SearchWindow,
    ServerError,
    TasksNotCancellable,
    TasksNotRetryable,
    Throttled,
    TransportError,
    UnquotableValue,
)
from enos_ota.enos.expressions import is_quotable
from enos_ota.enos.gateway import check_gateway
from enos_ota.enos.limiter import Pause
from enos_ota.enos.models import Job, JobStatus, Page, Task, TaskStatus
from enos_ota.enos.retry import RetryPolicy
from enos_ota.enos.transport import WriteWatch

__all__ = [
    "SYSTEM_CLOCK",
    "AnswerLost",
    "ApiError",
    "AuthenticationError",
    "Clock",
    "ConfigurationError",
    "ConnectError",
    "Credentials",
    "EnosClient",
    "EnosError",
    "GatewayRefusal",
    "IncompleteList",
    "InvalidAnswer",
    "InvalidArgument",
    "Job",
    "JobHasStarted",
    "JobHasStopped",
    "JobNotFound",
    "JobNotRunning",
    "JobStatus",
    "Page",
    "Pause",
    "PermissionDenied",
    "RequestTooLarge",
    "RetryPolicy",
    "SearchWindow",
    "ServerError",
    "Task",
    "TaskStatus",
    "TasksNotCancellable",
    "TasksNotRetryable",
    "Throttled",
    "Timeout",
    "TransportError",
    "UnquotableValue",
    "WriteWatch",
    "check_gateway",
    "is_quotable",
]

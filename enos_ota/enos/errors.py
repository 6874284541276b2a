"""Errors of the EnOS client. `str(error)` is the text for the operator.

    EnosError
    ├── ConfigurationError        gateway address, CA bundle or proxy is invalid; no request was sent
    ├── UnquotableValue           a value that no search expression can contain safely; no request was sent
    ├── TransportError            EnOS gave no usable answer
    │   ├── ConnectError          certainly not processed: DNS, connection refused, TLS handshake, connect timeout
    │   ├── AnswerLost            sent, but the answer is incomplete: read timeout, closed, truncated
    │   ├── InvalidAnswer         an answer that EnOS does not give: HTML, redirect, no JSON, too large
    │   └── IncompleteList        the pages are not the complete list
    │       └── SearchWindow      EnOS refuses pages after a certain row
    ├── AuthenticationError       token service or gateway refused the credentials, token or signature
    ├── GatewayRefusal            HTTP 400 or 403 of the gateway itself; EnOS did not receive the request
    │   └── RequestTooLarge       HTTP 413
    └── ApiError                  EnOS answered with a code other than 0
        ├── JobNotFound           24404
        ├── JobHasStarted         24615
        ├── JobHasStopped         24616
        ├── JobNotRunning         24617
        ├── TasksNotCancellable   24620
        ├── TasksNotRetryable     24621
        ├── InvalidArgument       99400
        ├── PermissionDenied      99403
        ├── Throttled             429
        └── ServerError           24500, 99500, HTTP 5xx

Codes are those of the OTA family and the general ones [D]. Any other code is a plain `ApiError`. No error carries a
secret: not in its text, its arguments or the exceptions behind it.
"""

# ruff: noqa: N818 - the names say what happened; the tree above shows that each is an error

from __future__ import annotations

from typing import Any, ClassVar, Final

ORGANIZATION_ADVICE: Final = "Check enos:orgId (ENOS_ORG_ID)."
"""What to do when EnOS rejects the organization."""


class EnosError(Exception):
    """Base class of the errors of this client. The constructor takes the attributes of the class by name.

    Attributes:
        operation: EnOS's name of the operation (`get`, `searchTask`, `cancelTask`, `token/get`, …), or "".
        may_have_been_processed: True when a writing request was sent and it is unknown whether EnOS processed it, or
            processed a part: read the tasks before sending it again. The client sets False for requests that only read.
        retry_after: seconds that the server asks to wait, from its Retry-After header, or None.
    """

    operation: str = ""
    may_have_been_processed: bool = False
    retry_after: float | None = None
    advice: ClassVar[str] = ""
    """What the operator can do about it."""

    def __init__(self, message: str, **attributes: Any) -> None:
        super().__init__(message)
        for name, value in attributes.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name}")
            setattr(self, name, value)

    @property
    def rejects_organization(self) -> bool:
        """Whether EnOS named the organization as the reason for its error.

        It names the parameter: `Invalid Argument orgId:  orgId does not exist`, `Denied resource:  orgId o1558…` [D].
        """
        return isinstance(self, (InvalidArgument, PermissionDenied)) and "orgId" in str(self)

    @property
    def rejects_access(self) -> bool:
        """Whether EnOS answered and rejected the credentials or the organization: a retry does not help."""
        return isinstance(self, AuthenticationError) or self.rejects_organization

    @property
    def advised_text(self) -> str:
        """The error's text, with the setting to check where EnOS rejected the organization."""
        return f"{self} {ORGANIZATION_ADVICE}" if self.rejects_organization else str(self)


class ConfigurationError(EnosError):
    """A setting is invalid. No request was sent."""


class UnquotableValue(EnosError):
    """A value that cannot be quoted in a search expression; how EnOS escapes quotes is unknown [U]."""


class TransportError(EnosError):
    """EnOS gave no usable answer.

    Attributes:
        permanent: True when a retry would certainly fail the same way (a certificate, a redirect).
    """

    permanent: bool = False


class ConnectError(TransportError):
    """No connection could be made, so the request was certainly not processed."""


class AnswerLost(TransportError):
    """The request was sent, wholly or in part, and the answer is missing or incomplete."""

    may_have_been_processed = True


class InvalidAnswer(TransportError):
    """The answer is not one that EnOS gives.

    Attributes:
        http_status: HTTP status of the answer, None if unknown.
    """

    may_have_been_processed = True
    http_status: int | None = None


class IncompleteList(TransportError):
    """EnOS answered the pages of a search, but they are not the complete list.

    Attributes:
        rows: number of different rows that were read.
        total: number of rows that EnOS reports, or None; EnOS may cap it, so there may be more [U].
    """

    rows: int = 0
    total: int | None = None


class SearchWindow(IncompleteList):
    """EnOS refused a page of a search after it had answered the earlier pages; only `rows` rows can be read [U]."""


class _Refusal(EnosError):
    """An answer that refuses the request. Attributes as in `ApiError`."""

    code: int | None = None
    msg: str = ""
    request_id: str = ""
    http_status: int | None = None


class AuthenticationError(_Refusal):
    """The token service or the gateway refused the credentials, the token or the signature; nothing changed."""

    advice = "Check the application's key and secret, and this machine's clock."


class GatewayRefusal(_Refusal):
    """The gateway itself refused the request, for instance because of the sender's IP address; nothing changed [I].

    Its codes are HTTP statuses, and its text is in `msg` [D, enos-ota-api.md section 6].
    """


class RequestTooLarge(GatewayRefusal):
    """HTTP 413: the request is larger than the gateway or a proxy accepts. A smaller one may be accepted."""

    advice = "It was not processed. Have the limit of the gateway, or of a proxy before it, raised."


class ApiError(_Refusal):
    """EnOS answered with a code other than 0.

    Attributes:
        code: EnOS's code, or None where there is only an HTTP status (429 or 5xx without an envelope).
        msg: EnOS's text, shortened and without secrets, or "".
        request_id: EnOS's requestId, for EnOS support, or "".
        http_status: HTTP status; EnOS documents none for errors [U].
    """

    may_have_been_processed = True  # unknown for an unknown code


class JobNotFound(ApiError):
    """24404: no such job in this organization."""

    may_have_been_processed = False
    advice = "Check job id and organization; the job may have been deleted."


class JobHasStarted(ApiError):
    """24615: the job is already started."""

    may_have_been_processed = False
    advice = "It was already started; nothing changed."


class JobHasStopped(ApiError):
    """24616: the job is already stopped."""

    may_have_been_processed = False
    advice = "It was already stopped; nothing changed."


class JobNotRunning(ApiError):
    """24617: the job is stopped; its tasks can be neither cancelled nor retried."""

    may_have_been_processed = False
    advice = "The job is stopped: its waiting tasks are on hold and can be neither cancelled nor retried."


class TasksNotCancellable(ApiError):
    """24620: at least one task is neither init nor published. Whether the others were cancelled is unknown [U]."""

    advice = "Some may have been cancelled: read their states and send those that are init or published."


class TasksNotRetryable(ApiError):
    """24621: at least one task is not failed. Whether the others were retried is unknown [U]."""

    advice = "Some may have been retried: read their states and send those that are failed."


class InvalidArgument(ApiError):
    """99400: an argument is missing or wrong; for cancelTask perhaps a key without a task, or too many keys [U]."""


class PermissionDenied(ApiError):
    """99403: the application lacks the permission for this call or this organization."""

    may_have_been_processed = False
    advice = "Give the application the permissions to read and control OTA in this organization."


class Throttled(ApiError):
    """429: too many requests; this one was not processed."""

    may_have_been_processed = False
    advice = "It was not processed. Try again later, or set enos:maxRequestsPerSecond."


class ServerError(ApiError):
    """24500, 99500 or HTTP 5xx: EnOS, or a proxy before it, failed."""

    advice = "EnOS or a proxy before it has trouble: try again later."


BY_CODE: Final[dict[int, type[ApiError]]] = {
    429: Throttled,
    24404: JobNotFound,
    24500: ServerError,
    24615: JobHasStarted,
    24616: JobHasStopped,
    24617: JobNotRunning,
    24620: TasksNotCancellable,
    24621: TasksNotRetryable,
    99400: InvalidArgument,
    99403: PermissionDenied,
    99500: ServerError,
}
"""Error class by EnOS code; other codes are a plain `ApiError`."""

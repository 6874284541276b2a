"""Conversion of an HTTP answer to an envelope or an error. Pure, so that tests need no server.

EnOS documents an envelope and its codes, but not the HTTP status of errors [U]. So the code decides, in any of its
fields (`code`, `status`, `apim_status`), and the HTTP status only when no known code is given. Errors of the gateway
itself have a documented status and text [D], probably without an envelope [I].
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from enos_ota.enos.errors import (
    BY_CODE,
    ApiError,
    AuthenticationError,
    EnosError,
    GatewayRefusal,
    InvalidAnswer,
    InvalidArgument,
    JobHasStarted,
    JobHasStopped,
    JobNotFound,
    JobNotRunning,
    PermissionDenied,
    RequestTooLarge,
    ServerError,
    TasksNotCancellable,
    TasksNotRetryable,
    Throttled,
)
from enos_ota.enos.models import whole_number
from enos_ota.enos.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Collection

    from enos_ota.enos.operations import ApiCall

UNAUTHORIZED: Final = 401
TOO_LARGE: Final = 413
TOO_MANY_REQUESTS: Final = 429
_TOKEN_SERVICE_FAILED: Final = 1005
_TOKEN_CODES: Final = frozenset({1001, 1002, 1003, 1004, 1202, 1203, 1204, 4011, 4012})
_STALE_TOKEN_CODES: Final = frozenset({1203, 4011, 4012})

_ADVICE: Final[dict[type[EnosError], str]] = {
    JobNotFound: "Check job id and organization; the job may have been deleted.",
    JobHasStarted: "It was already started; nothing changed.",
    JobHasStopped: "It was already stopped; nothing changed.",
    JobNotRunning: "The job is stopped: its waiting tasks are on hold and can be neither cancelled nor retried.",
    TasksNotCancellable: "Some may have been cancelled: read their states and send those that are init or published.",
    TasksNotRetryable: "Some may have been retried: read their states and send those that are failed.",
    InvalidArgument: "",
    PermissionDenied: "Give the application the permissions to read and control OTA in this organization.",
    Throttled: "It was not processed. Try again later, or set enos:maxRequestsPerSecond.",
    ServerError: "EnOS or a proxy before it has trouble: try again later.",
    RequestTooLarge: "It was not processed. Have the limit of the gateway, or of a proxy before it, raised.",
}
_REFUSALS: Final = {
    400: "It was not processed. A proxy on the way may have changed the request.",
    403: "It was not processed. Have the IP address of this machine, or of its proxy, allowed for this API in EnOS.",
}
"""Advice for refusals by the gateway itself, by HTTP status [D]."""
_NOT_ALLOWED: Final = 503
_NOT_ALLOWED_ADVICE: Final = (
    "EnOS has trouble, or the application is not allowed to call this API: try again later, and check it in EnOS."
)
_PARTLY: Final = (TasksNotCancellable, TasksNotRetryable)  # their advice contains the note
_TOKEN_ADVICE: Final = {
    1002: "Check enos:appKey (ENOS_APP_KEY).",
    1003: "Check enos:appSecret (ENOS_APP_SECRET), and whether it was rotated.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    http_status: int
    content_type: str = ""
    retry_after: float | None = None
    """Seconds, see `parse_retry_after`."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Content of a successful answer of EnOS."""

    data: Any = field(repr=False)
    pagination: Mapping[str, Any]
    request_id: str


def classify(answer: Answer, call: ApiCall, secrets: Collection[str]) -> Envelope | EnosError:
    """Return the content of an answer, or the error for it.

    Args:
        answer: the answer.
        call: the call.
        secrets: texts to remove from the error, in case the service returns them.
    """
    envelope = _envelope(answer.body)
    if envelope is None:
        return _without_envelope(answer, call, secrets)
    code = _code(envelope)
    msg = clean(_text(envelope, "msg"), secrets)
    request_id = clean(_text(envelope, "requestId"), secrets)
    status = answer.http_status
    if code == 0 and _is_success(status):
        pagination = envelope.get("pagination")
        return Envelope(
            data=envelope.get("data"),
            pagination=pagination if isinstance(pagination, Mapping) else {},
            request_id=request_id,
        )
    kind = _refusal(code, status)
    if kind is None:
        return _invalid(answer, call, f"with HTTP {status}, though its envelope says success", secrets)
    return _refused(kind, answer, call, code=code, msg=msg, request_id=request_id)


def is_token_rejection(error: EnosError) -> bool:
    """Whether a new token may help: the old one is expired or unknown to the gateway. The request was not processed."""
    return isinstance(error, AuthenticationError) and (
        error.code in _STALE_TOKEN_CODES or error.http_status == UNAUTHORIZED
    )


def parse_retry_after(value: str | None, *, date: str | None, now: float) -> float | None:
    """Return the seconds in a Retry-After header; None when it is missing or invalid.

    Args:
        value: the header: seconds, or an HTTP date.
        date: the answer's Date header, from which a Retry-After date is counted, whatever the local clock says.
        now: Unix seconds, for an answer without a Date header.
    """
    if not value:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII):
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    since = _http_date(date) if date else None
    return max(0.0, until - (now if since is None else since))


def invalid_answer(call: ApiCall, problem: str, *, http_status: int | None, permanent: bool = False) -> InvalidAnswer:
    """Return the error for an answer that EnOS does not give.

    Args:
        call: the call.
        problem: the continuation of "… was answered".
        http_status: HTTP status of the answer.
        permanent: whether a retry would certainly fail the same way.
    """
    stop = "" if problem.endswith("?") else "."
    return InvalidAnswer(
        f"{call.what} was answered {problem}{stop}{unconfirmed_note(call, InvalidAnswer)}",
        http_status=http_status,
        operation=call.operation.name,
        may_have_been_processed=call.operation.writes,
        permanent=permanent,
    )


def unconfirmed_note(call: ApiCall, kind: type[EnosError]) -> str:
    """Return a note for the operator when a writing request may have been processed, else ""."""
    if call.operation.writes and kind.MAY_HAVE_BEEN_PROCESSED and kind not in _PARTLY:
        return f" It may have been processed: look at {call.operation.changes} before sending it again."
    return ""


def _refusal(code: int, status: int) -> type[ApiError | AuthenticationError | GatewayRefusal] | None:
    if status == TOO_LARGE:
        return RequestTooLarge
    if status == UNAUTHORIZED or (code in _TOKEN_CODES and status != TOO_MANY_REQUESTS):
        return AuthenticationError
    if code in BY_CODE:
        return BY_CODE[code]
    if status == TOO_MANY_REQUESTS:
        return Throttled
    if _is_failure(status) or code == _TOKEN_SERVICE_FAILED:
        return ServerError
    return ApiError if code else None


def _refused(
    kind: type[ApiError | AuthenticationError | GatewayRefusal],
    answer: Answer,
    call: ApiCall,
    *,
    code: int | None = None,
    msg: str = "",
    request_id: str = "",
    gateway: bool = False,
) -> EnosError:
    """Return the error for a refusal by EnOS, or by the gateway itself."""
    status = answer.http_status
    if issubclass(kind, AuthenticationError):
        advice = _TOKEN_ADVICE.get(code or 0, "Check the application's key and secret, and this machine's clock.")
    elif kind is GatewayRefusal:
        advice = _REFUSALS[status]
    elif gateway and status == _NOT_ALLOWED:
        advice = _NOT_ALLOWED_ADVICE
    else:
        advice = _ADVICE.get(kind, "")
    said = " ".join(filter(None, [str(code) if code else f"HTTP {status}", f"'{msg}'" if gateway else msg]))
    reference = f" (requestId {request_id})" if request_id else ""
    who = "EnOS's gateway" if gateway else "EnOS"
    verb = "did not do" if kind is ServerError else "refused"
    return kind(
        f"{who} {verb} {call.what}: {said}{reference}.{f' {advice}' if advice else ''}{unconfirmed_note(call, kind)}",
        code=code or None,
        msg=msg,
        request_id=request_id,
        http_status=status,
        retry_after=answer.retry_after,
        operation=call.operation.name,
        may_have_been_processed=call.operation.writes and kind.MAY_HAVE_BEEN_PROCESSED,
    )


def _without_envelope(answer: Answer, call: ApiCall, secrets: Collection[str]) -> EnosError:
    status = answer.http_status
    said = clean(_gateway_message(answer.body), secrets)
    kind = _refusal(0, status) or (GatewayRefusal if said and status in _REFUSALS else None)
    if kind:
        return _refused(kind, answer, call, msg=said, gateway=bool(said))
    if 300 <= status < 400:  # noqa: PLR2004 - the HTTP statuses of redirects
        problem = "with a redirect, which is not followed: is this the gateway's own address?"
    else:
        problem = "by something that is not EnOS: is this the gateway, or is a proxy in the way?"
    return _invalid(answer, call, problem, secrets)


def _invalid(answer: Answer, call: ApiCall, problem: str, secrets: Collection[str]) -> InvalidAnswer:
    # The body is not shown: a proxy may have put anything there, for instance the headers of the request.
    kind = clean(answer.content_type.partition(";")[0], secrets)[:60] or "no content type"
    detail = f" (HTTP {answer.http_status}, {kind}, {len(answer.body)} bytes)"
    question, colon, rest = problem.partition(":")
    return invalid_answer(
        call,
        f"{question}{detail}{colon}{rest}",
        http_status=answer.http_status,
        permanent=300 <= answer.http_status < 400,  # noqa: PLR2004 - as above
    )


def _envelope(body: bytes) -> Mapping[str, Any] | None:
    value = _json_object(body)
    return value if any(whole_number(value.get(name)) is not None for name in _CODE_FIELDS) else None


def _gateway_message(body: bytes) -> str:
    """Return the gateway's own text, `{"message": "…"}` as in Kong gateways [I], or "" for another answer."""
    return _text(_json_object(body), "message")


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, Mapping) else {}


def _code(envelope: Mapping[str, Any]) -> int:
    codes = [whole_number(envelope.get(name)) for name in _CODE_FIELDS]
    return next((code for code in codes if code), 0)


_CODE_FIELDS: Final = ("code", "status", "apim_status")


def _text(envelope: Mapping[str, Any], name: str) -> str:
    value = envelope.get(name)
    return value if isinstance(value, str) else ""


def _http_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - the HTTP statuses of success


def _is_failure(status: int) -> bool:
    return status >= 500  # noqa: PLR2004 - the HTTP statuses of server errors

"""Conversion of an HTTP answer to an envelope or an error. Pure, so that tests need no server.

EnOS documents an envelope and its codes, but not the HTTP status of errors [U]. So the code decides, in any of its
fields (`code`, `status`, `apim_status`), and the HTTP status only when no known code is given. Errors of the gateway
itself have a documented status and text [D], probably without an envelope [I].
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from enos_ota.enos.errors import (
    BY_CODE,
    ApiError,
    AuthenticationError,
    EnosError,
    GatewayRefusal,
    InvalidAnswer,
    RequestTooLarge,
    ServerError,
    Throttled,
)
from enos_ota.enos.models import whole_number

if TYPE_CHECKING:
    from collections.abc import Collection

    from enos_ota.enos.operations import ApiCall

_CODE_FIELDS: Final = ("code", "status", "apim_status")
_TOKEN_SERVICE_FAILED: Final = 1005
_TOKEN_CODES: Final = frozenset({1001, 1002, 1003, 1004, 1202, 1203, 1204, 4011, 4012})
_TOKEN_ADVICE: Final = {
    1002: "Check enos:appKey (ENOS_APP_KEY).",
    1003: "Check enos:appSecret (ENOS_APP_SECRET), and whether it was rotated.",
}
_GATEWAY_ADVICE: Final = {
    400: "It was not processed. A proxy on the way may have changed the request.",
    403: "It was not processed. Have the IP address of this machine, or of its proxy, allowed for this API in EnOS.",
    503: "EnOS has trouble, or the application is not allowed to call this API: try again later, and check it in EnOS.",
}
"""Advice for errors of the gateway itself, by HTTP status [D]."""
_LONGEST_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    http_status: int
    content_type: str = ""
    retry_after: float | None = None
    """Seconds."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Content of a successful answer of EnOS."""

    data: Any = field(repr=False)
    pagination: Mapping[str, Any]
    request_id: str


def classify(answer: Answer, call: ApiCall, secrets: Collection[str]) -> Envelope | EnosError:
    """Return the content of an answer, or the error for it, without these secrets in case the service returns them."""
    status = answer.http_status
    content = _json_object(answer.body)
    codes = [whole_number(content.get(name)) for name in _CODE_FIELDS]
    code = next(filter(None, codes), 0)
    if all(each is None for each in codes):
        return _without_envelope(answer, call, _text(content, "message", secrets), secrets)
    request_id, msg = _text(content, "requestId", secrets), _text(content, "msg", secrets)
    if code == 0 and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        pagination = content.get("pagination")
        return Envelope(content.get("data"), pagination if isinstance(pagination, Mapping) else {}, request_id)
    if kind := _refusal(code, status):
        advice = _TOKEN_ADVICE.get(code, kind.advice)
        return _refused(kind, answer, call, advice, code=code, msg=msg, request_id=request_id)
    return _foreign(answer, call, f"with HTTP {status}, though its envelope says success", "", secrets)


def invalid_answer(call: ApiCall, problem: str, **attributes: Any) -> InvalidAnswer:
    """Return the error for an answer that EnOS does not give; `problem` continues "… was answered"."""
    stop = "" if problem.endswith("?") else "."
    return call.error(InvalidAnswer, f"{call.what} was answered {problem}{stop}", **attributes)


def clean(text: str, secrets: Collection[str]) -> str:
    """Return the text on one line, without secrets and control characters, shortened to 300 characters."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[secure]")
    text = text[: 10 * _LONGEST_TEXT]  # white space is removed from it; the rest of 10 MB would take long
    # A server's text must not be able to move the cursor or start a new line of a log.
    text = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def _without_envelope(answer: Answer, call: ApiCall, message: str, secrets: Collection[str]) -> EnosError:
    """Return the error for an answer of the gateway, `{"message": "…"}` as in Kong gateways [I], or of a stranger."""
    status = answer.http_status
    if kind := _refusal(0, status) or (GatewayRefusal if message and status in _GATEWAY_ADVICE else None):
        advice = _GATEWAY_ADVICE.get(status, kind.advice) if message else kind.advice
        return _refused(kind, answer, call, advice, msg=message, by_gateway=bool(message))
    if _is_redirect(status):
        question = ": is this the gateway's own address?"
        return _foreign(answer, call, "with a redirect, which is not followed", question, secrets)
    question = ": is this the gateway, or is a proxy in the way?"
    return _foreign(answer, call, "by something that is not EnOS", question, secrets)


def _refusal(code: int, status: int) -> type[ApiError | AuthenticationError | GatewayRefusal] | None:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return RequestTooLarge
    if status == HTTPStatus.UNAUTHORIZED or (code in _TOKEN_CODES and status != HTTPStatus.TOO_MANY_REQUESTS):
        return AuthenticationError
    if code in BY_CODE:
        return BY_CODE[code]
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code == _TOKEN_SERVICE_FAILED:
        return ServerError
    return ApiError if code else None


def _refused(
    kind: type[ApiError | AuthenticationError | GatewayRefusal],
    answer: Answer,
    call: ApiCall,
    advice: str,
    *,
    code: int = 0,
    msg: str = "",
    request_id: str = "",
    by_gateway: bool = False,
) -> EnosError:
    reason = " ".join(filter(None, [str(code or f"HTTP {answer.http_status}"), f"'{msg}'" if by_gateway else msg]))
    reference = f" (requestId {request_id})" if request_id else ""
    who = "EnOS's gateway" if by_gateway else "EnOS"
    verb = "did not do" if kind is ServerError else "refused"
    return call.error(
        kind,
        f"{who} {verb} {call.what}: {reason}{reference}.{f' {advice}' if advice else ''}",
        code=code or None,
        msg=msg,
        request_id=request_id,
        http_status=answer.http_status,
        retry_after=answer.retry_after,
    )


def _foreign(answer: Answer, call: ApiCall, problem: str, question: str, secrets: Collection[str]) -> InvalidAnswer:
    # The body is not shown: a proxy may have put anything there, for instance the headers of the request.
    content_type = clean(answer.content_type.partition(";")[0], secrets)[:60] or "no content type"
    detail = f"HTTP {answer.http_status}, {content_type}, {len(answer.body)} bytes"
    text, status = f"{problem} ({detail}){question}", answer.http_status
    return invalid_answer(call, text, http_status=status, permanent=_is_redirect(status))


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, Mapping) else {}


def _text(content: Mapping[str, Any], name: str, secrets: Collection[str]) -> str:
    value = content.get(name)
    return clean(value, secrets) if isinstance(value, str) else ""


def _is_redirect(status: int) -> bool:
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST

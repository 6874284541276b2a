"""Envelopes and errors from HTTP answers."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

from enos_ota.enos import (
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
from enos_ota.enos.answers import Answer, Envelope, classify
from enos_ota.enos.operations import CANCEL_TASKS, GET_JOB, ApiCall

READ = ApiCall(GET_JOB, about="job j-1")
WRITE = ApiCall(CANCEL_TASKS, about="3 devices of job j-1")


def answer(value: Any, status: int = 200, retry_after: float | None = None) -> Answer:
    return Answer(status, "application/json", retry_after, json.dumps(value).encode())


def error(got: Answer, call: ApiCall = READ, secrets: tuple[str, ...] = ()) -> Any:
    outcome = classify(got, call, secrets)
    assert isinstance(outcome, EnosError)
    return outcome


def refused(code: int, status: int = 200) -> Answer:
    return answer({"code": code, "msg": "why", "requestId": "r-1", "data": None}, status)


@pytest.mark.parametrize(
    "value",
    [
        {"code": 0, "msg": "OK", "requestId": "r-1", "data": {"a": 1}},
        {"code": 0, "msg": None, "requestId": "r-1", "data": {"a": 1}, "pagination": None, "new": {"field": []}},
        {"code": "0", "requestId": "r-1", "data": {"a": 1}},
        {"status": 0, "requestId": "r-1", "data": {"a": 1}},
        {"code": 0, "status": None, "apim_status": None, "requestId": "r-1", "data": {"a": 1}},
    ],
)
def test_code_0_is_success_whatever_else_is_there_or_null(value: dict[str, Any]) -> None:
    assert classify(answer(value), READ, ()) == Envelope(data={"a": 1}, pagination={}, request_id="r-1")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (24404, JobNotFound),
        (24617, JobNotRunning),
        (24620, TasksNotCancellable),
        (24621, TasksNotRetryable),
        (99400, InvalidArgument),
        (99403, PermissionDenied),
        (429, Throttled),
        (24500, ServerError),
        (99500, ServerError),
        (1005, ServerError),
        (24605, ApiError),
        (24615, JobHasStarted),
        (24616, JobHasStopped),
        (-1, ApiError),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_each_code_has_its_error_whatever_the_http_status(code: int, kind: type[ApiError], status: int) -> None:
    got = error(refused(code, status))

    assert (type(got), got.code, got.msg, got.request_id, got.http_status, got.operation) == (
        kind, code, "why", "r-1", status, "get",
    )  # fmt: skip


@pytest.mark.parametrize("code", [1001, 1002, 1003, 1004, 1202, 1203, 1204, 4011, 4012])
@pytest.mark.parametrize("field", ["code", "status", "apim_status"])
@pytest.mark.parametrize("status", [200, 401])
def test_a_rejection_is_an_authentication_error_in_any_code_field(code: int, field: str, status: int) -> None:
    got = error(answer({field: code, "msg": "no"}, status))

    assert (type(got), got.code) == (AuthenticationError, code)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (429, Throttled),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (200, InvalidAnswer),
        (204, InvalidAnswer),
        (302, InvalidAnswer),
        (400, InvalidAnswer),
        (403, InvalidAnswer),
        (404, InvalidAnswer),
        (413, RequestTooLarge),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>no</html>",
        b"[]",
        b'{"data": 1}',
        b'{"code": true}',
        b'{"message": 1}',
        b'{"message": " "}',
        b"\xff",
    ],
)
def test_without_an_envelope_the_http_status_decides(status: int, kind: type[EnosError], body: bytes) -> None:
    got = error(Answer(status, "text/html", body=body))

    assert (type(got), got.http_status) == (kind, status)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"code": ' + b"9" * 5000 + b"}", b'{"code": 0', b'{"code": 0}x', b'{"code": 1e400}']
)
def test_json_that_cannot_be_read_is_no_envelope(body: bytes) -> None:
    assert isinstance(error(Answer(200, "application/json", body=body)), InvalidAnswer)


def test_success_in_the_envelope_and_failure_in_the_http_status_is_no_success() -> None:
    assert type(error(answer({"code": 0, "data": {}}, 404))) is InvalidAnswer


def test_success_in_the_envelope_of_a_server_error_is_a_server_error() -> None:
    assert type(error(answer({"code": 0, "data": {}}, 503))) is ServerError


def test_only_a_redirect_is_an_answer_that_stays_the_same() -> None:
    assert [error(Answer(status)).permanent for status in (200, 302, 404)] == [False, True, False]


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (refused(24620), True),
        (refused(24621), True),
        (refused(24500), True),
        (refused(24605), True),
        (refused(24615), False),
        (refused(24616), False),
        (Answer(502), True),
        (Answer(200, "text/html"), True),
        (refused(24404), False),
        (refused(24617), False),
        (refused(99403), False),
        (refused(429), False),
        (refused(1203), False),
        (Answer(401), False),
    ],
)
def test_an_error_reports_whether_a_refused_write_may_have_been_processed(got: Answer, expected: bool) -> None:  # noqa: FBT001 - a table
    assert error(got, WRITE).may_have_been_processed is expected


@pytest.mark.parametrize("got", [refused(24500), refused(24605), Answer(502), Answer(200, "text/html")])
def test_a_refused_read_has_done_nothing(got: Answer) -> None:
    assert error(got, READ).may_have_been_processed is False


def test_the_text_of_a_refusal_has_the_call_the_reason_and_the_advice() -> None:
    assert str(error(refused(24404), READ)) == (
        "EnOS refused get (job j-1): 24404 why (requestId r-1)."
        " Check job id and organization; the job may have been deleted."
    )


def test_the_text_of_an_unconfirmed_write_advises_to_look_first() -> None:
    assert str(error(Answer(502), WRITE)) == (
        "EnOS did not do cancelTask (3 devices of job j-1): HTTP 502."
        " EnOS or a proxy before it has trouble: try again later."
        " It may have been processed: look at the tasks before sending it again."
    )


def by_gateway(status: int, message: str = "why") -> Answer:
    return answer({"message": message}, status)


@pytest.mark.parametrize(
    ("status", "kind", "again"),
    [
        (400, GatewayRefusal, False),
        (401, AuthenticationError, False),
        (403, GatewayRefusal, False),
        (413, RequestTooLarge, False),
        (429, Throttled, False),
        (500, ServerError, True),
        (503, ServerError, True),
    ],
)
def test_an_error_of_the_gateway_itself_is_named_and_only_a_failure_may_have_processed_a_write(
    status: int,
    kind: type[EnosError],
    again: bool,  # noqa: FBT001 - a table
) -> None:
    got = error(by_gateway(status), WRITE)

    assert (type(got), got.msg, got.http_status, got.may_have_been_processed) == (kind, "why", status, again)
    verb = "did not do" if kind is ServerError else "refused"
    assert str(got).startswith(f"EnOS's gateway {verb} cancelTask (3 devices of job j-1): HTTP {status} 'why'. ")
    assert ("may have been processed" in str(got)) is again


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "It was not processed. A proxy on the way may have changed the request."),
        (401, "Check the application's key and secret, and this machine's clock."),
        (
            403,
            "It was not processed. Have the IP address of this machine, or of its proxy, allowed for this API in EnOS.",
        ),
        (413, "It was not processed. Have the limit of the gateway, or of a proxy before it, raised."),
        (429, "It was not processed. Try again later, or set enos:maxRequestsPerSecond."),
        (500, "EnOS or a proxy before it has trouble: try again later."),
        (
            503,
            "EnOS has trouble, or the application is not allowed to call this API:"
            " try again later, and check it in EnOS.",
        ),
    ],
)
def test_each_error_of_the_gateway_has_advice(status: int, advice: str) -> None:
    assert str(error(by_gateway(status), READ)).endswith(f"HTTP {status} 'why'. {advice}")


@pytest.mark.parametrize("status", [200, 302, 402, 404])
def test_a_message_with_a_status_that_the_gateway_does_not_document_is_a_foreign_answer(status: int) -> None:
    got = error(by_gateway(status, "secret words"))

    assert type(got) is InvalidAnswer
    assert "secret words" not in str(got)


def test_the_gateways_text_is_shown_without_secrets_and_control_characters_and_shortened() -> None:
    got = error(by_gateway(403, "T-1 is\x1b not\nallowed" + "c" * 500), secrets=("T-1",))

    assert got.msg == "[secure] is not allowed" + "c" * 276 + "…"


def test_http_413_is_too_large_with_any_envelope() -> None:
    assert type(error(refused(99400, 413))) is RequestTooLarge


def test_the_text_of_a_foreign_answer_shows_its_kind_and_size_but_none_of_it() -> None:
    got = error(Answer(404, "text/html; charset=x", body=b"<p>you sent apim-accesstoken: T</p>"))

    assert str(got) == (
        "get (job j-1) was answered by something that is not EnOS (HTTP 404, text/html, 35 bytes):"
        " is this the gateway, or is a proxy in the way?"
    )


def test_the_text_of_enos_is_shown_on_one_line_without_control_characters_and_shortened() -> None:
    got = error(answer({"code": 7, "msg": "a\nb\x1b[31m\u2028" + "c" * 500}))

    assert got.msg == "a b [31m " + "c" * 290 + "…"


def test_a_text_without_end_is_not_cleaned_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    category = unicodedata.category
    looked_at = []

    def note(character: str) -> str:
        looked_at.append(character)
        return category(character)

    monkeypatch.setattr(unicodedata, "category", note)

    got = error(answer({"code": 7, "msg": "S-1" * 2**20}), secrets=("S-1",))

    assert got.msg == ("[secure]" * 38)[:299] + "…"
    assert len(looked_at) < 10_000


def test_a_secret_that_the_service_echoes_is_not_shown() -> None:
    got = error(answer({"code": 7, "msg": "token T-1 of S-1", "requestId": "T-1"}), secrets=("S-1", "T-1", ""))

    assert (got.msg, got.request_id) == ("token [secure] of [secure]", "[secure]")

"""Envelopes, and who may call what: every request gets a documented answer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from enos_simulator.gateway import OTA_JOBS, TOKEN_GET, Request
from tests.harness.simulator import JOB, SMALL_FLEET
from tests.harness.simulator_harness import JSON_HEADER, Caller, make_caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_simulator.gateway import Reply


@pytest.fixture
def caller() -> Caller:
    return make_caller(SMALL_FLEET)


def test_an_envelope_has_code_msg_request_id_and_data(caller: Caller) -> None:
    envelope = caller.call("get", jobId=JOB)
    assert (envelope["code"], envelope["msg"], set(envelope)) == (0, "OK", {"code", "msg", "requestId", "data"})
    assert str(uuid.UUID(envelope["requestId"])) == envelope["requestId"]


def test_no_two_answers_have_the_same_request_id(caller: Caller) -> None:
    assert len({caller.call("get", jobId=JOB)["requestId"] for _ in range(50)}) == 50


def test_the_same_seed_gives_the_same_ids() -> None:
    assert make_caller(SMALL_FLEET).call("get", jobId=JOB) == make_caller(SMALL_FLEET).call("get", jobId=JOB)


@pytest.mark.parametrize(
    ("query", "msg"),
    [
        ({"orgId": "o16172478070561926"}, "Invalid Argument action:action is missing"),
        ({"action": "fly", "orgId": "o16172478070561926"}, "Invalid Argument action:action fly is not supported"),
        ({"action": "get"}, "Invalid Argument orgId:orgId is missing"),
        ({"action": "get", "orgId": "o1"}, "Invalid Argument orgId:  orgId does not exist"),
        ({"action": "get", "orgId": "o16172478070561926"}, "Invalid Argument jobId:jobId is missing"),
    ],
)
def test_a_wrong_argument_is_named(caller: Caller, query: dict[str, str], msg: str) -> None:
    reply = caller.send(query)
    assert (reply.http, reply.body["code"], reply.body["msg"], reply.body["data"]) == (200, 99400, msg, None)


def test_an_organisation_that_the_application_does_not_belong_to_is_denied() -> None:
    apps = [{"appKey": "k", "appSecret": "s", "orgs": ["o1"]}]
    caller = make_caller({"orgs": ["o2", "o1"], "apps": apps, "jobs": [{"jobId": "j"}]})
    envelope = caller.call("get", jobId="j")
    assert (envelope["code"], envelope["msg"]) == (99403, "Denied resource:  orgId o2")


@pytest.mark.parametrize(
    ("permission", "operation", "code"),
    [("read", "get", 0), ("read", "cancelTask", 99403), ("control", "cancelTask", 0), ("control", "searchTask", 99403)],
)
def test_an_application_may_do_only_what_it_is_permitted(permission: str, operation: str, code: int) -> None:
    apps = [{"appKey": "k", "appSecret": "s", "permissions": [permission]}]
    caller = make_caller(SMALL_FLEET | {"apps": apps})
    assert caller.call(operation, {"deviceKeys": ["dk-01"]}, jobId=JOB)["code"] == code


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"deviceKeys": [' + b"9" * 5000 + b"]}"],
    ids=["empty", "cut", "list", "null", "text", "not-utf8", "deep", "huge-number"],
)
@pytest.mark.parametrize("operation", ["search", "searchTask", "cancelTask", "retryTask"])
def test_a_malformed_body_is_an_invalid_argument(caller: Caller, operation: str, body: bytes) -> None:
    reply = caller.send({"action": operation, "orgId": caller.org_id, "jobId": JOB}, body)
    assert (reply.http, reply.body["code"]) == (200, 99400)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_must_say_that_it_is_json(caller: Caller, content_type: str) -> None:
    query = {"action": "cancelTask", "orgId": caller.org_id, "jobId": JOB}
    reply = caller.send(query, b'{"deviceKeys":["dk-01"]}', headers={"content-type": content_type})
    assert (reply.body["code"], caller.states(JOB)["dk-01"]) == (99400, ("init", ""))


def test_a_charset_beside_the_content_type_is_fine(caller: Caller) -> None:
    headers = {"content-type": "Application/JSON;charset=utf-8"}
    query = {"action": "search", "orgId": caller.org_id}
    assert caller.send(query, b"{}", headers=headers).body["code"] == 0


@pytest.mark.parametrize(("strict", "codes"), [("off", [0, 0]), ("on", [0, 99400])])
def test_either_method_is_accepted_unless_the_switch_is_strict(strict: str, codes: list[int]) -> None:
    caller = make_caller(SMALL_FLEET, strict_method=strict)
    query = {"action": "get", "orgId": caller.org_id, "jobId": JOB}
    assert [caller.send(query, method=method).body["code"] for method in ("GET", "POST")] == codes


def test_another_method_is_not_accepted(caller: Caller) -> None:
    reply = caller.send({"action": "get", "orgId": caller.org_id, "jobId": JOB}, method="DELETE")
    assert reply.body["code"] == 99400


def test_the_token_service_takes_only_post(caller: Caller) -> None:
    assert caller.simulator.answer(Request("GET", TOKEN_GET, (), {}, b"")).body["status"] == 1004


def test_with_business_http_400_a_refusal_comes_with_400_and_a_success_with_200() -> None:
    caller = make_caller(SMALL_FLEET, business_http=400)
    query = {"action": "get", "orgId": caller.org_id}
    replies = [caller.send(query | {"jobId": job}) for job in ("nope", JOB)]
    assert [(reply.http, reply.body["code"]) for reply in replies] == [(400, 24404), (200, 0)]


@pytest.mark.parametrize("path", ["/", "/connect-service/v2.1/ota-firmwares", f"{OTA_JOBS}/", "/apim-token-service"])
def test_an_unknown_path_gets_an_envelope(caller: Caller, path: str) -> None:
    reply = caller.simulator.answer(Request("GET", path, (), JSON_HEADER, b""))
    assert (reply.http, reply.body["code"], set(reply.body)) == (404, 99404, {"code", "msg", "requestId", "data"})


def cancel_in_a_body_of(caller: Caller, size: int) -> Reply:
    """A cancelTask for dk-01, its body filled up with blanks."""
    query = {"action": "cancelTask", "orgId": caller.org_id, "jobId": JOB}
    return caller.send(query, b'{"deviceKeys":["dk-01"]}'.ljust(size))


@pytest.mark.parametrize(("size", "http"), [(100, 200), (101, 413)])
def test_a_body_larger_than_max_body_gets_http_413(caller: Caller, size: int, http: int) -> None:
    caller.token()
    caller.simulator.change_switches({"max_body": 100})
    assert cancel_in_a_body_of(caller, size).http == http


def test_a_body_that_is_too_large_is_not_processed_and_is_in_the_journal(caller: Caller) -> None:
    caller.token()
    caller.simulator.change_switches({"max_body": 100})
    cancel_in_a_body_of(caller, 101)
    (entry,) = caller.simulator.journal.entries
    assert (entry.processed, entry.fault, entry.keys) == (False, "max-body", ("dk-01",))
    assert caller.states(JOB)["dk-01"] == ("init", "")


def test_the_token_service_takes_no_body_larger_than_max_body(caller: Caller) -> None:
    caller.simulator.change_switches({"max_body": 10})
    assert caller.simulator.answer(Request("POST", TOKEN_GET, (), JSON_HEADER, b" " * 11)).http == 413


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("message", {"message": "Request size limit exceeded"}),
        ("envelope", {"code": 413, "msg": "Request size limit exceeded", "data": None}),
    ],
)
def test_a_body_that_is_too_large_is_answered_in_the_form_of_the_gateway(form: str, body: dict[str, object]) -> None:
    caller = make_caller(SMALL_FLEET, gateway_form=form)
    caller.token()
    caller.simulator.change_switches({"max_body": 100})
    reply = cancel_in_a_body_of(caller, 101).body
    reply.pop("requestId", None)
    assert reply == body


def test_an_answer_that_a_body_is_too_large_can_be_lost(caller: Caller) -> None:
    caller.token()
    caller.simulator.change_switches({"max_body": 100})
    caller.simulator.add_fault("close-after cancelTask")
    assert cancel_in_a_body_of(caller, 101).kind == "closed"
    assert caller.simulator.journal.entries[0].fault == "close-after max-body"


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("a secret detail")


@pytest.mark.parametrize(
    ("fail", "field", "code"),
    [
        (lambda caller: caller.call("get", jobId=JOB), "code", 99500),
        (lambda caller: caller.token_service({}), "status", 1005),
    ],
    ids=["call", "token"],
)
def test_an_internal_error_is_answered_without_its_details(
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    fail: Callable[[Caller], dict[str, object]],
    field: str,
    code: int,
) -> None:
    caller.token()
    monkeypatch.setattr("enos_simulator.jobs.OtaJobs.get", broken)
    monkeypatch.setattr("enos_simulator.tokens.Tokens.get", broken)
    body = fail(caller)
    assert (body[field], "secret" in str(body)) == (code, False)


def test_a_write_is_in_the_journal_with_how_each_task_changed(caller: Caller) -> None:
    caller.token()
    envelope = caller.call("cancelTask", {"deviceKeys": ["dk-07", "dk-01", "dk-07"]}, jobId=JOB)
    (entry,) = caller.simulator.journal.entries
    assert entry.as_json() == {
        "sequence": 1,
        "time": caller.clock(),
        "operation": "cancelTask",
        "by": caller.app_key,
        "orgId": caller.org_id,
        "jobId": JOB,
        "keys": ["dk-07", "dk-01", "dk-07"],
        "code": 0,
        "msg": "OK",
        "requestId": envelope["requestId"],
        "changes": [
            {
                "deviceKey": key,
                "productKey": "Pk12aB34",
                "before": {"status": status, "desc": ""},
                "after": {"status": "failed", "desc": "Cancelled by user"},
            }
            for key, status in (("dk-07", "published"), ("dk-01", "init"))
        ],
        "processed": True,
        "fault": "",
    }


def test_every_kind_of_write_is_in_the_journal_also_when_refused(caller: Caller) -> None:
    caller.cancel(JOB, "dk-09")
    caller.retry("nope", "dk-09")
    caller.call("stop", jobId=JOB)
    caller.call("start", jobId=JOB)
    told = [
        (entry.sequence, entry.operation, entry.code, len(entry.changes)) for entry in caller.simulator.journal.entries
    ]
    assert told == [(1, "cancelTask", 24620, 0), (2, "retryTask", 24404, 0), (3, "stop", 0, 0), (4, "start", 0, 0)]


def test_what_a_refused_call_changed_is_in_the_journal() -> None:
    caller = make_caller(SMALL_FLEET, cancel_mode="partial")
    caller.cancel(JOB, "dk-01", "dk-08")
    (entry,) = caller.simulator.journal.entries
    assert (entry.code, [change.device_key for change in entry.changes]) == (24620, ["dk-01"])


def test_a_write_that_was_turned_away_is_in_the_journal(caller: Caller) -> None:
    query = {"action": "cancelTask", "orgId": caller.org_id, "jobId": JOB}
    caller.send(query, b'{"deviceKeys":["dk-01"]}', headers={"apim-signature": "0"})
    caller.send(query, b"{broken")
    told = [(entry.by, entry.keys, entry.code) for entry in caller.simulator.journal.entries]
    assert told == [("", ("dk-01",), 1003), (caller.app_key, None, 99400)]


def test_reads_are_not_in_the_journal(caller: Caller) -> None:
    caller.call("get", jobId=JOB)
    caller.find(None)
    caller.call("search", {})
    assert caller.simulator.journal.entries == []


def test_requests_are_counted_by_operation_and_answer(caller: Caller) -> None:
    caller.cancel(JOB, "dk-01")
    caller.cancel(JOB, "dk-01")
    caller.send({"action": "get", "orgId": caller.org_id}, headers={"apim-accesstoken": "x"})
    caller.call("fly")
    assert dict(caller.simulator.journal.requests) == {"token/get": 1, "cancelTask": 2, "get": 1, "unknown": 1}
    assert dict(caller.simulator.journal.answers) == {
        "token/get 0": 1,
        "cancelTask 0": 1,
        "cancelTask 24620": 1,
        "get 1203": 1,
        "unknown 99400": 1,
    }

"""The token service, and who gets past the gateway."""

from __future__ import annotations

import base64

import pytest

from tests.harness.simulator import JOB, SMALL_FLEET
from tests.harness.simulator_harness import NOW, Caller, Clock, make_caller


@pytest.fixture
def caller() -> Caller:
    return make_caller(SMALL_FLEET)


def test_a_token_is_given_with_its_seconds_in_the_documented_envelope(caller: Caller) -> None:
    reply = caller.token_service(caller.encryption_body())
    assert reply == {
        "status": 0,
        "msg": "SUCCESS",
        "business": "apim-token-service",
        "data": {"accessToken": reply["data"]["accessToken"], "expire": 7200},
    }


def test_while_a_token_lives_the_same_one_is_given_with_the_time_it_has_left(caller: Caller) -> None:
    first = caller.token_service(caller.encryption_body())["data"]
    caller.clock.forward(100)
    again = caller.token_service(caller.encryption_body())["data"]
    assert again == {"accessToken": first["accessToken"], "expire": 7100}


def test_when_a_token_is_over_a_new_one_is_given(caller: Caller) -> None:
    first = caller.token_service(caller.encryption_body())["data"]
    caller.clock.forward(7200)
    again = caller.token_service(caller.encryption_body())["data"]
    assert (again["accessToken"] != first["accessToken"], again["expire"]) == (True, 7200)


def test_the_timestamp_may_be_a_text(caller: Caller) -> None:
    body = caller.encryption_body()
    assert caller.token_service(body | {"timestamp": str(body["timestamp"])})["status"] == 0


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"appKey": "99999999-3333-4444-5555-666677778888"}, 1002),
        ({"encryption": "0" * 64}, 1003),
        ({"encryption": "Ä"}, 1003),
        ({"timestamp": 1}, 1003),
        ({"appKey": ""}, 1202),
        ({"encryption": None}, 1202),
        ({"timestamp": None}, 1202),
        ({"timestamp": [1]}, 1004),
        ({"appKey": {"a": 1}}, 1004),
    ],
)
def test_a_wrong_token_request_gets_the_documented_code(
    caller: Caller, changed: dict[str, object], status: int
) -> None:
    assert caller.token_service(caller.encryption_body(**changed))["status"] == status


def test_a_token_request_from_another_time_is_refused(caller: Caller) -> None:
    body = caller.encryption_body()
    caller.clock.forward(301)
    assert caller.token_service(body)["status"] == 1004


@pytest.mark.parametrize("body", [None, [], "text", 3])
def test_a_body_that_is_no_object_is_an_invalid_parameter(caller: Caller, body: object) -> None:
    assert caller.token_service(body)["status"] == 1004


def test_the_same_encryption_is_refused_the_second_time(caller: Caller) -> None:
    body = caller.encryption_body()
    assert [caller.token_service(body)["status"] for _ in range(3)] == [0, 1001, 1001]


def test_the_replay_guard_lasts_as_long_as_the_timestamp_could_be_accepted(caller: Caller) -> None:
    simulators = caller.clock
    caller.clock = Clock(NOW + 299_000)  # the caller's own is almost too far ahead
    body = caller.encryption_body()
    caller.token_service(body)
    simulators.forward(598)
    assert caller.token_service(body)["status"] == 1001


def test_one_encryption_may_go_to_get_and_to_refresh(caller: Caller) -> None:
    body = caller.encryption_body()
    token = caller.token_service(body)["data"]["accessToken"]
    assert caller.token_service(body | {"accessToken": token}, refresh=True)["status"] == 0


def test_refreshing_gives_a_new_token_for_the_full_time(caller: Caller) -> None:
    old = caller.token()
    caller.clock.forward(7000)
    data = caller.token_service(caller.encryption_body(accessToken=old), refresh=True)["data"]
    assert (data["accessToken"] != old, data["expire"]) == (True, 7200)
    assert caller.token_service(caller.encryption_body())["data"]["accessToken"] == data["accessToken"]


@pytest.mark.parametrize(("old_token", "code"), [("lives", 0), ("dies", 1203)])
def test_the_old_token_after_a_refresh_goes_by_its_switch(old_token: str, code: int) -> None:
    caller = make_caller(SMALL_FLEET, old_token=old_token)
    caller.token_service(caller.encryption_body(accessToken=caller.token()), refresh=True)
    envelope = caller.call("get", jobId=JOB)
    assert envelope.get("code", envelope.get("status")) == code


def test_a_token_that_is_over_cannot_be_refreshed(caller: Caller) -> None:
    old = caller.token()
    caller.clock.forward(7200)
    assert caller.token_service(caller.encryption_body(accessToken=old), refresh=True)["status"] == 1203


def test_refreshing_without_a_token_is_an_empty_parameter(caller: Caller) -> None:
    assert caller.token_service(caller.encryption_body(), refresh=True)["status"] == 1202


def test_another_applications_token_cannot_be_refreshed() -> None:
    other = {"appKey": "k2", "appSecret": "s2"}
    apps = [{"appKey": "k1", "appSecret": "s1"}, other]
    caller = make_caller(SMALL_FLEET | {"apps": apps})
    stranger = Caller(caller.simulator, caller.clock, caller.org_id, "k2", "s2")
    body = caller.encryption_body(accessToken=stranger.token())
    assert caller.token_service(body, refresh=True)["status"] == 1204


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"apim-signature": "0" * 64}, 1003),
        ({"apim-signature": "é"}, 1003),
        ({"apim-accesstoken": "unknown"}, 1203),
        ({"apim-timestamp": "yesterday"}, 1004),
        ({"apim-timestamp": "17\N{ARABIC-INDIC DIGIT ZERO}0000000000"}, 1004),
        ({"apim-timestamp": "9" * 5000}, 1004),
        ({"apim-accesstoken": ""}, 1202),
        ({"apim-timestamp": ""}, 1202),
        ({"apim-signature": ""}, 1202),
    ],
)
def test_a_call_that_is_not_signed_well_is_turned_away(caller: Caller, headers: dict[str, str], status: int) -> None:
    reply = caller.send({"action": "get", "orgId": caller.org_id, "jobId": JOB}, headers=headers)
    assert (reply.http, reply.body["status"], reply.body["business"]) == (200, status, "apim-token-service")


def test_a_changed_body_does_not_pass(caller: Caller) -> None:
    query = {"action": "cancelTask", "orgId": caller.org_id, "jobId": JOB}
    signed_for_another = caller.send(query, b'{"deviceKeys":["dk-01"]}', headers={"apim-timestamp": "1700000000001"})
    assert signed_for_another.body["status"] == 1003
    assert caller.states(JOB)["dk-01"] == ("init", "")


def test_an_expired_token_is_turned_away(caller: Caller) -> None:
    caller.token()
    caller.clock.forward(7200)
    assert caller.call("get", jobId=JOB)["status"] == 1203


@pytest.mark.parametrize(("off", "status"), [(-300_000, None), (300_000, None), (-300_001, 1004), (300_001, 1004)])
def test_a_timestamp_may_be_off_by_five_minutes(caller: Caller, off: int, status: int | None) -> None:
    caller.token()
    caller.clock = Clock(NOW + off)  # the caller's own; the simulator keeps its clock
    assert caller.call("get", jobId=JOB).get("status") == status


def test_the_accepted_skew_goes_by_its_switch() -> None:
    caller = make_caller(SMALL_FLEET, clock_skew=10)
    caller.token()
    caller.clock = Clock(NOW + 11_000)
    assert caller.call("get", jobId=JOB)["status"] == 1004


def test_with_gateway_http_401_a_call_that_is_turned_away_gets_the_gateways_text() -> None:
    caller = make_caller(SMALL_FLEET, gateway_http=401)
    reply = caller.send({"action": "stop", "orgId": caller.org_id, "jobId": JOB}, headers={"apim-signature": "0"})
    assert (reply.http, reply.body) == (401, {"message": "Invalid authentication credentials"})
    assert caller.simulator.journal.entries[0].code == 1003


def test_with_gateway_http_401_and_envelopes_the_same_body_comes_with_401() -> None:
    caller = make_caller(SMALL_FLEET, gateway_http=401, gateway_form="envelope")
    reply = caller.send({"action": "get", "orgId": caller.org_id, "jobId": JOB}, headers={"apim-signature": "0"})
    assert (reply.http, reply.body["status"]) == (401, 1003)


def test_with_gateway_http_401_the_token_service_answers_as_before() -> None:
    caller = make_caller(SMALL_FLEET, gateway_http=401)
    assert caller.token_service(caller.encryption_body(appKey="nobody"))["status"] == 1002


def test_tokens_can_be_ended_from_outside(caller: Caller) -> None:
    caller.token()
    assert caller.simulator.expire_tokens() == 1
    assert caller.call("get", jobId=JOB)["status"] == 1203


LEGACY = {
    "apim-accesstoken": base64.b64encode(bytes(256)).decode(),
    "apim-timestamp": "",
    "apim-signature": "",
}


@pytest.mark.parametrize(("auth", "signed", "legacy"), [("token", 0, 1202), ("legacy", 1203, 0), ("both", 0, 0)])
def test_which_scheme_is_accepted_goes_by_its_switch(auth: str, signed: int, legacy: int) -> None:
    caller = make_caller(SMALL_FLEET, auth=auth)
    query = {"action": "get", "orgId": caller.org_id, "jobId": JOB}
    codes = [
        reply.body.get("code", reply.body.get("status"))
        for reply in (caller.send(query), caller.send(query, headers=LEGACY))
    ]
    assert codes == [signed, legacy]


def test_a_caller_of_the_legacy_scheme_is_the_first_application() -> None:
    caller = make_caller(SMALL_FLEET, auth="legacy")
    caller.send({"action": "stop", "orgId": caller.org_id, "jobId": JOB}, headers=LEGACY)
    (entry,) = caller.simulator.journal.entries
    assert (entry.by, entry.code) == (caller.app_key, 0)


@pytest.mark.parametrize("token", ["", "ä", "AAAA", "not base64 at all", base64.b64encode(bytes(255)).decode()])
def test_what_is_no_token_of_the_legacy_scheme_is_turned_away(token: str) -> None:
    caller = make_caller(SMALL_FLEET, auth="legacy")
    reply = caller.send(
        {"action": "get", "orgId": caller.org_id, "jobId": JOB}, headers=LEGACY | {"apim-accesstoken": token}
    )
    assert reply.body["status"] == 1203

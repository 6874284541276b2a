"""How a provider reaches EnOS: configuration and environment made one."""

from __future__ import annotations

import pytest

from enos_ota.enos import Credentials, Timeout
from enos_ota.plan import Guard
from enos_ota.settings import (
    Checks,
    Connection,
    EnosAddress,
    SettingsError,
    load_address,
    load_checks,
    load_connection,
)

STACK = {
    "enos:apiGateway": "https://apim.example.com/",
    "enos:orgId": "o1",
    "enos:appKey": "stack-key",
    "enos:appSecret": "stack-secret",
}
OUTSIDE = {"ENOS_APP_KEY": "env-key", "ENOS_APP_SECRET": "env-secret"}


def problems(config: dict[str, str], environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_connection(config.get, environ or {})
    assert "secret\n" not in str(caught.value)
    return list(caught.value.problems)


def without(*names: str) -> dict[str, str]:
    return {key: value for key, value in STACK.items() if key not in names}


def test_the_stack_alone_is_enough() -> None:
    assert load_connection(STACK.get, {}) == Connection(
        gateway="https://apim.example.com",
        org_id="o1",
        credentials=Credentials("stack-key", "stack-secret"),
        ca_bundle=None,
        timeout=Timeout(connect=5, read=30),
        batch_size=200,
        max_concurrency=8,
        max_requests_per_second=None,
        cancelled_markers=("Cancelled by user",),
        deadline=1800.0,
        audit_log=None,
    )


def test_every_setting_arrives_from_its_text() -> None:
    connection = load_connection(
        {
            **STACK,
            "enos:caBundle": "certs/ca.pem",
            "enos:maxConcurrency": "4",
            "enos:maxRequestsPerSecond": "2.5",
            "enos:requestTimeout": "3",
            "enos:batchSize": "50",
            "enos-ota:deadline": "90",
            "enos-ota:auditLog": "audit/prod.jsonl",
            "enos:cancelledMarkers": '["Cancelled by user", "已取消"]',
        }.get,
        {},
    )
    assert connection.ca_bundle == "certs/ca.pem"
    assert connection.max_concurrency == 4
    assert connection.max_requests_per_second == 2.5
    assert connection.timeout == Timeout(connect=3, read=3)
    assert connection.batch_size == 50
    assert connection.deadline == 90.0
    assert connection.audit_log == "audit/prod.jsonl"
    assert connection.cancelled_markers == ("Cancelled by user", "已取消")


def test_credentials_of_the_environment_win() -> None:
    assert load_connection(STACK.get, OUTSIDE).credentials == Credentials("env-key", "env-secret")


def test_a_pair_of_the_environment_mends_half_a_pair_of_the_stack() -> None:
    assert load_connection(without("enos:appSecret").get, OUTSIDE).credentials == Credentials("env-key", "env-secret")


def test_empty_variables_count_as_not_set() -> None:
    empty = dict.fromkeys(["ENOS_APP_KEY", "ENOS_APP_SECRET", "ENOS_API_GATEWAY", "ENOS_ORG_ID", "ENOS_CA_BUNDLE"], "")
    assert load_connection(STACK.get, empty) == load_connection(STACK.get, {})


def test_the_ca_bundle_of_the_environment_wins() -> None:
    config = {**STACK, "enos:caBundle": "stack.pem"}
    assert load_connection(config.get, {"ENOS_CA_BUNDLE": "/etc/ca.pem"}).ca_bundle == "/etc/ca.pem"


def test_no_secret_shows_in_a_connection() -> None:
    assert "stack-secret" not in repr(load_connection(STACK.get, {}))


def test_missing_credentials_say_where_they_may_come_from() -> None:
    assert problems(without("enos:appKey", "enos:appSecret")) == [
        "no credentials for EnOS: set ENOS_APP_KEY and ENOS_APP_SECRET, or enos:appKey and enos:appSecret"
        " (pulumi config set --secret enos:appSecret)"
    ]


@pytest.mark.parametrize(("there", "missing"), [("enos:appKey", "enos:appSecret"), ("enos:appSecret", "enos:appKey")])
def test_half_a_pair_of_the_stack_is_named(there: str, missing: str) -> None:
    (text,) = problems(without(missing))
    assert text.startswith(f"{there} is set and {missing} is not: set ENOS_APP_KEY")


@pytest.mark.parametrize(
    ("there", "missing"), [("ENOS_APP_KEY", "ENOS_APP_SECRET"), ("ENOS_APP_SECRET", "ENOS_APP_KEY")]
)
def test_half_a_pair_of_the_environment_is_refused_even_beside_a_whole_one(there: str, missing: str) -> None:
    assert problems(STACK, {there: "x"}) == [
        f"{there} is set and {missing} is not: set both, or neither to use the pair of the stack"
    ]


def test_white_space_around_a_secret_is_found_without_showing_it() -> None:
    assert problems(STACK, {**OUTSIDE, "ENOS_APP_SECRET": "env-secret "}) == [
        "ENOS_APP_SECRET has white space around it: remove it"
    ]


def test_a_gateway_that_differs_is_refused() -> None:
    assert problems(STACK, {"ENOS_API_GATEWAY": "https://b.example"}) == [
        "the gateway differs: enos:apiGateway is https://apim.example.com, ENOS_API_GATEWAY is https://b.example;"
        " unset ENOS_API_GATEWAY or change enos:apiGateway, a stack belongs to one of them"
    ]


def test_without_any_configuration_nothing_is_made_up() -> None:
    assert problems({})[:2] == [
        "no gateway: set enos:apiGateway in the stack file or ENOS_API_GATEWAY in the environment",
        "no organization: set enos:orgId in the stack file or ENOS_ORG_ID in the environment",
    ]


def test_wrong_values_come_all_at_once() -> None:
    assert problems({**STACK, "enos:batchSize": "0", "enos:requestTimeout": "soon", "enos:orgId": " o1"}) == [
        "enos:orgId has white space around it: remove it",
        "enos:requestTimeout must be a number",
        "enos:batchSize must be at least 1",
    ]


def test_a_deadline_that_is_no_number_is_refused() -> None:
    assert problems({**STACK, "enos-ota:deadline": "soon"}) == ["enos-ota:deadline must be a number"]


def test_an_audit_log_that_cannot_be_one_is_refused() -> None:
    assert problems({**STACK, "enos-ota:auditLog": "audit/"}) == [
        "enos-ota:auditLog audit/ does not end in .jsonl, .ndjson, .log: a log is a file of its own"
    ]


def test_without_a_word_a_program_checks_nothing_and_looks_where_it_can() -> None:
    assert load_checks(lambda _: None) == Checks("auto", Guard())


def test_what_a_program_checks_arrives_from_its_texts() -> None:
    config = {"enos-ota:preflight": "false", "enos-ota:guard": '{"maxDevices": 500, "maxShare": 0.25}'}
    assert load_checks(config.get) == Checks("off", Guard(500, 0.25))


def test_checks_that_make_no_sense_come_all_at_once() -> None:
    config = {"enos-ota:preflight": "maybe", "enos-ota:guard": '{"maxDevices": -1, "maxshare": 1}'}
    with pytest.raises(SettingsError) as caught:
        load_checks(config.get)
    assert list(caught.value.problems) == [
        "enos-ota:guard.maxDevices must be at least 0",
        "enos-ota:guard.maxshare is no key of guard; did you mean maxShare?",
        'enos-ota:preflight is "maybe", must be auto or on or off',
    ]


def test_an_address_needs_no_credentials() -> None:
    assert load_address(without("enos:appKey", "enos:appSecret").get, {}) == EnosAddress(
        "https://apim.example.com", "o1"
    )


def test_an_address_may_come_from_the_environment() -> None:
    environ = {"ENOS_API_GATEWAY": "http://localhost:8080", "ENOS_ORG_ID": "o2"}
    assert load_address(lambda _: None, environ) == EnosAddress("http://localhost:8080", "o2")


def test_an_address_that_is_missing_is_an_error() -> None:
    with pytest.raises(SettingsError, match="no organization"):
        load_address({"enos:apiGateway": "https://a.example"}.get, {})

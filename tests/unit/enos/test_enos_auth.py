"""The token scheme, against the vectors of the API reference, section 5.1."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from enos_ota.enos import Credentials
from enos_ota.enos.auth import Timestamps, encryption, sign
from tests.harness.clock import FakeClock

APP_KEY = "11112222-3333-4444-5555-666677778888"
APP_SECRET = "aaaabbbb-cccc-4ddd-8eee-ffff00001111"
NOW = 1700000000000


def test_the_documented_sample_is_signed_as_documented() -> None:
    body = '{\n  "count": 20,\n  "page": 1,\n  "desc": "描述"\n}'.encode()

    signature = sign("xxxxaaaxxxx", {"k3": "v3", "k1": "v1", "k2": "v2"}, body, 1572574909697, "xxxappSecretxxx")

    assert signature == "59828328f6c1f9771015dc74e4929ae30f518a35a3d2353972c2ea46556fc981"


def test_the_secret_is_proved_to_the_token_service_by_its_hash() -> None:
    assert encryption(APP_KEY, APP_SECRET, NOW) == "a36f2e498a2c94123b0e2548044851656d22be5294691acec9843ff21cf01a09"


def test_a_call_with_a_body_is_signed_with_query_and_body() -> None:
    query = {"action": "cancelTask", "orgId": "o16172478070561926", "jobId": "65a1b2c3d4e5f60718293a4b"}

    signature = sign("TOKEN-0001", query, b'{"deviceKeys":["dk-01","dk-02"]}', NOW, APP_SECRET)

    assert signature == "6de9bf898321c6fb7024fd9f38fac28a56b74cbfdda6fa92231729b5955172fd"


def test_a_call_without_a_body_is_signed_with_the_query_alone() -> None:
    query = {"action": "get", "orgId": "o16172478070561926", "jobId": "65a1b2c3d4e5f60718293a4b"}

    assert sign("TOKEN-0001", query, b"", NOW, APP_SECRET) == (
        "c046aae921d241ec8e5c29fd30199e3949e501819fe460429872a9f7dfbda45d"
    )


def test_a_timestamp_is_the_clock_in_milliseconds() -> None:
    assert Timestamps(FakeClock(1_700_000_000.25)).take() == 1_700_000_000_250


def test_timestamps_grow_when_the_clock_does_not_or_goes_back() -> None:
    clock = FakeClock()
    timestamps = Timestamps(clock)
    first, second = timestamps.take(), timestamps.take()

    clock.now -= 3600

    assert first < second < timestamps.take()


def test_no_two_threads_get_the_same_timestamp() -> None:
    timestamps = Timestamps(FakeClock())

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: timestamps.take(), range(2000)))

    assert len(set(taken)) == 2000


@pytest.mark.parametrize("shown", [repr, str])
def test_credentials_do_not_show_the_secret(shown: type[str]) -> None:
    assert shown(Credentials("key", "s3cr3t")) == "Credentials(app_key='key', app_secret=[secure])"


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("k", ""), (" k", "s"), ("k", "s\n")])
def test_half_or_padded_credentials_are_refused_without_showing_them(key: str, secret: str) -> None:
    with pytest.raises(ValueError, match=r"^app_(key|secret) must not be empty or have white space around it$"):
        Credentials(key, secret)

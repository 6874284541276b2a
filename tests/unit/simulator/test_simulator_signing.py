"""The two hashes, against what EnOS documents and what was verified by running code."""

from __future__ import annotations

import pytest

from enos_simulator.signing import encryption, signature

SECRET = "aaaabbbb-cccc-4ddd-8eee-ffff00001111"
TIMESTAMP = "1700000000000"


def test_the_documented_sample_has_the_documented_signature() -> None:
    body = '{\n  "count": 20,\n  "page": 1,\n  "desc": "描述"\n}'.encode()
    query = [("k3", "v3"), ("k1", "v1"), ("k2", "v2")]
    expected = "59828328f6c1f9771015dc74e4929ae30f518a35a3d2353972c2ea46556fc981"
    assert signature("xxxxaaaxxxx", query, body, "1572574909697", "xxxappSecretxxx") == expected


def test_the_encryption_of_the_token_service() -> None:
    expected = "a36f2e498a2c94123b0e2548044851656d22be5294691acec9843ff21cf01a09"
    assert encryption("11112222-3333-4444-5555-666677778888", TIMESTAMP, SECRET) == expected


@pytest.mark.parametrize(
    ("action", "body", "expected"),
    [
        (
            "cancelTask",
            b'{"deviceKeys":["dk-01","dk-02"]}',
            "6de9bf898321c6fb7024fd9f38fac28a56b74cbfdda6fa92231729b5955172fd",
        ),
        ("get", b"", "c046aae921d241ec8e5c29fd30199e3949e501819fe460429872a9f7dfbda45d"),
    ],
)
def test_a_call_is_signed_over_its_query_and_its_body(action: str, body: bytes, expected: str) -> None:
    query = [("action", action), ("orgId", "o16172478070561926"), ("jobId", "65a1b2c3d4e5f60718293a4b")]
    assert signature("TOKEN-0001", query, body, TIMESTAMP, SECRET) == expected


def test_of_a_repeated_parameter_the_first_value_is_signed() -> None:
    once = signature("t", [("a", "1"), ("b", "2")], b"", TIMESTAMP, SECRET)
    assert signature("t", [("a", "1"), ("b", "2"), ("a", "3")], b"", TIMESTAMP, SECRET) == once

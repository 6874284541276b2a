"""The switches: their names, their values, and what is said about a wrong one."""

from __future__ import annotations

import pytest
from pydantic.alias_generators import to_camel

from enos_simulator.errors import SetupError
from enos_simulator.switches import Switches, parse_rate

# Section 9 of the API reference and the numbers that go with it; the first value is the default.
DOCUMENTED: dict[str, list[str | int]] = {
    "cancel-mode": ["atomic", "partial"],
    "unknown-key": ["error", "ignore"],
    "repeat-cancel": ["refuse", "ok"],
    "cancelled-as": ["failed", "canceled"],
    "cancelled-marker": ["Cancelled by user", "用户取消"],
    "cancel-published": ["stops", "late"],
    "late-after": [5, 60],
    "auto-retry-cancelled": ["off", "on"],
    "retry-to": ["init", "published"],
    "index-delay": [0, 2],
    "max-keys": [0, 20],
    "max-page": [200, 50],
    "max-window": [0, 10_000],
    "total-cap": [0, 10_000],
    "max-body": [16_777_216, 65_536],
    "task-order": ["taskId", "updateTime", "random"],
    "job-initial": ["stopped", "started"],
    "same-key-two-products": ["off", "on"],
    "business-http": [200, 400],
    "gateway-http": [200, 401],
    "gateway-form": ["message", "envelope"],
    "throttle": ["off", "5/s", "60/min", "1000/h", "1.5/s"],
    "throttle-retry-after": [0, 2],
    "clock-skew": [300, 10],
    "old-token": ["lives", "dies"],
    "auth": ["token", "legacy", "both"],
    "strict-method": ["off", "on"],
}
VALUES = [(name, value) for name, values in DOCUMENTED.items() for value in values]


def test_the_switches_are_the_documented_ones() -> None:
    assert [name.replace("_", "-") for name in Switches.model_fields] == list(DOCUMENTED)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_first_value_is_the_default(name: str) -> None:
    assert getattr(Switches(), name.replace("-", "_")) == DOCUMENTED[name][0]


@pytest.mark.parametrize(("name", "value"), VALUES)
@pytest.mark.parametrize("spell", [to_camel, str])
@pytest.mark.parametrize("kind", [str, lambda value: value], ids=["text", "value"])
def test_each_value_is_taken_under_each_spelling(name: str, value: object, spell: object, kind: object) -> None:
    assert callable(spell)
    assert callable(kind)
    name = name.replace("-", "_")
    assert getattr(Switches().changed({spell(name): kind(value)}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("cancelMode", "some", "cancelMode: Input should be 'atomic' or 'partial'"),
        ("businessHttp", 500, "businessHttp: Input should be 200 or 400"),
        ("gatewayHttp", True, "gatewayHttp: Input should be 200 or 401"),
        ("indexDelay", "-1", "indexDelay: Input should be greater than or equal to 0"),
        ("indexDelay", "nan", "indexDelay: Input should be a finite number"),
        ("indexDelay", None, "indexDelay: Input should be a valid number"),
        ("maxKeys", "2.5", "maxKeys: Input should be a valid integer, unable to parse string as an integer"),
        ("maxKeys", 2.5, "maxKeys: Input should be a valid integer, got a number with a fractional part"),
        ("cancelledMarker", " ", r"cancelledMarker: String should match pattern '\S'"),
        ("cancelledMarker", 5, "cancelledMarker: must be a text: put it in quotes (YAML reads it as 5)"),
        *(
            ("throttle", value, f"throttle: takes off, or a number greater than 0 with /s, /min or /h, not '{value}'")
            for value in (0, -1, "fast", True, None, "5/day", "5/", "0/min", "nan/s", "inf/h", 10**400)
        ),
        ("canselMode", "atomic", "canselMode: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_switch_is_named_with_what_it_takes(name: str, value: object, why: str) -> None:
    with pytest.raises(SetupError) as caught:
        Switches().changed({name: value})
    assert str(caught.value) == why


def test_all_wrong_switches_are_named_at_once_and_nothing_is_changed() -> None:
    with pytest.raises(SetupError) as caught:
        Switches().changed({"cancelMode": 1, "retryTo": "published", "zzz": 1})
    assert [problem.split()[0] for problem in caught.value.problems] == ["cancelMode:", "zzz:"]


@pytest.mark.parametrize("value", [5, 5.0, "5"])
def test_a_plain_number_to_throttle_is_requests_a_second(value: object) -> None:
    assert parse_rate(Switches().changed({"throttle": value}).throttle) == (5, 1)


@pytest.mark.parametrize("name", ["latency", "create-mode"])
def test_a_switch_that_is_not_built_is_not_accepted(name: str) -> None:
    with pytest.raises(SetupError, match="Extra inputs"):
        Switches().changed({name: "on"})


@pytest.mark.parametrize(("value", "meant"), [(False, "off"), (True, "on")])
def test_a_bare_off_or_on_in_yaml_is_understood(value: object, meant: str) -> None:
    assert Switches().changed({"strictMethod": value}).strict_method == meant

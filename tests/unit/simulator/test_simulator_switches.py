"""The switches: their names, their values, and what is said about a wrong one."""

from __future__ import annotations

import dataclasses

import pytest

from enos_simulator.errors import SetupError
from enos_simulator.switches import Switches, camel, kebab, parse_rate

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
    assert [kebab(known.name) for known in dataclasses.fields(Switches)] == list(DOCUMENTED)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_first_value_is_the_default(name: str) -> None:
    assert getattr(Switches(), name.replace("-", "_")) == DOCUMENTED[name][0]


@pytest.mark.parametrize(("name", "value"), VALUES)
@pytest.mark.parametrize(
    "spell", [str, lambda name: camel(name.replace("-", "_")), lambda name: name.replace("-", "_")]
)
@pytest.mark.parametrize("kind", [str, lambda value: value], ids=["text", "value"])
def test_each_value_is_taken_under_each_spelling(name: str, value: object, spell: object, kind: object) -> None:
    assert callable(spell)
    assert callable(kind)
    changed = Switches().changed({spell(name): kind(value)})
    assert getattr(changed, name.replace("-", "_")) == value


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("cancelMode", "some", "cancelMode takes atomic or partial, not 'some'"),
        ("businessHttp", 500, "businessHttp takes 200 or 400, not 500"),
        ("gatewayHttp", True, "gatewayHttp takes 200 or 401, not True"),
        ("indexDelay", "-1", "indexDelay takes a non-negative number, not '-1'"),
        ("indexDelay", "nan", "indexDelay takes a non-negative number, not 'nan'"),
        ("indexDelay", None, "indexDelay takes a non-negative number, not None"),
        ("max-keys", "2.5", "max-keys takes a non-negative whole number, not '2.5'"),
        ("max-keys", 2.5, "max-keys takes a non-negative whole number, not 2.5"),
        ("max_keys", True, "max_keys takes a non-negative whole number, not True"),
        ("cancelledMarker", " ", "cancelledMarker takes a non-empty text, not ' '"),
        ("cancelledMarker", 5, "cancelledMarker takes a non-empty text, not 5"),
        *(
            ("throttle", value, f"throttle takes off, or a number greater than 0 with /s, /min or /h, not {told}")
            for value, told in [
                (0, "0"),
                (-1, "-1"),
                ("fast", "'fast'"),
                (True, "'on'"),
                (None, "None"),
                ("5/day", "'5/day'"),
                ("5/", "'5/'"),
                ("0/min", "'0/min'"),
                ("nan/s", "'nan/s'"),
                ("inf/h", "'inf/h'"),
                (10**400, f"{10**400}"),
            ]
        ),
        ("canselMode", "atomic", "canselMode: unknown switch; did you mean cancelMode?"),
        ("cansel-mode", "atomic", "cansel-mode: unknown switch; did you mean cancelMode?"),
    ],
)
def test_a_wrong_switch_is_named_with_what_it_takes(name: str, value: object, why: str) -> None:
    with pytest.raises(SetupError) as caught:
        Switches().changed({name: value})
    assert str(caught.value) == why


def test_all_wrong_switches_are_named_at_once_and_nothing_is_changed() -> None:
    with pytest.raises(SetupError) as caught:
        Switches().changed({"cancelMode": 1, "retryTo": "published", "zzz": 1})
    assert [problem.split()[0] for problem in caught.value.problems] == ["cancelMode", "zzz:"]


@pytest.mark.parametrize("value", [5, 5.0, "5"])
def test_a_plain_number_to_throttle_is_requests_a_second(value: object) -> None:
    assert parse_rate(Switches().changed({"throttle": value}).throttle) == (5, 1)


@pytest.mark.parametrize("name", ["latency", "create-mode"])
def test_a_switch_that_is_not_built_is_not_accepted(name: str) -> None:
    with pytest.raises(SetupError, match="unknown switch"):
        Switches().changed({name: "on"})


@pytest.mark.parametrize(("value", "meant"), [(False, "off"), (True, "on")])
def test_a_bare_off_or_on_in_yaml_is_understood(value: object, meant: str) -> None:
    assert Switches().changed({"strictMethod": value}).strict_method == meant

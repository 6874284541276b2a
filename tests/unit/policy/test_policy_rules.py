"""The rules of the policy pack."""

from __future__ import annotations

import re
from datetime import date

import pytest
from enos_ota_policies import rules, settings
from enos_ota_policies.sets import UNKNOWN, DeclaredSet, PlannedSet, Unknown

TODAY = date(2026, 11, 23)
TICKET = settings.pattern({})
JOB = ("https://apim.example.com", "o1", "65a1")
OTHER_JOB = (*JOB[:2], "65a2")


def planned(
    name: str,
    *keys: str,
    changes: bool = True,
    identity: tuple[str, ...] = JOB,
    former: tuple[str, ...] = (),
) -> PlannedSet:
    """A set as a preview has it."""
    return PlannedSet(name, (f"urn:{name}", *former), identity, frozenset(keys), changes)


def state(name: str, *keys: str, identity: tuple[str, ...] = JOB) -> rules.Recorded:
    """What is recorded of one set."""
    return {(f"urn:{name}", identity): frozenset(keys)}


@pytest.mark.parametrize("reason", ["INC-4711", "INC-4711: drains the battery", "see OPS2-7, it drains the battery"])
def test_a_reason_with_a_ticket_is_fine(reason: str) -> None:
    assert rules.reason(DeclaredSet("pumps", reason=reason), TICKET) is None


@pytest.mark.parametrize("reason", ["drains the battery", "inc-4711", "INC 4711", "INC-", "2026-11", "4711"])
def test_a_reason_without_a_ticket_is_shown_with_the_pattern(reason: str) -> None:
    assert rules.reason(DeclaredSet("pumps", reason=reason), TICKET) == (
        f"set 'pumps': its reason {reason!r} does not match {TICKET.pattern}. Say why, and under which ticket"
    )


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_set_without_a_reason_is_a_violation(reason: str | None) -> None:
    assert rules.reason(DeclaredSet("pumps", reason=reason), re.compile(".*")) == (
        "set 'pumps': it has no reason; it needs one that matches .*. Say why, and under which ticket"
    )


def test_what_is_not_known_yet_is_no_fault() -> None:
    declared = DeclaredSet("pumps", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
    assert rules.reason(declared, TICKET) is None
    assert rules.guard_and_expectation(declared, "prod", ["prod*"]) is None
    assert rules.expires(declared, TODAY, 180) is None
    assert rules.max_keys([PlannedSet("pumps", ("urn",), (UNKNOWN,), UNKNOWN, changes=True)], 0, None) is None


@pytest.mark.parametrize(("devices", "share"), [(500, None), (None, 0.25), (0, None), (500, UNKNOWN)])
def test_either_limit_is_a_guard(devices: float | None, share: float | Unknown | None) -> None:
    declared = DeclaredSet("pumps", max_devices=devices, max_share=share, expect_firmware_version="2.3.0")
    assert rules.guard_and_expectation(declared, "prod", ["prod*"]) is None


def test_a_protected_stack_asks_for_guard_and_expectation() -> None:
    assert rules.guard_and_expectation(DeclaredSet("pumps"), "prod-eu", ["live", "prod*"]) == (
        "set 'pumps': stack prod-eu is protected (by 'prod*'), so add "
        "a guard (guard: {maxDevices: 500} in the set, or enos-ota:guard for the whole stack) "
        'and the firmware that its job is about (expect: {firmwareVersion: "2.3.0"})'
    )


def test_only_what_is_missing_is_asked_for() -> None:
    without_guard = rules.guard_and_expectation(DeclaredSet("pumps", expect_firmware_version="2"), "prod", ["prod"])
    without_expectation = rules.guard_and_expectation(DeclaredSet("pumps", max_devices=5), "prod", ["prod"])
    assert "firmware" not in str(without_guard)
    assert "guard:" not in str(without_expectation)


@pytest.mark.parametrize(
    ("stack", "patterns"),
    [("dev", ["prod*"]), ("Prod", ["prod*"]), ("preprod", ["prod*"]), ("prod", []), ("prod-eu", ["prod"])],
)
def test_another_stack_is_not_protected(stack: str, patterns: list[str]) -> None:
    assert rules.guard_and_expectation(DeclaredSet("pumps"), stack, patterns) is None


@pytest.mark.parametrize("last", ["2027-05-22", "2026-11-23", "2020-01-01"])
def test_a_last_day_that_is_near_or_over_is_fine(last: str) -> None:
    """An expired set is only reported, and must not keep a stack from being worked on."""
    assert rules.expires(DeclaredSet("pumps", expires=last), TODAY, 180) is None


def test_a_last_day_that_is_too_far_away_is_a_violation_with_the_latest_allowed() -> None:
    assert rules.expires(DeclaredSet("pumps", expires="2027-05-23"), TODAY, 180) == (
        "set 'pumps': it expires on 2027-05-23, in 181 days; 180 are allowed. "
        "Give it a day up to 2027-05-22, and a later one when that day is near"
    )


@pytest.mark.parametrize("last", [None, ""])
def test_a_set_without_a_last_day_gets_a_suggestion(last: str | None) -> None:
    assert rules.expires(DeclaredSet("pumps", expires=last), TODAY, 30) == (
        "set 'pumps': it has no last day. Give it one up to 2026-12-23: expires: \"2026-12-23\""
    )


def test_a_last_day_that_is_no_day_is_a_violation() -> None:
    assert str(rules.expires(DeclaredSet("pumps", expires="soon"), TODAY, 30)) == (
        "set 'pumps': expires is 'soon', which is no day. Write it as 2026-12-23"
    )


def test_as_many_keys_as_are_allowed_are_fine() -> None:
    assert rules.max_keys([planned("pumps", "a", "b"), planned("valves", "c")], 3, {}) is None


def test_the_keys_of_all_sets_are_counted_together() -> None:
    assert rules.max_keys([planned("pumps", "a", "b"), planned("valves", "c")], 2, {}) == (
        "this change adds 3 device keys (pumps: 2, valves: 1); one change may add 2. "
        "Split the change, or let the owner of this policy raise maxKeys"
    )


def test_a_set_that_stays_as_it_is_does_not_count() -> None:
    assert rules.max_keys([planned("pumps", "a", "b", changes=False), planned("valves", "c")], 1, None) is None


def test_of_a_set_that_changes_only_new_keys_count() -> None:
    assert rules.max_keys([planned("pumps", "a", "b", "c")], 1, state("pumps", "a", "b")) is None


def test_keys_that_are_taken_out_make_no_room_for_others() -> None:
    assert "adds 1 device key (" in str(rules.max_keys([planned("pumps", "b")], 0, state("pumps", "a")))


def test_keys_of_another_job_are_other_keys() -> None:
    change = planned("pumps", "a", "b", identity=OTHER_JOB)
    assert rules.max_keys([change], 1, state("pumps", "a", "b")) is not None


def test_a_set_that_was_renamed_brings_its_keys_along() -> None:
    change = planned("pumps", "a", "b", former=("urn:old",))
    assert rules.max_keys([change], 0, state("old", "a", "b")) is None


def test_without_the_state_all_keys_of_a_changed_set_count_and_the_message_says_so() -> None:
    violation = rules.max_keys([planned("pumps", "a", "b", "c")], 1, None)
    assert str(violation).startswith(
        "this change adds up to 3 device keys (pumps: 3); one change may add 1. The state could"
    )
    assert "keys of a new set" in str(violation)


def test_a_message_names_the_largest_sets_only() -> None:
    sets = [planned(f"set-{number}", *map(str, range(number))) for number in range(1, 9)]
    assert "(set-8: 8, set-7: 7, set-6: 6, set-5: 5, set-4: 4 and 3 more sets)" in str(rules.max_keys(sets, 0, {}))

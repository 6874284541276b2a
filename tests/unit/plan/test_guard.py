"""The guard counts what would be sent and fails closed; an expectation that cannot be checked is broken."""

from __future__ import annotations

from typing import Any

import pytest

from enos_ota.plan.codes import Code
from enos_ota.plan.guard import (
    BREAK_GLASS,
    Guard,
    break_glass,
    firmware_objection,
    guard_objection,
    limit_problems,
    strictest,
)
from enos_ota.plan.messages import describe_limits, describe_objection

NAMES = ("maxDevices", "maxShare")
WAYS_OUT = "raise the guard in the stack file, split the change, or set ENOS_OTA_BREAK_GLASS=<reason> for this run"


@pytest.mark.parametrize(
    ("guard", "count", "total"),
    [
        (Guard(), 1_000_000, None),
        (Guard(max_devices=5), 5, None),
        (Guard(max_devices=0), 0, None),
        (Guard(max_share=0.25), 2, 8),
        (Guard(max_share=1), 8, 8),
        (Guard(max_devices=5, max_share=0.5), 5, 10),
        # Nothing is sent, so that nothing needs to be known.
        (Guard(max_share=0.25), 0, None),
    ],
)
def test_a_change_within_its_limits_is_let_through(guard: Guard, count: int, total: int | None) -> None:
    assert guard_objection(guard, count, total) is None


@pytest.mark.parametrize(
    ("guard", "count", "total", "why"),
    [
        (Guard(max_devices=5), 6, 100, "6 devices: at most 5 may be (maxDevices)"),
        (Guard(max_devices=0), 1, 100, "1 device: at most 0 may be (maxDevices)"),
        (Guard(max_share=0.25), 3, 8, "3 devices: at most 2 of the job's 8 tasks may be (maxShare 0.25)"),
        (Guard(max_share=0.5), 1, 1, "1 device: at most 0 of the job's 1 task may be (maxShare 0.5)"),
        (
            Guard(max_devices=2, max_share=0.1),
            3,
            20,
            "3 devices: at most 2 may be (maxDevices) and at most 2 of the job's 20 tasks may be (maxShare 0.1)",
        ),
    ],
)
def test_a_change_beyond_a_limit_is_stopped_with_numbers_and_ways_out(
    guard: Guard, count: int, total: int, why: str
) -> None:
    objection = guard_objection(guard, count, total)
    assert objection
    assert (objection.code, objection.count) == (Code.GUARD_EXCEEDED, count)
    assert describe_objection(objection) == f"the guard stops this change, which would cancel {why}; {WAYS_OUT}"


def test_the_limits_can_be_told_of_any_other_act_as_well() -> None:
    assert describe_limits(Guard(max_devices=5, max_share=0.5), 6, 20) == "at most 5 may be (maxDevices)"
    assert describe_limits(Guard(max_devices=5, max_share=0.5), 5, 20) == ""


def test_a_share_of_an_unknown_number_of_tasks_is_not_allowed() -> None:
    guard = Guard(max_share=0.99)
    assert guard.is_exceeded(1, None)
    assert "how many tasks the job has is not known, so maxShare 0.99 cannot be checked" in describe_limits(
        guard, 1, None
    )


@pytest.mark.parametrize("hundredths", range(1, 101))
def test_a_share_is_reckoned_as_it_is_written(hundredths: int) -> None:
    """Floating point would allow 28 of 100 with 0.29."""
    guard = Guard(max_share=hundredths / 100)
    assert not guard.is_exceeded(hundredths, 100)
    assert guard.is_exceeded(hundredths + 1, 100)


@pytest.mark.parametrize(
    ("guard", "is_set"), [(Guard(), False), (Guard(max_devices=0), True), (Guard(max_share=0.5), True)]
)
def test_a_guard_with_any_limit_is_set(guard: Guard, is_set: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert guard.is_set is is_set


@pytest.mark.parametrize(
    ("max_devices", "max_share"), [(None, None), (0, 1), (500, 0.25), (500.0, 1.0), (10_000_000, 1e-6)]
)
def test_numbers_that_make_sense_are_taken(max_devices: Any, max_share: Any) -> None:
    assert limit_problems(max_devices, max_share, names=NAMES) == []


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "5", float("inf"), float("nan")])
def test_a_number_of_devices_that_makes_none_is_named(wrong: Any) -> None:
    assert limit_problems(wrong, None, names=NAMES) == [f"maxDevices must be a whole number from 0 on, not {wrong!r}"]


def test_a_share_in_percent_is_told_how_to_write_it() -> None:
    (problem,) = limit_problems(None, 25, names=NAMES)
    assert problem == "maxShare must be more than 0 and at most 1, not 25; for 25 % write 0.25"


@pytest.mark.parametrize("wrong", [0, -0.5, 1.01, 101, True, "0.5", float("inf"), float("nan")])
def test_a_share_that_makes_none_is_named(wrong: Any) -> None:
    assert limit_problems(None, wrong, names=NAMES) == [f"maxShare must be more than 0 and at most 1, not {wrong!r}"]


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, ""),
        ({BREAK_GLASS: ""}, ""),
        ({BREAK_GLASS: "  \n"}, ""),
        ({BREAK_GLASS: " INC-4711:\nfire in site 7\x1b[31m "}, "INC-4711: fire in site 7 [31m"),
    ],
)
def test_the_guard_is_overridden_for_a_reason_only(environ: dict[str, str], reason: str) -> None:
    assert break_glass(environ) == reason


@pytest.mark.parametrize(("expected", "job_version"), [(None, "2.3.0"), ("", ""), (None, ""), ("2.3.0", "2.3.0")])
def test_a_job_that_is_as_expected_is_let_through(expected: str | None, job_version: str) -> None:
    assert firmware_objection(expected, job_version) is None


@pytest.mark.parametrize("job_version", ["2.4.0", "2.3", "2.3.0-rc1"])
def test_a_job_about_another_firmware_is_refused(job_version: str) -> None:
    objection = firmware_objection("2.3.0", job_version)
    assert objection
    assert objection.code is Code.FIRMWARE_MISMATCH
    assert describe_objection(objection) == (
        f"firmware 2.3.0 is expected, but the job is about {job_version}: check jobId and `expect`"
    )


def test_a_job_that_names_no_firmware_is_refused_where_one_is_expected() -> None:
    objection = firmware_objection("2.3.0", "")
    assert objection
    assert objection.code is Code.FIRMWARE_UNKNOWN
    assert "EnOS does not say which firmware the job is about" in describe_objection(objection)


@pytest.mark.parametrize(
    ("guards", "expected"),
    [
        ((), Guard()),
        ((Guard(), Guard(max_devices=0)), Guard(max_devices=0)),
        ((Guard(5, 0.1), Guard(3, 0.9), Guard()), Guard(3, 0.1)),
    ],
)
def test_of_several_guards_each_limit_is_the_smallest(guards: tuple[Guard, ...], expected: Guard) -> None:
    assert strictest(guards) == expected

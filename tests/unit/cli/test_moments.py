"""Moments that EnOS tells, as ages and as times."""

from __future__ import annotations

import pytest

from enos_ota.cli.rows import age, in_utc

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 min"),
        (59, "0 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
        (10_000_000, "115 d"),
    ],
)
def test_an_age_is_told_in_the_unit_that_says_most(seconds: int, told: str) -> None:
    assert age((NOW - seconds) * 1000, NOW) == told


def test_a_moment_is_written_as_iso_8601_in_utc() -> None:
    assert in_utc(1_796_099_761_250) == "2026-12-01T04:36:01.250Z"


def test_a_moment_that_enos_does_not_tell_is_empty() -> None:
    assert (age(None, NOW), in_utc(None)) == ("", "")


@pytest.mark.parametrize("moment", [10**400, -(10**400), 253_402_300_800_000])
def test_a_number_that_is_no_moment_breaks_nothing(moment: int) -> None:
    assert age(moment, NOW).endswith((" min", " d"))
    assert in_utc(moment) == ""

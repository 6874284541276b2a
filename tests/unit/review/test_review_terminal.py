"""The report on a terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from enos_ota.review.model import Effect, KeyReport, ReviewReport
from enos_ota.review.terminal import render
from enos_ota.review.text import key
from tests.harness import reports
from tests.harness.any_report import HOSTILE
from tests.harness.any_report import reports as any_report

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def with_keys(*keys: str) -> ReviewReport:
    one = reports.first_preview()
    shown = tuple(KeyReport(device_key=key, effect=Effect.CANCEL, status="init") for key in keys)
    return one.model_copy(update={"sets": (one.sets[0].model_copy(update={"keys": shown, "counts": {}}),)})


@pytest.mark.parametrize("case", [case for case in reports.CASES if case != "hostile"])
def test_the_verdict_is_the_first_line(case: str) -> None:
    report = reports.CASES[case]()
    first, *_ = render(report, width=200).splitlines()
    assert first.endswith(f"  {report.headline}")


@settings(max_examples=50)
@given(any_report(), st.integers(40, 160))
def test_no_line_is_wider_than_the_terminal(report: ReviewReport, width: int) -> None:
    assert all(cell_len(line) <= width for line in render(report, width=width).split("\n"))


@settings(max_examples=50)
@given(any_report())
def test_nothing_of_a_report_acts_on_the_terminal(report: ReviewReport) -> None:
    assert all(line.isprintable() for line in render(report).split("\n"))
    assert all(line.isprintable() for line in _STYLE.sub("", render(report, color=True)).split("\n"))


def test_colours_are_all_that_colour_adds() -> None:
    report = reports.several_sets()
    coloured = render(report, color=True)
    assert _STYLE.search(coloured)
    assert [line.rstrip() for line in _STYLE.sub("", coloured).splitlines()] == render(report).splitlines()


@pytest.mark.parametrize("name", ["NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "JPY_PARENT_PID"])
@pytest.mark.parametrize("color", [False, True])
def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch, name: str, color: bool) -> None:  # noqa: FBT001 - a parameter
    before = render(reports.drift(), color=color)
    monkeypatch.setenv(name, "1")
    assert render(reports.drift(), color=color) == before


def test_markup_of_rich_is_text() -> None:
    assert "'[bold red]x[/]'" in render(with_keys("[bold red]x[/]"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strange_key_is_shown_whole(text: str) -> None:
    assert key(text) in render(with_keys(text), width=2000)


def test_keys_that_only_differ_in_what_is_invisible_look_different() -> None:
    text = render(with_keys("dk-01", "dk-01\u200b", "dk-01 ", r"dk-01\u200b"))
    lines = text[text.index("Keys of set") :].splitlines()[2:6]
    assert len({line.split("init")[0] for line in lines}) == 4


def test_of_many_keys_a_few_are_listed_and_a_command_lists_all() -> None:
    text = render(reports.many_keys(3_000))
    assert len(text.splitlines()) < 60
    assert "… 2 970 more" in text
    assert text.endswith("All keys: enos-ota review --stack prod --format html --out review.html\n")


def test_a_number_is_never_broken_over_two_lines() -> None:
    for width in range(40, 120):
        text = render(reports.many_keys(3_000), width=width)
        assert "2 980 of" in " ".join(text.split("\n"))
        assert not re.search(r"\b2$", text, re.MULTILINE)

"""Colours of the review: they say how exposed a device is, in every format, and never alone."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

import pytest

from enos_ota.enos import TaskStatus
from enos_ota.review import html, markdown, terminal
from enos_ota.review.exposure import EFFECTS, Exposure, of_status
from enos_ota.review.model import Effect, ReviewReport, StatusCount
from tests.harness import reports

ANSI: Final = {
    Exposure.RUNS: "1;31",
    Exposure.UPGRADING: "1;31",
    Exposure.WAITING: "1;33",
    Exposure.CANCELLED: "1;34",
    Exposure.UNKNOWN: "1",
}
SQUARES: Final = dict(zip(Exposure, "🟥🟧🟨🟦⬜", strict=True))
HUES: Final = {Exposure.RUNS: "red", Exposure.UPGRADING: "red", Exposure.WAITING: "red", Exposure.CANCELLED: "blue"}
CSS: Final = files("enos_ota.review.html").joinpath("page.css").read_text(encoding="utf-8")

EACH_STATUS = pytest.mark.parametrize("status", [*(each.value for each in TaskStatus), "paused"])
EACH_EFFECT = pytest.mark.parametrize("effect", Effect)


def with_status(status: str) -> ReviewReport:
    """Return a report on a job whose tasks all have one status."""
    report = reports.first_preview()
    counts = (StatusCount(status=status, tasks=7777),)
    job = report.jobs[0].model_copy(update={"by_status": counts, "total": None})
    one = report.sets[0].model_copy(update={"will_cancel_by": (), "counts": {}})
    return report.model_copy(update={"jobs": (job,), "sets": (one,)})


def with_effect(effect: Effect) -> ReviewReport:
    """Return a report on a set whose keys all have one effect."""
    report = reports.first_preview()
    (one,) = report.sets
    key = one.keys[0].model_copy(update={"effect": effect})
    changed = one.model_copy(update={"keys": (key,), "counts": {effect: 7777}, "warnings": ()})
    return report.model_copy(update={"sets": (changed,)})


def test_devices_that_run_the_firmware_are_worst_and_cancelled_ones_best() -> None:
    assert [of_status(each) for each in ("succeeded", "upgrading", "published", "init", "failed")] == [
        Exposure.RUNS, Exposure.UPGRADING, Exposure.WAITING, Exposure.WAITING, Exposure.UNKNOWN
    ]  # fmt: skip
    assert EFFECTS[Effect.ESCAPED].exposure is EFFECTS[Effect.TOO_LATE].exposure is Exposure.RUNS
    assert EFFECTS[Effect.CANCELLED].exposure is Exposure.CANCELLED


def test_every_effect_has_an_exposure() -> None:
    assert set(EFFECTS) == set(Effect)


@EACH_STATUS
def test_the_terminal_colours_the_number_of_a_status_beside_its_name(status: str) -> None:
    line = next(line for line in terminal.render(with_status(status), color=True).splitlines() if "7 777" in line)
    assert f"\x1b[{ANSI[of_status(status)]}m7 777\x1b[0m" in line
    assert status in line
    assert not re.search(r"\x1b\[(?:[0-9]+;)*[39]2m", line)


@EACH_EFFECT
def test_the_terminal_colours_keys_by_effect(effect: Effect) -> None:
    text = terminal.render(with_effect(effect), color=True)
    (line,) = [line for line in text[text.index("Keys of") :].splitlines() if "7 777" in line]
    assert f"\x1b[{ANSI[EFFECTS[effect].exposure]}m7 777\x1b[0m" in line
    assert effect.value in line


@EACH_STATUS
def test_markdown_puts_a_square_before_the_number_of_a_status(status: str) -> None:
    name = "failed or cancelled" if status == "failed" else f"`{status}`"
    assert f"{SQUARES[of_status(status)]} **7 777** {name}" in markdown.render(with_status(status))


@EACH_EFFECT
def test_markdown_puts_a_square_before_keys_by_effect(effect: Effect) -> None:
    assert f"<summary>{SQUARES[EFFECTS[effect].exposure]} 7 777 {effect.value}" in markdown.render(with_effect(effect))


@EACH_STATUS
def test_the_page_colours_bar_and_legend_of_a_status_and_names_it(status: str) -> None:
    page = html.render(with_status(status))
    kind = f"exposure-{of_status(status).value}"
    number = "7\N{NARROW NO-BREAK SPACE}777"
    assert re.search(rf'<svg class="{kind}" [^>]*>.*?{number} {status}</text>', page)
    assert f'<svg class="swatch {kind}"' in page


@EACH_EFFECT
def test_the_page_colours_keys_by_effect(effect: Effect) -> None:
    page = html.render(with_effect(effect))
    exposure = EFFECTS[effect].exposure.value
    assert f'{{"name":"{effect.value}",' in page
    assert re.search(rf'"name":"{effect.value}","meaning":"[^"]*","exposure":"{exposure}"', page)
    assert f'<b class="exposure-{exposure}">7\N{NARROW NO-BREAK SPACE}777</b> {effect.value}' in page


@pytest.mark.parametrize("exposure", HUES)
def test_the_page_has_no_green_exposure_in_light_or_dark(exposure: Exposure) -> None:
    colours = re.findall(rf"--{exposure.value}(?:-fill)?: #([0-9a-f]{{6}});", CSS)
    assert len(colours) == 4
    for colour in colours:
        channels = dict(zip(("red", "green", "blue"), bytes.fromhex(colour), strict=True))
        assert max(channels, key=channels.__getitem__) == HUES[exposure], colour


def test_statuses_of_one_colour_differ_by_hatching() -> None:
    fills = [set(re.findall(r"url\(#(bar-[a-z]+)\)", html.render(with_status(each)))) for each in ("init", "published")]
    assert fills == [{"bar-init"}, {"bar-published"}]


def test_every_hatching_of_a_bar_is_on_the_page() -> None:
    page = html.render(reports.first_preview())
    assert set(re.findall(r"url\(#([a-z-]+)\)", page)) <= set(re.findall(r'<pattern id="([a-z-]+)"', page))


def test_every_format_names_the_file_of_a_set() -> None:
    report = reports.several_sets().with_files({"pump-north": "stacks/prod/pump-north.yaml"})
    assert "File       stacks/prod/pump-north.yaml" in re.sub(" +", " " * 7, terminal.render(report))
    assert "**File:** `stacks/prod/pump-north.yaml`" in markdown.render(report)
    assert "<bdi>stacks/prod/pump-north.yaml</bdi>" in html.render(report)
    assert [each.file for each in report.sets] == ["stacks/prod/pump-north.yaml", "", "", ""]

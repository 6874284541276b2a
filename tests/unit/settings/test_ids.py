"""An id that was copied with quotation marks or invisible characters looks right and names nothing: it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.settings import ids
from tests.harness.stack_project import BASE

if TYPE_CHECKING:
    from tests.harness.stack_project import Project


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("\u201c65a1\u201d", "U+201C LEFT DOUBLE QUOTATION MARK"),
        ("65a1\u2019", "U+2019 RIGHT SINGLE QUOTATION MARK"),
        ("\u201e65a1", "U+201E DOUBLE LOW-9 QUOTATION MARK"),
        ("\u00ab65a1\u00bb", "U+00AB LEFT-POINTING DOUBLE ANGLE QUOTATION MARK"),
        ("'65a1'", "U+0027 APOSTROPHE"),
        ('"65a1"', "U+0022 QUOTATION MARK"),
        ("65\u200ba1", "U+200B ZERO WIDTH SPACE"),
        ("\ufeff65a1", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("65\u00ada1", "U+00AD SOFT HYPHEN"),
        ("65\u202ea1", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("65\u3164a1", "U+3164 HANGUL FILLER"),
        ("65 a1", "U+0020 SPACE"),
        ("65\u00a0a1", "U+00A0 NO-BREAK SPACE"),
        ("65\na1", "U+000A"),
        ("65\ue000a1", "U+E000"),
    ],
)
def test_what_no_id_has_is_named(text: str, odd: str) -> None:
    assert ids.problem(text) == f"contains {odd}; ids never contain it: remove it"


@pytest.mark.parametrize("text", ["65a1b2c3d4e5f60718293a4b", "o16172478070561926", "a.b_c:d/\u00e9\u9375"])
def test_an_id_that_shows_is_fine(text: str) -> None:
    assert ids.problem(text) == ""


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("enos:orgId: \u201co1\u201d", "enos:orgId"),
        ("enos:appKey: ke\u200by", "enos:appKey"),
        ("enos-ota:cancelledTaskSets: [{name: a, jobId: \u201865a1\u2019, deviceKeys: [dk-01]}]", 'set "a": jobId'),
    ],
)
def test_every_id_of_a_configuration_is_looked_at(project: Project, config: str, named: str) -> None:
    project.write(BASE.replace("enos:orgId: o16172478070561926\n", "") + config + "\n")
    assert any(f"{named} contains U+" in problem for problem in project.problems())


@pytest.mark.parametrize("command", [("tasks",), ("stop", "--reason", "x"), ("doctor",)], ids=lambda words: words[0])
def test_a_job_that_is_named_on_the_command_line_is_looked_at(command: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(main, [*command, "--job", "\u201c65a1\u201d"], prog_name="enos-ota")
    assert ended.exit_code == 2
    assert "it contains U+201C LEFT DOUBLE QUOTATION MARK; ids never contain it" in ended.stderr

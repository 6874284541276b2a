"""`enos-ota review --out FILE`: the file is whole, or as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.review import reviewing
from tests.harness import reports
from tests.harness.fulldisk import files_up_to

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_review_that_does_not_fit_on_the_disk_is_3_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewing, "review", lambda *_, **__: reports.drift())
    file = tmp_path / "review.md"
    file.write_text("old\n")
    with files_up_to(100):
        ended = CliRunner().invoke(main, ["review", "--format", "markdown", "--out", str(file)])
    assert (ended.exit_code, ended.stderr) == (3, f"Error: {file} cannot be written: File too large\n")
    assert (file.read_text(), [each.name for each in tmp_path.iterdir()]) == ("old\n", ["review.md"])

"""A policy pack that cannot start is reported before Pulumi runs, which would wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.engine.preview_run import obstacle

if TYPE_CHECKING:
    from pathlib import Path


def a_pack(folder: Path, text: str) -> Path:
    pack = folder / "policy"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text(text, encoding="utf-8")
    return pack


def test_a_pack_without_its_environment_cannot_start(tmp_path: Path) -> None:
    pack = a_pack(tmp_path, "runtime: {name: python, options: {virtualenv: ../.venv}}\n")
    said = obstacle(pack)
    assert f"means {tmp_path / '.venv'}, which is no virtual environment" in said
    assert str(pack) in said


def test_a_directory_without_a_python_is_no_environment(tmp_path: Path) -> None:
    pack = a_pack(tmp_path, "runtime: {name: python, options: {virtualenv: ../.venv}}\n")
    (tmp_path / ".venv").mkdir()
    assert "no virtual environment" in obstacle(pack)


def test_a_pack_with_its_environment_can_start(tmp_path: Path) -> None:
    pack = a_pack(tmp_path, "runtime: {name: python, options: {virtualenv: ../.venv}}\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    assert obstacle(pack) == ""


def test_an_environment_may_be_named_by_its_whole_path(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    pack = a_pack(tmp_path, f"runtime: {{name: python, options: {{virtualenv: '{elsewhere}'}}}}\n")
    assert str(elsewhere) in obstacle(pack)


@pytest.mark.parametrize(
    "text",
    ["", "runtime: python\n", "runtime: {name: nodejs}\n", "runtime: {options: [1]}\n", "- 1\n", "a: [\n", "\x00"],
    ids=["empty", "by-name", "no-options", "odd-options", "a-list", "broken", "no-text"],
)
def test_of_what_names_no_environment_pulumi_says_what_is_wrong(tmp_path: Path, text: str) -> None:
    assert obstacle(a_pack(tmp_path, text)) == ""


def test_of_a_pack_that_is_not_there_pulumi_says_so(tmp_path: Path) -> None:
    assert obstacle(tmp_path / "nowhere") == ""

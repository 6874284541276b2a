"""When a virtual environment is made, and when it is left alone."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from toolchain import venv
from toolchain.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = "3.11"


@pytest.fixture
def recipe(tmp_path: Path) -> venv.Recipe:
    """A complete environment, as far as the stamp tells."""
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text(f"{name}\n")
    made = venv.locked(tmp_path)
    (made.folder / "bin").mkdir(parents=True)
    (made.folder / "bin" / "python").touch(0o755)
    (made.folder / venv.STAMP).write_text(venv.stamp(made, PYTHON))
    return made


def test_a_complete_environment_is_left_alone(recipe: venv.Recipe) -> None:
    assert venv.stale(recipe, PYTHON) is None


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_makes_it_stale(recipe: venv.Recipe, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("changed\n")
    assert venv.stale(recipe, PYTHON) == f"{name} has changed"


def test_two_changed_files_are_both_named(recipe: venv.Recipe, tmp_path: Path) -> None:
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("changed\n")
    assert venv.stale(recipe, PYTHON) == "requirements.lock and pyproject.toml have changed"


def test_another_python_makes_it_stale(recipe: venv.Recipe) -> None:
    assert venv.stale(recipe, "3.12") == "python3 is now 3.12, was 3.11"


def test_a_checkout_that_was_moved_makes_it_stale(recipe: venv.Recipe, tmp_path: Path) -> None:
    moved = recipe.folder.rename(tmp_path / "moved")
    there = dataclasses.replace(recipe, folder=moved)
    assert venv.stale(there, PYTHON) == "the checkout was moved"


def test_other_installs_make_it_stale(recipe: venv.Recipe) -> None:
    more = dataclasses.replace(recipe, installs=(*recipe.installs, ("one-more",)))
    assert venv.stale(more, PYTHON) == "what is installed has changed"


def test_one_that_was_interrupted_has_no_stamp_and_is_made_again(recipe: venv.Recipe) -> None:
    (recipe.folder / venv.STAMP).unlink()
    assert venv.stale(recipe, PYTHON) == ".venv is not complete"


def test_one_whose_python_is_gone_is_made_again(recipe: venv.Recipe) -> None:
    (recipe.folder / "bin" / "python").unlink()
    assert venv.stale(recipe, PYTHON) == "the python of .venv is gone"


def test_one_with_a_stamp_of_another_form_is_made_again(recipe: venv.Recipe) -> None:
    (recipe.folder / venv.STAMP).write_text(f"{'0' * 64}\n")
    assert venv.stale(recipe, PYTHON) == ".venv is of an earlier version of enos-ota"


def test_the_first_time_needs_no_reason(recipe: venv.Recipe) -> None:
    shutil.rmtree(recipe.folder)
    assert venv.stale(recipe, PYTHON) == ""


def test_the_reason_is_told_once_and_a_patch_of_python_is_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A real environment, into which nothing is installed."""
    (tmp_path / "requirements.lock").write_text("one\n")
    recipe = venv.Recipe(tmp_path / ".venv", (tmp_path / "requirements.lock",), ())
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    venv.ensure(recipe, environ, Progress())
    assert "anew" not in capfd.readouterr().err
    (tmp_path / "requirements.lock").write_text("two\n")
    venv.ensure(recipe, environ, Progress())
    venv.ensure(recipe, environ, Progress())
    assert capfd.readouterr().err == "Making .venv anew: requirements.lock has changed.\n"
    stamped = (recipe.folder / venv.STAMP).read_text()
    assert stamped.splitlines()[0] == "python3 {}.{}".format(*sys.version_info[:2])


def test_what_ci_installs_is_checked_against_hashes(tmp_path: Path) -> None:
    assert venv.locked(tmp_path).installs[0] == ("--require-hashes", "-r", str(tmp_path / "requirements.lock"))


def test_the_newest_environment_is_another_one(tmp_path: Path) -> None:
    assert venv.newest(tmp_path).folder != venv.locked(tmp_path).folder


PROJECT = """\
[project]
dependencies = [
    "click>=8.4", # a comment
    "pulumi>=3.250,<4",
    "ruamel.yaml>=0.18",
]

[project.optional-dependencies]
simulator = [
    "lark>=1.2.1",
]

[dependency-groups]
dev = [
    "build>=1.2",
]
"""

LOCK = """\
click==8.5.1 \\
    --hash=sha256:00
hypothesis==6.168.5 ; python_full_version < '3.11' \\
    --hash=sha256:01
hypothesis==6.170.15 ; python_full_version >= '3.11' \\
    --hash=sha256:02
"""


def test_the_lowest_versions_are_those_of_pyproject_for_what_users_need() -> None:
    assert venv.lower_bounds(PROJECT) == ("click==8.4", "pulumi==3.250", "ruamel.yaml==0.18", "lark==1.2.1")


def test_the_lowest_versions_are_tested_with_tools_from_the_lock(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements.lock").write_text(LOCK)
    assert venv.lowest(tmp_path).installs[0] == (
        *venv.lower_bounds(PROJECT),
        "hypothesis==6.168.5 ; python_full_version < '3.11'",
        "hypothesis==6.170.15 ; python_full_version >= '3.11'",
    )


def test_a_change_of_the_lock_makes_the_lowest_environment_anew_only_where_a_test_tool_changed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements.lock").write_text(LOCK)
    before = venv.stamp(venv.lowest(tmp_path), PYTHON)
    (tmp_path / "requirements.lock").write_text(LOCK.replace("8.5.1", "8.6"))
    assert venv.stamp(venv.lowest(tmp_path), PYTHON) == before
    (tmp_path / "requirements.lock").write_text(LOCK.replace("6.170.15", "6.170.16"))
    assert venv.stamp(venv.lowest(tmp_path), PYTHON) != before

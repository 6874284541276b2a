"""When a virtual environment is made, and when it is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolchain import venv

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = "3.11.7"


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
    assert venv.is_current(recipe, PYTHON)


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_makes_it_stale(recipe: venv.Recipe, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("changed\n")
    assert not venv.is_current(recipe, PYTHON)


def test_another_python_makes_it_stale(recipe: venv.Recipe) -> None:
    assert not venv.is_current(recipe, "3.12.0")


def test_one_that_was_interrupted_has_no_stamp_and_is_made_again(recipe: venv.Recipe) -> None:
    (recipe.folder / venv.STAMP).unlink()
    assert not venv.is_current(recipe, PYTHON)


def test_one_whose_python_is_gone_is_made_again(recipe: venv.Recipe) -> None:
    (recipe.folder / "bin" / "python").unlink()
    assert not venv.is_current(recipe, PYTHON)


def test_what_ci_installs_is_checked_against_hashes(tmp_path: Path) -> None:
    assert venv.locked(tmp_path).installs[0] == ("--require-hashes", "-r", str(tmp_path / "requirements.lock"))


def test_the_newest_environment_is_another_one(tmp_path: Path) -> None:
    assert venv.newest(tmp_path).folder != venv.locked(tmp_path).folder

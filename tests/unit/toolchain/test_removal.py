"""Nothing is ever deleted through a link: what it leads to is another checkout's, or another program's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from toolchain import commands, dist, venv
from toolchain.errors import ToolchainError
from toolchain.progress import Progress
from toolchain.removal import remove


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A directory of somebody else's, with a file in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "precious").write_text("kept", encoding="utf-8")
    return folder


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which nothing was made yet."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.setattr(commands, "CHECKOUT", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def whole(folder: Path) -> bool:
    return [(file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir()] == [("precious", "kept")]


@pytest.mark.parametrize("name", [".venv", ".venv-newest", ".venv-lowest"])
def test_an_environment_that_is_a_link_is_not_made_anew(checkout: Path, elsewhere: Path, name: str) -> None:
    """`venv --clear` would empty what the link leads to."""
    (checkout / name).symlink_to(elsewhere)
    with pytest.raises(ToolchainError) as told:
        venv.ensure(venv.Recipe(checkout / name, (), ()), os.environ, Progress())
    assert str(told.value) == (
        f"{checkout / name} is a link to {elsewhere}, where making an environment would delete what is there. "
        f"Nothing was changed. Remove the link (rm {checkout / name}) and run the same command again."
    )
    assert whole(elsewhere)


def test_an_environment_that_is_a_link_to_nothing_is_told_as_the_link_that_it_is(checkout: Path) -> None:
    (checkout / ".venv").symlink_to("gone")
    with pytest.raises(ToolchainError, match=r"\.venv is a link to gone, where"):
        venv.ensure(venv.Recipe(checkout / ".venv", (), ()), os.environ, Progress())


def test_another_environment_keeps_its_stamp_and_its_packages(checkout: Path, elsewhere: Path) -> None:
    """Without its stamp it would be made anew; pip would install into it."""
    (elsewhere / "precious").unlink()
    progress, made = Progress(), venv.Recipe(elsewhere, (), ())
    venv.ensure(made, os.environ, progress)
    before = (elsewhere / venv.STAMP).read_text(encoding="utf-8")
    (checkout / ".venv").symlink_to(elsewhere)
    with pytest.raises(ToolchainError, match="is a link to"):
        venv.ensure(venv.Recipe(checkout / ".venv", (), (("no-such-package",),)), os.environ, progress)
    assert (elsewhere / venv.STAMP).read_text(encoding="utf-8") == before


def test_a_file_in_the_place_of_an_environment_is_told_as_that_and_kept(checkout: Path) -> None:
    (checkout / ".venv").write_text("kept", encoding="utf-8")
    with pytest.raises(ToolchainError, match=r"\.venv is not a directory\. Remove it and run the same command again\."):
        venv.ensure(venv.Recipe(checkout / ".venv", (), ()), os.environ, Progress())
    assert (checkout / ".venv").read_text(encoding="utf-8") == "kept"


def test_python_is_not_blamed_for_every_failure(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no missing package."""
    monkeypatch.setattr(sys, "_base_executable", "/bin/false", raising=False)
    with pytest.raises(
        ToolchainError, match=r"\nIf Python's venv module is missing, on Debian and Ubuntu: apt install"
    ):
        venv.ensure(venv.Recipe(checkout / ".venv", (), ()), os.environ, Progress())


@pytest.mark.parametrize("name", [*commands.LEFT_BY_TOOLS, "enos_ota/__pycache__"])
def test_clean_removes_a_link_and_keeps_what_it_leads_to(checkout: Path, elsewhere: Path, name: str) -> None:
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).symlink_to(elsewhere)
    assert commands.main(["clean"]) == 0
    assert not (checkout / name).is_symlink()
    assert whole(elsewhere)


def test_clean_goes_through_no_directory_that_is_a_link(checkout: Path, elsewhere: Path) -> None:
    (elsewhere / "precious").unlink()
    (elsewhere / "__pycache__").mkdir()
    (checkout / "sources").symlink_to(elsewhere)
    assert commands.main(["clean"]) == 0
    assert (elsewhere / "__pycache__").is_dir()


@pytest.mark.usefixtures("checkout")
def test_clean_removes_a_shared_engine_that_is_a_link_as_a_link(elsewhere: Path, tmp_path: Path) -> None:
    """As where the cache was moved to a larger disk."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "enos-ota").symlink_to(elsewhere)
    assert commands.main(["clean", "--engine"]) == 0
    assert not (tmp_path / "cache" / "enos-ota").is_symlink()
    assert whole(elsewhere)


def test_clean_covers_every_environment_that_make_test_makes(checkout: Path) -> None:
    for name in ("pyproject.toml", "requirements.lock"):
        (checkout / name).write_text("", encoding="utf-8")
    made = {recipe(checkout).folder.name for recipe in (venv.locked, venv.newest, venv.lowest)}
    assert made <= set(commands.LEFT_BY_TOOLS)


def test_a_build_goes_into_a_directory_of_its_own(checkout: Path, elsewhere: Path) -> None:
    """A `dist` that is a link is replaced, and nothing in it can pass for what was built."""
    (checkout / "dist").symlink_to(elsewhere)
    with pytest.raises(ToolchainError):  # there is nothing to build here
        dist.build(checkout, Path(sys.executable), os.environ, Progress())
    assert not (checkout / "dist").is_symlink()
    assert whole(elsewhere)


def test_what_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`clean` must not say that it removed what is still there."""
    (tmp_path / "folder").mkdir()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(ToolchainError, match="folder cannot be removed: Permission denied"):
        remove(tmp_path / "folder")


def test_what_is_not_there_needs_no_removal(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")

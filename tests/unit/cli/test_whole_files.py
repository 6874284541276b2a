"""A file is written whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from enos_ota.devicekeys import files


def test_a_file_gets_its_directory_and_its_content(tmp_path: Path) -> None:
    files.replace(tmp_path / "a" / "b.txt", b"new\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"new\n"


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "b.txt"
    file.write_text("old")
    file.chmod(0o640)
    files.replace(file, b"new")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_new_file_has_the_mode_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    files.replace(tmp_path / "b.txt", b"new")
    assert (tmp_path / "b.txt").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files.replace(tmp_path / "link", b"new")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "real").read_bytes()) == (True, b"new")


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace(tmp_path / "taken", b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    files.replace(tmp_path / "link", b"new")
    assert Path("/dev/null").is_char_device()

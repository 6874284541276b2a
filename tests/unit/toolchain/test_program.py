"""What an operator sees of a program's error."""

from __future__ import annotations

import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from toolchain.host import program
from toolchain.host.program import program_traceback

if TYPE_CHECKING:
    from pathlib import Path


def failing(entry: Path, text: str) -> str:
    """The traceback of a program with this text."""
    entry.write_text(text)
    with pytest.raises((ArithmeticError, SyntaxError)) as failed:
        runpy.run_path(str(entry))
    return program_traceback(failed.value, entry)


def test_frames_above_the_program_are_left_out(tmp_path: Path) -> None:
    entry = tmp_path / "main.py"
    assert failing(entry, "1 / 0").splitlines()[:2] == [
        "Traceback (most recent call last):",
        f'  File "{entry}", line 1, in <module>',
    ]


def test_an_error_outside_the_program_keeps_all_frames(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal") as failed:
        int("of the SDK")
    assert "test_program.py" in program_traceback(failed.value, tmp_path / "main.py")


def test_a_program_that_cannot_be_read_is_shown_by_file_and_line_alone(tmp_path: Path) -> None:
    entry = tmp_path / "main.py"
    assert failing(entry, "def").splitlines()[0] == f'  File "{entry}", line 1'


def test_a_python_without_the_sdk_is_named_in_one_line() -> None:
    command = [sys.executable, "-S", program.__file__, "."]  # -S: without anything that is installed
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        program.ERROR_WAS_SHOWN,
        f"The Pulumi SDK cannot be imported by {sys.executable} (No module named 'pulumi'). "
        "Install the program's requirements there: `pulumi install`.\n",
    )

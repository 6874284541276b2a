"""What is shown while something takes long."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from typing import Any

import pytest

from toolchain.errors import ToolchainError
from toolchain.progress import Progress


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Claim it."""
        return True


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_a_command_prints_is_returned_not_shown() -> None:
    stream = io.StringIO()
    assert Progress(stream).run("Asking", python("print('secretive')")) == "secretive\n"
    assert "secretive" not in stream.getvalue()


def test_what_is_happening_is_said_before_it_happens() -> None:
    stream = io.StringIO()
    Progress(stream).run("Building", python(""))
    assert stream.getvalue().splitlines()[0] == "Building ..."


def test_a_terminal_is_left_without_the_live_line() -> None:
    stream = Terminal()
    Progress(stream).run("Building", python("import time; time.sleep(0.3)"))
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_failure_shows_the_end_of_the_output() -> None:
    code = "import sys; [print(n) for n in range(50)]; sys.exit(3)"
    with pytest.raises(ToolchainError) as failed:
        Progress(io.StringIO()).run("Building", python(code))
    assert str(failed.value) == ("Building: failed with exit code 3\n  | 44\n  | 45\n  | 46\n  | 47\n  | 48\n  | 49")


def test_a_command_that_does_not_exist_is_named() -> None:
    with pytest.raises(ToolchainError, match="Building: cannot run /no/such/go: No such file"):
        Progress(io.StringIO()).run("Building", ["/no/such/go"])


def test_what_takes_too_long_is_given_up_and_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    with pytest.raises(ToolchainError, match="Probing: gave up after 0 s"):
        Progress(io.StringIO()).run("Probing", python("import time; time.sleep(600)"), limit=0.0)
    assert [process.returncode for process in started] == [-signal.SIGKILL]

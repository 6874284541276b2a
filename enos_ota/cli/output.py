"""Output of commands, also if stdout or stderr cannot be written.

A command that changes something keeps the exit code of its result, so its text goes to stderr if stdout fails. A
command that only reads prints its complete answer, or fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import stat
import sys
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

import click

from enos_ota.cli.failures import Undetermined
from enos_ota.cli.plain import plain_lines
from enos_ota.engine.process import exit_immediately

_BEGINNING: Final = "enos_ota.beginning"
_STDOUT: Final = 1
_STDERR: Final = 2


def say(text: str) -> None:
    """Print a part of the result of a command that changes something, safe for a terminal."""
    write_outcome(plain_lines(text))


def say_aside(text: str) -> None:
    """Print a text for people on stderr, safe for a terminal."""
    with contextlib.suppress(OSError):
        click.echo(plain_lines(text), err=True)


def write_outcome(text: str) -> None:
    """Print a part of the result of a command that changes something; on stderr once stdout cannot be written."""
    place = _place()
    try:
        click.echo(text)
    except OSError:
        _cut_back(place)
        sys.stdout = sys.stderr
        say_aside("stdout cannot be written, so what follows is on stderr:")
        with contextlib.suppress(OSError):
            click.echo(text, err=True)


def write_answer(text: str | bytes, *, nl: bool = True, color: bool | None = None) -> None:
    """Print a part of the answer of a command that only reads. If that fails, remove the answer from a file."""
    meta = click.get_current_context().meta
    if _BEGINNING not in meta:
        meta[_BEGINNING] = _place()
    try:
        click.echo(text, nl=nl, color=color)
    except BrokenPipeError:
        _write_nowhere()
        raise click.exceptions.Exit(0) from None
    except OSError as error:
        _cut_back(meta[_BEGINNING])
        _write_nowhere()
        raise Undetermined(f"stdout cannot be written ({error.strerror}), so there is no answer") from None


def write_verdict(text: str, *, nl: bool = True, color: bool | None = None) -> None:
    """Print a part of an answer that the exit code gives too, so that the reader of a pipe may end early."""
    with contextlib.suppress(click.exceptions.Exit):
        write_answer(text, nl=nl, color=color)


def stdout_is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def prepare_streams() -> None:
    """Make stdout and stderr accept every character, and stderr never fail. For a separate process."""
    # A closed stream becomes /dev/null, so that no file or connection gets its number.
    while (spare := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(spare)
    sys.stdin = sys.stdin or Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    sys.stdout = _stream(io.FileIO(_STDOUT, "w", closefd=False), sys.stdout)
    sys.stderr = _stream(_Unfailing(_STDERR, "w", closefd=False), sys.stderr)


def end_process(code: int) -> NoReturn:
    """End this process with an exit code, without waiting for its threads."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    exit_immediately(code)


class _Unfailing(io.FileIO):
    """A file that ignores failed writes: stderr is the last place to report anything."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data).cast("B"))


def _stream(file: io.FileIO, before: TextIO | None) -> io.TextIOWrapper:
    # Always with a buffer, which writes everything or fails: without (PYTHONUNBUFFERED) half of a text may be lost.
    encoding = before.encoding if before else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(file), encoding, "backslashreplace", line_buffering=True)


def _write_nowhere() -> None:
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives


def _place() -> int | None:
    """Return the size of stdout, if it is a file that is written at its end."""
    try:
        file = sys.stdout.fileno()
        size = os.fstat(file).st_size
        appends = bool(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_APPEND)
        at_end = stat.S_ISREG(os.fstat(file).st_mode) and (appends or os.lseek(file, 0, os.SEEK_CUR) == size)
    except OSError:  # a stdout without a file
        return None
    return size if at_end else None


def _cut_back(place: int | None) -> None:
    """Remove what was written after `place`."""
    if place is not None:
        with contextlib.suppress(OSError):
            os.ftruncate(sys.stdout.fileno(), place)
            os.lseek(sys.stdout.fileno(), place, os.SEEK_SET)

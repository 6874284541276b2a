"""Programs that the demo starts, each in a session of its own: Ctrl-C at the terminal reaches the demo alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from demo.interrupts import Interrupts

PATIENCE: Final = 8.0
"""Seconds a program gets to put its things away after a signal."""


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    interrupts: Interrupts,
    cwd: Path,
    environ: Mapping[str, str],
    errors: int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[str]]:
    """A program with its output in pipes. At the end of the block it is gone, and so is what it started.

    Args:
        command: what to run.
        interrupts: held while the program is started and ended.
        cwd: where to run it.
        environ: its environment.
        errors: where its stderr goes, as for `subprocess`.
    """
    with contextlib.ExitStack() as stack:
        with interrupts.held():
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            stack.callback(_end, process, interrupts)
        yield process


def _end(process: subprocess.Popen[str], interrupts: Interrupts) -> None:
    with interrupts.held():
        # Two requests: pulumi finishes what is under way after the first and gives up after the second.
        for _ in range(2):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    # Reading on keeps it from waiting for us with a full pipe.
                    process.communicate(timeout=PATIENCE)
        # Pulumi puts its plugins into process groups of their own; the session is what they have in common.
        for pid in _members(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _members(session: int) -> list[int]:
    """The processes of a session, also when its leader is gone."""
    found = []
    for pid in _all_pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) == session:
                found.append(pid)
    return found


def _all_pids() -> list[int]:
    if Path("/proc/self").exists():
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    listed = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=False)  # noqa: S607 - macOS has it
    return [int(line) for line in listed.stdout.split()]

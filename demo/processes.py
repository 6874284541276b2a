"""Programs that the demo starts, each in its own session, so that Ctrl-C on the terminal reaches only the demo."""

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
"""Seconds that a program gets to end after a signal."""


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    interrupts: Interrupts,
    cwd: Path,
    environ: Mapping[str, str],
    errors: int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[str]]:
    """Run a program with its output in pipes. At the end of the block end it and the processes that it started."""
    with contextlib.ExitStack() as stack:
        with interrupts.deferred():
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
    with interrupts.deferred():
        # Twice: pulumi finishes its current work after the first signal and stops after the second.
        for _ in range(2):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    # Read on, so that a full pipe does not block it.
                    process.communicate(timeout=PATIENCE)
        # Pulumi runs its plugins in other process groups, but in the same session.
        for pid in _members(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _members(session: int) -> list[int]:
    """Return the processes of a session, even if its leader has ended."""
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

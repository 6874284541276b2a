"""The processes that run programs: started, waited for, ended with the host."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

GRACE = 4.0
"""Seconds a program has after an interrupt before it is killed; the engine gives the host itself five."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program came to its end."""

    code: int
    """Exit code; negative: the signal that ended it."""

    interrupted: bool
    """The operator wanted it, so there is nothing to report."""


class Children:
    """The programs this host is running. None outlives it; after `interrupt_all` none is started any more.

    Args:
        grace: seconds from an interrupt until a program that goes on is killed.
        interrupt: the signal by which they are interrupted.
    """

    def __init__(self, grace: float = GRACE, interrupt: signal.Signals = signal.SIGINT) -> None:
        self._grace = grace
        self._signal = interrupt
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._interrupted: set[subprocess.Popen[bytes]] = set()
        self._ending = False

    def run(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        on_start: Callable[[Callable[[], None]], object] = lambda _interrupt: None,
    ) -> Ending:
        """Run a command to its end, on the host's own stdout and stderr, which the engine reads.

        `on_start` is given a function that interrupts just this one.

        Raises:
            OSError: there is no such command.
        """
        process = self.start(command, environ)
        if process is None:
            return Ending(0, interrupted=True)
        on_start(lambda: self.interrupt(process))
        return self.wait(process)

    def start(
        self, command: Sequence[str], environ: Mapping[str, str], *, cwd: Path | None = None, piped: bool = False
    ) -> subprocess.Popen[bytes] | None:
        """Start a command, for `wait` to see to its end; None: the host is ending, and starts nothing any more.

        `piped`: its stdout and stderr are to be read here, and are not the host's own.

        Raises:
            OSError: there is no such command.
        """
        stream = subprocess.PIPE if piped else None
        with self._lock:
            if self._ending:
                return None
            # In the host's own process group: the engine signals the group, and so reaches the program too.
            process = subprocess.Popen(
                command, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )
            self._running.add(process)
        return process

    def wait(self, process: subprocess.Popen[bytes]) -> Ending:
        """Wait for a process that was started here."""
        code = process.wait()
        with self._lock:
            self._running.discard(process)
            asked = process in self._interrupted
            self._interrupted.discard(process)
        return Ending(code, interrupted=asked or code in {-signal.SIGINT, 128 + signal.SIGINT})

    def interrupt_all(self) -> None:
        """Interrupt every program and start no other."""
        with self._lock:
            self._ending = True
            running = list(self._running)
        for process in running:
            self.interrupt(process)

    def wait_all(self) -> None:
        """Return when no program runs any more; those that do not heed an interrupt are killed after the grace time."""
        with self._lock:
            running = list(self._running)
        for process in running:
            try:
                process.wait(self._grace)
            except subprocess.TimeoutExpired:
                process.kill()

    def interrupt(self, process: subprocess.Popen[bytes]) -> None:
        """Interrupt a process that was started here; it is killed if it goes on after the grace time."""
        with self._lock:
            if process not in self._running or process in self._interrupted:
                return
            self._interrupted.add(process)
        process.send_signal(self._signal)
        killer = threading.Timer(self._grace, _kill, [process])
        killer.daemon = True
        killer.start()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()

"""Shows on stderr what takes long, so that nobody thinks that nothing happens."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, TextIO

from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

QUIET = 15.0
"""Seconds between two lines where the output is no terminal."""

LIVE = 0.25
"""Seconds between two updates of the live line on a terminal."""


class Progress:
    """Tells the person at the keyboard what is going on. stdout is left alone: `make env` prints shell code there."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()

    def say(self, text: str) -> None:
        """One line."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def run(
        self,
        label: str,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
        limit: float | None = None,
    ) -> str:
        """Run a command, with the elapsed seconds shown; gives what it printed.

        Args:
            label: what is happening, for people.
            command: what to run; it gets no stdin.
            cwd: where to run it.
            environ: its environment; None: ours.
            limit: seconds after which it is killed; None: no limit.

        Raises:
            ToolchainError: it could not be started, failed, or took longer than `limit`; with the end of its output.
        """
        began = time.monotonic()
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(
                    command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
                )
            except OSError as error:
                raise ToolchainError(f"{label}: cannot run {command[0]}: {error.strerror}") from error
            try:
                self._watch(label, process, began, limit)
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                if self._live:
                    self._stream.write("\r\x1b[K")
            output.seek(0)
            printed = output.read().decode(errors="replace")
        seconds = time.monotonic() - began
        if process.returncode:
            end = "\n".join(f"  | {line}" for line in printed.strip().splitlines()[-6:])
            raise ToolchainError(f"{label}: failed with exit code {process.returncode}\n{end}".rstrip())
        if seconds >= 1:
            self.say(f"{label}: done in {seconds:.0f} s")
        return printed

    def _watch(self, label: str, process: subprocess.Popen[bytes], began: float, limit: float | None) -> None:
        said = began
        if not self._live:
            self.say(f"{label} ...")
        while True:
            try:
                process.wait(LIVE)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
                if limit is not None and now - began > limit:
                    raise ToolchainError(f"{label}: gave up after {limit:.0f} s") from None
                if self._live:
                    self._stream.write(f"\r\x1b[K{label} ... {now - began:.0f} s")
                    self._stream.flush()
                elif now - said >= QUIET:
                    said = now
                    self.say(f"{label} ... {now - began:.0f} s")
            else:
                return

"""Peak memory of a project's provider process, on Linux only."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC: Final = Path("/proc")
_EVERY: Final = 0.05


class PeakMemory:
    """`peak`: peak memory in MiB; None if no provider process was found."""

    def __init__(self) -> None:
        self.peak: float | None = None


@contextlib.contextmanager
def provider_of(project: Path) -> Iterator[PeakMemory]:
    """Watch the provider processes of a project during the block."""
    watched = PeakMemory()
    over = threading.Event()

    def watch() -> None:
        known: set[str] = set()
        while not over.wait(_EVERY):
            known |= _new_providers(project, known)
            for name in list(known):
                peak = _peak(name)
                if peak is not None:
                    watched.peak = max(watched.peak or 0.0, peak)

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    if _PROC.is_dir():
        thread.start()
    try:
        yield watched
    finally:
        over.set()
        if thread.is_alive():
            thread.join()


def _new_providers(project: Path, known: set[str]) -> set[str]:
    found = set()
    for process in _PROC.iterdir():
        if process.name.isdecimal() and process.name not in known:
            # It may belong to another user or have ended.
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes()
                if b"pulumi.dynamic" in command and (process / "cwd").readlink() == project.resolve():
                    found.add(process.name)
    return found


def _peak(pid: str) -> float | None:
    with contextlib.suppress(OSError):
        if found := re.search(r"VmHWM:\s*(\d+) kB", (_PROC / pid / "status").read_text()):
            return int(found[1]) / 1024
    return None

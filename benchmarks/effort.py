"""Effort: elapsed seconds, and processor seconds, which a busy machine does not disturb."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Effort:
    """`wall`: elapsed seconds; `processors`: processor seconds of this process, ended children and a server."""

    wall: float = 0.0
    processors: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(self.wall + other.wall, self.processors + other.processors)


def measured(work: Callable[[], object], server: int | None) -> Effort:
    """Measure some work: in this process, its children, and a running server.

    Args:
        work: The work.
        server: Process id; its processor time counts on Linux only.
    """
    wall, processors = time.perf_counter(), _used(server)
    work()
    return Effort(time.perf_counter() - wall, _used(server) - processors)


def _used(server: int | None) -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime + _used_by(server)


def _used_by(pid: int | None) -> float:
    with contextlib.suppress(OSError):
        # Skip the name in parentheses, which may contain spaces; user and system time are fields 14 and 15.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0

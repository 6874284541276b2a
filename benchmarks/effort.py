"""What something costs: seconds on the wall, and seconds of all processors, which a busy machine does not disturb."""

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
    """Attributes: `wall`: seconds that passed; `processors`: seconds of this process, ended children and a server."""

    wall: float = 0.0
    processors: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(self.wall + other.wall, self.processors + other.processors)


def measured(work: Callable[[], object], server: int | None) -> Effort:
    """What some work costs here, in the processes it starts, and in a server that runs besides.

    Args:
        work: What to do.
        server: Process id. Linux tells what it uses; elsewhere it counts as nothing.
    """
    wall, processors = time.perf_counter(), _used(server)
    work()
    return Effort(time.perf_counter() - wall, _used(server) - processors)


def _used(server: int | None) -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime + _used_by(server)


def _used_by(pid: int | None) -> float:
    with contextlib.suppress(OSError):
        # The name, in parentheses, may hold anything; user and system time are the 14th and 15th field.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0

"""What an operator asked `enos-ota cancel` for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.enos import TaskStatus

if TYPE_CHECKING:
    from pathlib import Path

WAY_OUT: Final = (
    "To cancel all the same: --record-aside DIR leaves the project alone, and writes the set and its key file into DIR."
)
"""For whoever cannot write into the project, and cannot wait."""

WAITING: Final = (TaskStatus.INIT, TaskStatus.PUBLISHED)
"""The states in which a task can be cancelled [D]."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asked for.

    Attributes:
        job_id: The job.
        keys: A key file, `-` for stdin; empty for everything that waits.
        reason: Why.
        name: The set's name, or empty.
        firmware_version: What the job must be about, or empty.
        expires: The last day of the set, or empty.
        yes: Nobody is asked.
        expect: The number of device keys, where it was given.
        overwrite: Whether a key file of other content may be replaced.
        aside: Where the set is written if not into the project.
    """

    job_id: str
    keys: str
    reason: str
    name: str = ""
    firmware_version: str = ""
    expires: str = ""
    yes: bool = False
    expect: int | None = None
    overwrite: bool = False
    aside: Path | None = None

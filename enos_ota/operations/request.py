"""What an operator asks of `enos-ota cancel`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

RECORD_ASIDE_ADVICE: Final = (
    "To cancel anyway, use --record-aside DIR: it changes nothing in the project and writes the set and its key file"
    " into DIR."
)


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A cancel that the operator asks for.

    Attributes:
        job_id: The job.
        keys: A key file, `-` for stdin; empty for all waiting tasks.
        reason: Why.
        name: The name of the set, or empty.
        firmware_version: The firmware version that the job must have, or empty.
        expires: The last day of the set, or empty.
        yes: Whether to send without a confirmation.
        expect: The expected number of device keys; None if not given.
        aside: The directory to write the set into instead of the project.
    """

    job_id: str
    keys: str
    reason: str
    name: str = ""
    firmware_version: str = ""
    expires: str = ""
    yes: bool = False
    expect: int | None = None
    aside: Path | None = None

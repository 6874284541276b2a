"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class State(str, Enum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    """It works, and there is something to know or to do."""
    FAILED = "failed"
    """A clear no: it will not work like this."""
    UNKNOWN = "unknown"
    """It could not be found out: no answer, or none that says."""
    SKIPPED = "skipped"
    """Not looked at: there is nothing to look at, or a check before it failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A check and what it found. No text holds a secret; texts of EnOS may hold anything else.

    Attributes:
        check: what was looked at.
        state: how it came out.
        text: what was found, a line.
        details: more of it, a line each.
        advice: what to do, or "".
    """

    check: str
    state: State
    text: str
    details: tuple[str, ...] = ()
    advice: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """0 all is fine, 1 there is a clear no, 3 there is none but something could not be found out."""
    states = {finding.state for finding in findings}
    if State.FAILED in states:
        return 1
    return 3 if State.UNKNOWN in states else 0

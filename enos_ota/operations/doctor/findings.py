"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class State(str, Enum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    """It works, and there is something to know or to do."""
    FAILED = "failed"
    """It will not work like this, for sure."""
    UNKNOWN = "unknown"
    """It could not be found out: no answer, or none that says."""
    SKIPPED = "skipped"
    """Not looked at: there is nothing to look at, or a check before it failed."""


class Cause(Enum):
    """What a failure lies in: the exit code that it asks for."""

    ANSWER = 1
    """EnOS says no, or what it says is not what is needed."""
    CONFIGURATION = 2
    """The stack file, a key file or the environment is wrong."""
    WAY = 3
    """There is no way to the gateway: nobody knows what EnOS would say."""


_GRAVEST: Final = (Cause.CONFIGURATION.value, Cause.ANSWER.value, Cause.WAY.value)


@dataclass(frozen=True, slots=True)
class Finding:
    """A check and what it found. No text holds a secret; texts of EnOS may hold anything else.

    Attributes:
        check: what was looked at.
        state: how it came out.
        text: what was found, a line.
        details: more of it, a line each.
        advice: what to do, or "".
        cause: what a failure lies in, if it failed.
    """

    check: str
    state: State
    text: str
    details: tuple[str, ...] = ()
    advice: str = ""
    cause: Cause = Cause.ANSWER

    @property
    def exit_code(self) -> int:
        """Of the command if there were nothing but this finding."""
        if self.state is State.FAILED:
            return self.cause.value
        return Cause.WAY.value if self.state is State.UNKNOWN else 0


def exit_code(findings: Iterable[Finding]) -> int:
    """0 all is fine; else the first that there is of 2 wrong configuration, 1 a clear no, 3 not found out.

    What is asked with a wrong configuration may be answered wrongly, so that it goes first; and a no stays one whatever
    else could not be found out.
    """
    codes = {finding.exit_code for finding in findings}
    return next((code for code in _GRAVEST if code in codes), 0)

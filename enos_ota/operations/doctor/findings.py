"""The result of one check of `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ANSWER: Final = 1
"""Exit code of a failed check: EnOS refuses, or its answer is not what a cancel needs."""
CONFIGURATION: Final = 2
"""Exit code of a failed check: the stack file, a key file or the environment is invalid."""
UNDETERMINED: Final = 3
"""Exit code of a failed check: without a connection to the gateway, EnOS's answer is unknown."""


class FindingState(str, Enum):
    """The state of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """A check and its result. No text contains a secret; texts of EnOS may contain anything else.

    Attributes:
        check: The name of the check.
        state: Its state.
        text: The result, one line.
        details: More about it, a line each.
        advice: What to do, or empty.
        failure_code: The exit code of the command if the check failed.
    """

    check: str
    state: FindingState
    text: str
    details: tuple[str, ...] = ()
    advice: str = ""
    failure_code: int = ANSWER

    @property
    def exit_code(self) -> int:
        """The exit code of the command if there were no other finding."""
        if self.state is FindingState.FAILED:
            return self.failure_code
        return UNDETERMINED if self.state is FindingState.UNKNOWN else 0


def skip(why: str, *checks: str) -> list[Finding]:
    """Return the findings of checks that cannot be made."""
    return [Finding(check, FindingState.SKIPPED, why) for check in checks]


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the exit code of the command: 2 comes before 1, because a wrong configuration leads to wrong answers."""
    codes = {finding.exit_code for finding in findings}
    return next((code for code in (CONFIGURATION, ANSWER, UNDETERMINED) if code in codes), 0)

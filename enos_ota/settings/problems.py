"""Problems of a configuration, with their place and a text for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from enos_ota.devicekeys.visible import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN: Final = 100  # lines of a message

MOST: Final = 1000
"""Most problems that are listed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, or a warning that is only printed.

    Attributes:
        text: the problem and what to do, one line, without a secret.
        file: the file, as the operator knows it; None when the value came from elsewhere.
        line: line in that file, from 1.
        path: the key, such as `enos-ota:cancelledTaskSets[2].jobId`, in a set file `jobId`; empty for no key.
    """

    text: str
    file: str | None = None
    line: int | None = None
    path: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        text = f"warning: {self.text}" if self.severity == "warning" else self.text
        if self.file is None:
            return text
        return f"{self.file}:{self.line}: {text}" if self.line else f"{self.file}: {text}"


class SettingsError(Exception):
    """The configuration cannot be used. Nothing was registered and nothing was sent.

    `findings` has every problem, by file and line; `advice` is what to do about all of them. `str()` is a headline, one
    line for each problem, and the advice.
    """

    def __init__(self, findings: Iterable[Problem], advice: str = "") -> None:
        self.findings = in_order(findings)
        self.advice = advice
        super().__init__(self._text())

    @property
    def problems(self) -> tuple[str, ...]:
        """Every problem as one line, `file:line: text` if the file is known."""
        return tuple(str(problem) for problem in self.findings)

    def _text(self) -> str:
        count = len(self.findings)
        headline = (
            f"The configuration has {'a problem' if count == 1 else f'{count} problems'}; nothing was sent to EnOS:"
        )
        more = [f"  … and {count - _SHOWN} more"] if count > _SHOWN else []
        advice = [self.advice] if self.advice else []
        return "\n".join([headline, *(f"  {problem}" for problem in self.problems[:_SHOWN]), *more, *advice])


class NoCredentials(SettingsError):  # noqa: N818 - names what is missing
    """The configuration has no credentials; that is its only problem."""


def label(path: tuple[str | int, ...]) -> str:
    """Format a path as `formerNames[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{shown(step)}" if text else shown(step)
    return text


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort problems by file and line, each once; those without a file come first, in their order.

    After the first `MOST`, one more says that there are others.
    """
    unique = dict.fromkeys(problems)
    listed = sorted(unique, key=lambda problem: (problem.file or "", problem.line or 0))
    if len(listed) > MOST + 1:
        last = listed[MOST - 1]
        listed[MOST:] = [Problem("and more problems, which are not listed: correct these first", last.file, last.line)]
    return tuple(listed)

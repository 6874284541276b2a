"""Pulumi's own output with what only moves, or is said twice, left out. No line is reworded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_IN_BETWEEN: Final = (
    re.compile(r"@ \S+ing\b.*"),  # @ updating....
    re.compile(r"\s+\[(urn|id)=.*\]"),
    # A row of the progress display that has not ended yet; the one that has follows.
    re.compile(r" [ +~-] {1,2}\S+:\S+ \S+ \w+ing\b.*"),
    # A row with a warning or an error in it: its text comes again under Diagnostics.
    re.compile(r" [ +~-] {1,2}\S+:\S+ \S+ .*\b(warning|error): .*"),
)


def trim(output: str) -> Iterator[str]:
    """The lines worth reading, no two blank ones in a row, none at either end."""
    blank = False
    begun = False
    for line in output.splitlines():
        if any(pattern.fullmatch(line) for pattern in _IN_BETWEEN):
            continue
        text = line.rstrip()
        if text:
            if blank and begun:
                yield ""
            yield text
            begun = True
        blank = not text

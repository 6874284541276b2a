"""Shorten Pulumi's output: omit progress and repeated lines, reword nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_OMITTED: Final = (
    re.compile(r"@ \S+ing\b.*"),  # @ updating....
    re.compile(r"\s+\[(urn|id)=.*\]"),
    # A progress row of a running step; the row of the finished step follows.
    re.compile(r" [ +~-] {1,2}\S+:\S+ \S+ \w+ing\b.*"),
    # A row with a warning or an error: Diagnostics repeats its text.
    re.compile(r" [ +~-] {1,2}\S+:\S+ \S+ .*\b(warning|error): .*"),
)


def trim(output: str) -> Iterator[str]:
    """Yield the other lines, without repeated, leading or trailing blank lines."""
    blank = False
    started = False
    for line in output.splitlines():
        if any(pattern.fullmatch(line) for pattern in _OMITTED):
            continue
        text = line.rstrip()
        if text:
            if blank and started:
                yield ""
            yield text
            started = True
        blank = not text

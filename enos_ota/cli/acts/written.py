"""What was written into the project, and what the operator does with it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from enos_ota.cli.acts.station import counted, shown_path
from enos_ota.declaration import KEYS_DIRECTORY
from enos_ota.reconciler.naming import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from enos_ota.declaration import Declaration

_LINES = 40
"""Of a diff that are shown of each file."""


def places(declaration: Declaration) -> list[str]:
    """The files, as the operator would type them."""
    return [shown_path(change.path) for change in declaration.changes]


def already(declaration: Declaration) -> Iterator[str]:
    """A line for each set that declares some of the keys already."""
    for name, keys in declaration.elsewhere.items():
        yield f"{counted(len(keys), 'device key')} declared already, in set {shown(name)!r}: left there"


def commit_hint(declaration: Declaration, message: str, *, left: int = 0) -> str:
    """The commands that bring what was written into a pull request.

    Args:
        declaration: What was written.
        message: That of the commit.
        left: How many of its keys are still to be cancelled.
    """
    files = " ".join(map(shlex.quote, places(declaration)))
    return f"For a pull request, {_then(left)}:\n  git add -- {files}\n  git commit -m {shlex.quote(message)}"


def _then(left: int) -> str:
    if left:
        return (
            f"after which `pulumi up` sends for the {left} that {'is' if left == 1 else 'are'} left as soon as it can"
        )
    return "which `pulumi up` then takes over without sending anything"


def aside_hint(declaration: Declaration, stack_file: Path, *, left: int = 0) -> str:
    """What brings into a pull request what was not written into the project; `left` as in `commit_hint`."""
    return (
        f"The project was left alone. For a pull request, {_then(left)},\n"
        f"put the set into {shown_path(stack_file)} and the key file beside it, under {KEYS_DIRECTORY}/:\n"
        f"  {' '.join(map(shlex.quote, places(declaration)))}"
    )


def diff(declaration: Declaration) -> Iterator[str]:
    """What would be written, a bounded number of lines a file."""
    for change in declaration.changes:
        lines = list(change.diff())
        yield from lines[:_LINES]
        if len(lines) > _LINES:
            yield f"… {len(lines) - _LINES} more lines"

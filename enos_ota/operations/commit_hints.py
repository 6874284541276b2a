"""What was written into the project, and what the operator does with it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from enos_ota.operations.context import counted, shown_path
from enos_ota.operations.declaration import KEYS_DIRECTORY
from enos_ota.plan.naming import shown
from enos_ota.settings.sets import SETS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from enos_ota.operations.declaration import Declaration, Wish
    from enos_ota.operations.own_program import Program

_LINES = 40
"""Of a diff that are shown of each file."""


def places(declaration: Declaration) -> list[str]:
    """The files, as the operator would type them."""
    return [shown_path(change.path) for change in declaration.changes]


def already(declaration: Declaration) -> Iterator[str]:
    """A line for each set that declares some of the keys already."""
    for name, keys in declaration.elsewhere.items():
        yield f"{counted(len(keys), 'device key')} declared already, in set {shown(name)!r}: left there"


def commit_hint(declaration: Declaration, message: str, *, left: int = 0, is_read: bool = True) -> str:
    """The commands that bring what was written into a pull request.

    Args:
        declaration: What was written.
        message: That of the commit.
        left: How many of its keys are still to be cancelled.
        is_read: Whether the project's program may read it.
    """
    files = " ".join(map(shlex.quote, places(declaration)))
    then = _then(left) if is_read else "together with what the program has to say"
    return f"For a pull request, {then}:\n  git add -- {files}\n  git commit -m {shlex.quote(message)}"


def _then(left: int) -> str:
    if left:
        return (
            f"after which `pulumi up` sends for the {left} that {'is' if left == 1 else 'are'} left as soon as it can"
        )
    return "which `pulumi up` then takes over without sending anything"


def aside_hint(declaration: Declaration, stack_file: Path, *, left: int = 0) -> str:
    """What brings into a pull request what was not written into the project; `left` as in `commit_hint`."""
    keys = stack_file.parent / KEYS_DIRECTORY
    there = [keys / each.path.name for each in declaration.changes if each.path.parent.name == KEYS_DIRECTORY]
    mind = "".join(
        f"\n{shown_path(path)} is there already, with keys of its own: add these to it, do not replace it"
        for path in there
        if path.exists()
    )
    return (
        f"The project was left alone. For a pull request, {_then(left)},\n"
        f"put the set into {shown_path(stack_file)} and the key file beside it, under {KEYS_DIRECTORY}/:\n"
        f"  {' '.join(map(shlex.quote, places(declaration)))}\n"
        f"A set {shown(declaration.set_name)!r} that is there already gets these keys into its own key file.{mind}"
    )


def lacking(declaration: Declaration, wish: Wish) -> str:
    """What a new set does not say and a policy may ask for, in one line; empty if it says it all."""
    said = {"reason (--reason)": wish.reason, "expires (--expires)": wish.expires}
    missing = " and ".join(name for name, value in said.items() if not value)
    if not declaration.is_new or not missing:
        return ""
    file = shown_path(declaration.changes[-1].path)
    return f"Set {shown(declaration.set_name)!r} does without {missing}: if your policies ask for it, add it in {file}."


def unread(declaration: Declaration, wish: Wish, program: Program | None) -> str:
    """What to do where the project's program does not see the set that was written; empty if it may."""
    if program is None or program.reads_sets or declaration.key_file is None:
        return ""
    keys = os.path.relpath(declaration.key_file, program.path.parent)
    arguments = {
        "job_id": repr(wish.job_id),
        "device_keys": f"read_key_file(Path({keys!r}))",
        "reason": repr(wish.reason) if wish.reason else "",
        "expect_firmware_version": repr(wish.firmware_version) if wish.firmware_version else "",
        "expires": repr(wish.expires) if wish.expires else "",
    }
    told = ", ".join(f"{name}={value}" for name, value in arguments.items() if value)
    return (
        f"warning: {shown_path(program.path)} does not read {SETS_KEY}, so that `pulumi up` knows nothing of this set."
        " Unless the\nprogram finds these devices by itself, declare them in it:\n"
        "  from pathlib import Path\n"
        "  from enos_ota import CancelledTaskSet, require_converged\n"
        "  from enos_ota.devicekeys import read_key_file\n"
        f"  require_converged(CancelledTaskSet({declaration.set_name!r}, {told}))"
    )


def diff(declaration: Declaration) -> Iterator[str]:
    """What would be written, a bounded number of lines a file."""
    for change in declaration.changes:
        lines = list(change.diff())
        yield from lines[:_LINES]
        if len(lines) > _LINES:
            yield f"… {len(lines) - _LINES} more lines"

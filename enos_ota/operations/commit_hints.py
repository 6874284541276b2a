"""Hints about the files that a command wrote: how to commit them, and what they lack."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from enos_ota.plan.naming import counted, shown
from enos_ota.settings.sets import SETS_KEY
from enos_ota.settings.stackfile import shown_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from enos_ota.operations.own_program import Program
    from enos_ota.operations.set_writer import NewSet, SetFileChange

_LINES = 40
"""Lines of the diff of one file that are shown."""


def places(change: SetFileChange) -> list[str]:
    """Return the files, as the operator would type them."""
    return [shown_path(each.path) for each in change.changes]


def already_declared(change: SetFileChange) -> Iterator[str]:
    """Return a line for each set that declares some of the keys already."""
    for name, keys in change.elsewhere.items():
        yield f"{counted(len(keys), 'device key')} declared already, in set {shown(name)!r}"


def commit_hint(change: SetFileChange, message: str, *, left: int = 0, is_read: bool = True) -> str:
    """Return the commands that commit the files.

    Args:
        change: The files.
        message: The message of the commit.
        left: The number of keys that are not cancelled yet.
        is_read: Whether the project's program may read them.
    """
    names = " ".join(map(shlex.quote, places(change)))
    then = _then(left) if is_read else "together with the change of the program"
    return f"For a pull request, {then}:\n  git add -- {names}\n  git commit -m {shlex.quote(message)}"


def _then(left: int) -> str:
    if left:
        return f"after which `pulumi up` cancels the remaining {counted(left, 'task')} as soon as possible"
    return "after which `pulumi up` adopts the set without sending a request"


def aside_hint(change: SetFileChange, folder: Path, *, left: int = 0) -> str:
    """Return the commands that copy files into the folder of the stack; `left` as in `commit_hint`."""
    names = " ".join(map(shlex.quote, places(change)))
    target = shlex.quote(shown_path(folder))
    return (
        f"The project was not changed. For a pull request, {_then(left)}:\n  mkdir -p {target}\n  cp {names} {target}"
    )


def lacking(change: SetFileChange, new_set: NewSet) -> str:
    """Return a line about what the new set lacks and a policy may require; empty if it lacks nothing."""
    missing = [name for name, value in (("reason", new_set.reason), ("expires", new_set.expires)) if not value]
    if not change.set_name or not missing:
        return ""
    names = " and no ".join(f"`{name}`" for name in missing)
    it = "it" if len(missing) == 1 else "them"
    file = shown_path(change.set_file)
    return f"Set {shown(change.set_name)!r} has no {names}. Add {it} in {file} if your policies require {it}."


def unread(change: SetFileChange, new_set: NewSet, program: Program | None) -> str:
    """Return what to do if the project's program does not read sets; empty if it may."""
    if program is None or program.reads_sets or not change.set_name:
        return ""
    arguments = {
        "job_id": repr(new_set.job_id),
        "device_keys": _as_python(change, program.path.parent),
        "reason": repr(new_set.reason) if new_set.reason else "",
        "expect_firmware_version": repr(new_set.firmware_version) if new_set.firmware_version else "",
        "expires": repr(new_set.expires) if new_set.expires else "",
    }
    given = ", ".join(f"{name}={value}" for name, value in arguments.items() if value)
    return (
        f"warning: {shown_path(program.path)} does not read {SETS_KEY}, so `pulumi up` ignores this set. Unless the\n"
        "program finds these devices itself, declare them in it:\n"
        "  from pathlib import Path\n"
        "  from enos_ota import CancelledTaskSet, require_converged\n"
        "  from enos_ota.devicekeys.reader import read_key_file\n"
        f"  require_converged(CancelledTaskSet({change.set_name!r}, {given}))"
    )


def _as_python(change: SetFileChange, folder: Path) -> str:
    """Return the device keys as an expression of a program in a folder."""
    listed = list(change.listed_keys)
    if change.key_file is None:
        return repr(listed)
    read = f"read_key_file(Path({os.path.relpath(change.key_file, folder)!r}))"
    return f"[*{read}, {repr(listed)[1:-1]}]" if listed else read


def diff(change: SetFileChange) -> Iterator[str]:
    """Return the lines that change, at most `_LINES` of each file."""
    for each in change.changes:
        lines = list(each.diff())
        yield from lines[:_LINES]
        if len(lines) > _LINES:
            yield f"… {len(lines) - _LINES} more lines"

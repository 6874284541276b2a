"""Hints about the files that a command wrote: how to commit them, and what they lack."""

from __future__ import annotations

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


def places(change: SetFileChange) -> list[str]:
    """Return the files, as the operator would type them."""
    return [shown_path(each.path) for each in change.changes]


def already_declared(change: SetFileChange) -> Iterator[str]:
    """Return a line for each set that declares some of the keys already."""
    for name, keys in change.elsewhere.items():
        yield f"{counted(len(keys), 'device key')} declared already, in set {shown(name)!r}"


def commit_hint(change: SetFileChange, message: str, program: Program | None, *, left: int = 0) -> str:
    """Return the commands that commit the files; `left` is the number of keys that are not cancelled yet."""
    names = " ".join(map(shlex.quote, places(change)))
    is_read = program is None or program.reads_sets
    then = _what_follows(left) if is_read else "together with the change of the program"
    return f"For a pull request, {then}:\n  git add -- {names}\n  git commit -m {shlex.quote(message)}"


def aside_hint(change: SetFileChange, folder: Path, *, left: int = 0) -> str:
    """Return the commands that copy files into the folder of the stack; `left` as in `commit_hint`."""
    names = " ".join(map(shlex.quote, places(change)))
    target = shlex.quote(shown_path(folder))
    then = _what_follows(left)
    return f"The project was not changed. For a pull request, {then}:\n  mkdir -p {target}\n  cp {names} {target}"


def _what_follows(left: int) -> str:
    if left:
        return f"after which `pulumi up` cancels the remaining {counted(left, 'task')} as soon as possible"
    return "after which `pulumi up` adopts the set without sending a request"


def describe_gaps(change: SetFileChange, new_set: NewSet, program: Program | None) -> Iterator[str]:
    """Return a line about what the new set lacks, and one if the project's program does not read it."""
    if not change.set_name:
        return
    if missing := [name for name, value in (("reason", new_set.reason), ("expires", new_set.expires)) if not value]:
        names = " and no ".join(f"`{name}`" for name in missing)
        it = "it" if len(missing) == 1 else "them"
        file = shown_path(change.set_file)
        yield f"Set {shown(change.set_name)!r} has no {names}. Add {it} in {file} if your policies require {it}."
    if program and not program.reads_sets:
        yield (
            f"warning: {shown_path(program.path)} does not read {SETS_KEY}, so `pulumi up` ignores this set. Declare"
            " its devices in the program, as a `CancelledTaskSet`, unless the program finds them itself."
        )

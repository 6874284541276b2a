"""What a project's program says about sets, as far as its text tells: nothing of it is run.

`enos_ota.program.declare_sets` declares the sets of a stack file. A program that does not call it never sees what
`cancel` and `adopt` write there; and sets that a program declares itself nobody sees without running it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.settings import SettingsError
from enos_ota.settings import stackfile as documents
from enos_ota.settings.sets import SETS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from enos_ota.settings.project import Project

_MAIN: Final = "__main__.py"
_MOST: Final = 200
"""Modules of a program that are read."""
_MAX_BYTES: Final = 1024 * 1024
"""Of a module; a larger one is generated, and hardly what declares a set."""

_READS: Final = frozenset({"declare_sets", "load_stack", SETS_KEY, SETS_KEY.partition(":")[2]})
"""Names and texts of a program that reads the sets of a stack file."""
_DECLARES: Final = "CancelledTaskSet"
_OURS: Final = "enos_ota"


@dataclass(frozen=True, slots=True)
class Program:
    """A program in Python, by what it mentions.

    Attributes:
        path: Its first file.
        reads_sets: Whether it may declare the sets of stack files.
        declares_sets: Whether it may declare sets of its own.
    """

    path: Path
    reads_sets: bool
    declares_sets: bool


def program_of(project: Project | None) -> Program | None:
    """The program of a project; None where there is none, or where nobody can tell what it says."""
    if project is None or (folder := _folder(project)) is None:
        return None
    mentioned: set[str] = set()
    try:
        for tree in _modules(folder):
            mentioned.update(_mentioned(tree))
    except (OSError, ValueError, SyntaxError, RecursionError):  # unreadable, or no Python
        return None
    return Program(folder / _MAIN, not _READS.isdisjoint(mentioned), _DECLARES in mentioned) if mentioned else None


def _folder(project: Project) -> Path | None:
    """Where the program is, if it is in Python."""
    try:
        keys = documents.read_project(project.root).keys
    except SettingsError:
        return None
    runtime, main = keys.get("runtime"), keys.get("main", ".")
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    if name != "python" or not isinstance(main, str):
        return None
    place = project.root / main
    folder = place.parent if place.name == _MAIN else place
    return folder if (folder / _MAIN).is_file() else None


def _modules(folder: Path) -> Iterator[ast.Module]:
    """The program and the modules beside it that it imports, directly or not."""
    todo, seen = [folder / _MAIN], {folder / _MAIN}
    while todo and len(seen) <= _MOST:
        file = todo.pop()
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError(file)
        tree = ast.parse(file.read_bytes())
        yield tree
        found = {path for name in _imported(tree) for path in _files(folder, name)} - seen
        seen |= found
        todo.extend(sorted(found))


def _imported(tree: ast.Module) -> Iterator[str]:
    """What a module imports, but for this package: in a checkout of it that stands beside the program."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # Relative ones are looked for beside the program, too: whose they are matters little here.
            names = [f"{node.module or ''}.{alias.name}".lstrip(".") for alias in node.names]
        yield from (name for name in names if name.partition(".")[0] != _OURS)


def _files(folder: Path, name: str) -> Iterator[Path]:
    """The files of a module `a.b.c`, its packages' first; `c` may be a name in `a.b`."""
    place = folder
    for part in name.split("."):
        place /= part
        yield from (file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file())


def _mentioned(tree: ast.Module) -> Iterator[str]:
    """Names, and texts that stand by themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value

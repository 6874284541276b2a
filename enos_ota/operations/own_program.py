"""The sets that a project's program may declare, by its text: the program is not run.

`enos_ota.program.declare_sets` declares the sets of a stack. A program that does not call it ignores the sets that
`cancel` and `adopt` write; and the sets that a program declares itself are only known by running it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.settings.sets import SETS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from enos_ota.settings.stackfile import Project

_MAIN: Final = "__main__.py"
_READS: Final = frozenset({"declare_sets", "load_sets", SETS_KEY, SETS_KEY.partition(":")[2]})
"""Names and texts of a program that reads the sets of a stack."""
_DECLARES: Final = "CancelledTaskSet"


@dataclass(frozen=True, slots=True)
class Program:
    """A Pulumi program in Python.

    Attributes:
        path: Its first file.
        reads_sets: Whether it may declare the sets of the stack.
        declares_sets: Whether it may declare sets of its own.
    """

    path: Path
    reads_sets: bool
    declares_sets: bool


def program_of(project: Project | None) -> Program | None:
    """Return the program of a project; None if it has none, or its text cannot be read."""
    if project is None or (folder := _folder(project)) is None:
        return None
    try:
        mentioned = {name for tree in _modules(folder) for name in _mentioned(tree)}
    except (OSError, ValueError, SyntaxError, RecursionError):  # unreadable, or no Python
        return None
    return Program(folder / _MAIN, not _READS.isdisjoint(mentioned), _DECLARES in mentioned) if mentioned else None


def _folder(project: Project) -> Path | None:
    """Return the folder of the program, if it is in Python."""
    keys = project.keys
    runtime, main = keys.get("runtime"), keys.get("main", ".")
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    if name != "python" or not isinstance(main, str):
        return None
    place = project.root / main
    folder = place.parent if place.name == _MAIN else place
    return folder if (folder / _MAIN).is_file() else None


def _modules(folder: Path) -> Iterator[ast.Module]:
    """Return the program and the modules beside it that it imports, directly or not."""
    todo = [folder / _MAIN]
    seen: set[Path] = set()
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            tree = ast.parse(file.read_bytes())
            yield tree
            todo += [path for name in _imported(tree) for path in _files(folder, name)]


def _imported(tree: ast.Module) -> Iterator[str]:
    """Return what a module imports, except enos_ota, which is beside the program in a checkout of it."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # Relative imports are resolved beside the program too; that finds every module that may declare sets.
            names = [f"{node.module or ''}.{alias.name}".lstrip(".") for alias in node.names]
        yield from (name for name in names if name.partition(".")[0] != "enos_ota")


def _files(folder: Path, name: str) -> Iterator[Path]:
    """Return the files of a module `a.b.c`, its packages first; `c` may be a name in `a.b`."""
    place = folder
    for part in name.split("."):
        place /= part
        yield from (file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file())


def _mentioned(tree: ast.Module) -> Iterator[str]:
    """Return the names and the text literals of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value

"""The sets that a project's program may declare, by its text: the program is not run.

`enos_ota.program.declare_sets` declares the sets of a stack. A program that does not call it ignores the sets that
`cancel` and `adopt` write; and the sets that a program declares itself are only known by running it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from modulefinder import ModuleFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enos_ota.settings import SettingsError, stackfile
from enos_ota.settings.sets import SETS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.settings.project import Project

_MAIN: Final = "__main__.py"
_READS: Final = frozenset({"declare_sets", "load_stack", SETS_KEY, SETS_KEY.partition(":")[2]})
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
    # In a checkout of enos-ota, the package is beside the program.
    finder = ModuleFinder([str(folder)], excludes=["enos_ota"])
    mentioned: set[str] = set()
    try:
        finder.run_script(str(folder / _MAIN))  # reads it, and the modules beside it that it imports
        for module in finder.modules.values():
            if file := vars(module)["__file__"]:  # a module that is built in has none
                mentioned.update(_mentioned(ast.parse(Path(file).read_bytes())))
    except (OSError, ValueError, SyntaxError, RecursionError):  # unreadable, or no Python
        return None
    return Program(folder / _MAIN, not _READS.isdisjoint(mentioned), _DECLARES in mentioned) if mentioned else None


def _folder(project: Project) -> Path | None:
    """Return the folder of the program, if it is in Python."""
    try:
        keys = stackfile.read_project(project.root).keys
    except SettingsError:
        return None
    runtime, main = keys.get("runtime"), keys.get("main", ".")
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    if name != "python" or not isinstance(main, str):
        return None
    place = project.root / main
    folder = place.parent if place.name == _MAIN else place
    return folder if (folder / _MAIN).is_file() else None


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

"""Set files: `stacks/<stack>/<name>.yaml` declares one set, its key file beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.devicekeys.reader import SUFFIXES
from enos_ota.devicekeys.visible import shown
from enos_ota.settings.problems import Problem, label
from enos_ota.settings.sets import WrittenSet
from enos_ota.settings.stackfile import STACK_FILE, is_inside, project_around, read_yaml, shown_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

SUFFIX: Final = ".yaml"
_YAML: Final = frozenset({SUFFIX, ".yml"})
_KEY_SUFFIXES: Final = tuple(suffix for suffix in SUFFIXES if suffix not in _YAML)


@dataclass(frozen=True, slots=True)
class SetFolder:
    """The folder of a stack's set files: the sets by the name of their file, and the key files beside them.

    `problems` are about everything else: files that cannot be read, hold no set, or do not belong there.
    """

    path: Path | None = None
    sets: tuple[WrittenSet, ...] = ()
    key_files: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()


def set_folder_path(stack_file: Path) -> Path | None:
    """Return `stacks/prod` for `stacks/Pulumi.prod.yaml`; None for a file that is not named as a stack file."""
    stack = stack_file.stem.partition(".")[2]
    return stack_file.parent / stack if stack and STACK_FILE.fullmatch(stack_file.name) else None


def read_set_folder(stack_file: Path) -> SetFolder:
    """Read the set files of a stack; never raises, see `SetFolder.problems`.

    Hidden files and an editor's backups are ignored.
    """
    folder = set_folder_path(stack_file)
    if folder is None or not os.path.lexists(folder):
        return SetFolder()
    project = project_around(stack_file.parent)
    if not is_inside(folder, project):
        return SetFolder(folder, problems=(_outside(folder),))
    try:
        paths = [path for path in sorted(folder.iterdir()) if not _is_ignored(path.name)]
    except OSError as error:
        return SetFolder(folder, problems=(Problem(f"cannot be read: {error.strerror}", shown_path(folder)),))
    found: list[WrittenSet] = []
    key_files: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        if not is_inside(path, project):
            problems.append(_outside(path))
        elif path.suffix == SUFFIX and not path.is_dir():
            read, flaws = _read_set_file(path)
            found += [read] if read else []
            problems += flaws
        elif path.suffix.lower() in _KEY_SUFFIXES and not path.is_dir():
            key_files.append(path)
        else:
            problems.append(_stranger(path))
    return SetFolder(folder, tuple(found), tuple(key_files), tuple(problems))


def _read_set_file(path: Path) -> tuple[WrittenSet | None, list[Problem]]:
    """Return the set of a file, if it holds one, and the problems of the file as such."""
    file = read_yaml(path)
    problems, value = list(file.flaws), file.tree.value

    def locate(place: Sequence[str | int], text: str) -> Problem:
        return file.problem(text, place, label(tuple(place)))

    if isinstance(value, dict):
        item = {"name": path.stem, **value}
        given = item["name"]
        if isinstance(given, str) and given != path.stem:
            text = f'name is "{shown(given)}", but the file is {shown(path.name)}: rename one of them, or remove name'
            problems.append(locate(("name",), text))
        return WrittenSet(item, None, path, locate, path.parent), problems
    if isinstance(value, list):
        text = f"holds a list: a set file is one set, its keys at the top; device keys go into {_KEY_SUFFIXES[0]}"
        problems.append(file.problem(text))
    elif not problems:
        problems.append(file.problem("holds no set: write its keys, such as jobId, at the top, or remove the file"))
    return None, problems


def stacks_without_file(directory: Path, stack_files: Collection[Path]) -> Iterator[str]:
    """Name the stacks that have set files in a directory, but no stack file."""
    with_file = {set_folder_path(file) for file in stack_files}
    for folder in sorted(directory.iterdir()):
        if folder not in with_file and not _is_ignored(folder.name) and folder.is_dir() and _declares_a_set(folder):
            yield folder.name


def _declares_a_set(folder: Path) -> bool:
    """Whether a folder holds a set file; it may hold any YAML, such as lists of device keys."""
    try:
        values = (read_yaml(path).tree.value for path in sorted(folder.glob(f"*{SUFFIX}")))
        return any(isinstance(value, dict) and "jobId" in value for value in values)
    except OSError:
        return False


def _is_ignored(name: str) -> bool:
    return name.startswith((".", "#")) or name.endswith("~")


def _outside(path: Path) -> Problem:
    text = "is a link out of the project: keep set files and key files in it, where they are reviewed"
    return Problem(text, shown_path(path))


def _stranger(path: Path) -> Problem:
    misnamed = path.suffix.lower() in _YAML and not path.is_dir()
    cure = f"rename it to {shown(path.stem)}{SUFFIX}" if misnamed else "move it elsewhere"
    belongs = f"set files (<name>{SUFFIX}) and their key files ({', '.join(_KEY_SUFFIXES)})"
    return Problem(f"does not belong here: this folder holds {belongs}, nothing else; {cure}", shown_path(path))

"""Set files: `stacks/<stack>/<name>.yaml` declares one set, its key file beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from enos_ota.devicekeys import files, yamltext
from enos_ota.devicekeys.reader import SUFFIXES
from enos_ota.devicekeys.visible import shown
from enos_ota.settings.problems import Problem, label
from enos_ota.settings.sets import SETS_KEY, items_of
from enos_ota.settings.stackfile import STACK_FILE, is_inside, project_around, shown_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from enos_ota.settings.stackfile import Document

SUFFIX: Final = ".yaml"
_YAML: Final = frozenset({SUFFIX, ".yml"})
_KEY_SUFFIXES: Final = tuple(suffix for suffix in SUFFIXES if suffix not in _YAML)


@dataclass(frozen=True, slots=True)
class SetFile:
    """A file that declares one set.

    Attributes:
        path: the file.
        item: the set as written, with the file's name where it has none.
    """

    path: Path
    item: dict[str, Any]
    _tree: yamltext.Tree

    def problem(self, path: Sequence[str | int], text: str) -> Problem:
        """A problem with the value at `path`."""
        return Problem(text, shown_path(self.path), self._tree.line(path), label(tuple(path)))


@dataclass(frozen=True, slots=True)
class SetFolder:
    """The folder of a stack's set files.

    Attributes:
        path: the folder, which need not exist.
        files: the set files that hold a set, by name.
        key_files: the key files beside them.
        problems: everything else: files that cannot be read, hold no set, or do not belong there.
    """

    path: Path | None = None
    files: tuple[SetFile, ...] = ()
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
    found: list[SetFile] = []
    key_files: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        if not is_inside(path, project):
            problems.append(_outside(path))
        elif path.suffix == SUFFIX and not path.is_dir():
            read, flaws = read_set_file(path)
            found += [read] if read else []
            problems += flaws
        elif path.suffix.lower() in _KEY_SUFFIXES and not path.is_dir():
            key_files.append(path)
        else:
            problems.append(_stranger(path))
    return SetFolder(folder, tuple(found), tuple(key_files), tuple(problems))


def read_set_file(path: Path) -> tuple[SetFile | None, list[Problem]]:
    """Read one set file; return its set, if it holds one, and the problems of the file as such."""
    name = shown_path(path)
    try:
        data = files.read(path)
    except OSError as error:
        return None, [Problem(f"cannot be read: {error.strerror}", name)]
    try:
        tree = yamltext.load(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, [Problem("is not UTF-8: save the file as UTF-8", name, line)]
    problems = [Problem(flaw.text, name, flaw.line) for flaw in tree.flaws]
    if isinstance(tree.value, dict):
        found = SetFile(path, {"name": path.stem, **tree.value}, tree)
        given = found.item["name"]
        if isinstance(given, str) and given != path.stem:
            text = f'name is "{shown(given)}", but the file is {shown(path.name)}: rename one of them, or remove name'
            problems.append(found.problem(("name",), text))
        return found, problems
    if isinstance(tree.value, list):
        text = f"holds a list: a set file is one set, its keys at the top; device keys go into {_KEY_SUFFIXES[0]}"
        problems.append(Problem(text, name, tree.line(())))
    elif not tree.flaws:
        problems.append(Problem("holds no set: write its keys, such as jobId, at the top, or remove the file", name, 1))
    return None, problems


def declared_items(document: Document) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every set of a stack as written, valid or not, and the file that declares it."""
    file = document.file_of(SETS_KEY)
    listed = items_of(document.values.get(SETS_KEY)) or []
    yield from ((file, item) for item in listed if isinstance(item, dict))
    yield from ((each.path, each.item) for each in read_set_folder(document.path).files)


def declaring_files(document: Document) -> dict[str, str]:
    """Return the file that declares each set of a valid stack, as messages call it, by the set's name."""
    return {str(item.get("name")): shown_path(file) for file, item in declared_items(document)}


def stacks_without_file(directory: Path, stack_files: Collection[Path]) -> Iterator[str]:
    """Name the stacks that have set files in a directory, but no stack file."""
    with_file = {set_folder_path(file) for file in stack_files}
    for folder in sorted(directory.iterdir()):
        if folder not in with_file and not _is_ignored(folder.name) and folder.is_dir() and _declares_a_set(folder):
            yield folder.name


def _declares_a_set(folder: Path) -> bool:
    """Whether a folder holds a set file; it may hold any YAML, such as lists of device keys."""
    try:
        found = (read_set_file(path)[0] for path in sorted(folder.glob(f"*{SUFFIX}")))
        return any(each is not None and "jobId" in each.item for each in found)
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

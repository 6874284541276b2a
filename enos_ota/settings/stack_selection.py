"""Stack files selected by the name of a stack, or by a path, as an operator or a pre-commit hook gives them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from enos_ota.devicekeys import files
from enos_ota.devicekeys.visible import shown
from enos_ota.settings import Problem, SettingsError, stackfile
from enos_ota.settings.models import ENOS, ENOS_OTA
from enos_ota.settings.project import find_project
from enos_ota.settings.set_files import read_set_folder, set_folder_path, stacks_without_file
from enos_ota.settings.sets import SETS_KEY, items_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enos_ota.settings.project import Project


@dataclass(frozen=True, slots=True)
class StackFile:
    """A stack file, and the project it belongs to."""

    path: Path
    project: Project


@dataclass(frozen=True, slots=True)
class StackSelection:
    """The stack files that names and paths select.

    Attributes:
        files: the stack files, each once, in the order of selection. One that is missing although its folder holds set
            files is among them.
        problems: names and paths that select nothing; warnings of stack files that no command reads.
        others: files of no project, or of one that does not mention EnOS, as they were given.
    """

    files: tuple[StackFile, ...]
    problems: tuple[Problem, ...]
    others: tuple[str, ...]


def select_stack_files(words: Sequence[str], directory: Path) -> StackSelection:
    """Select stack files.

    A word is the name of a stack of the project around the directory, or a path: a stack file selects itself, a file
    in a folder of set files that stack, a key file the stacks that name it, any other file of a project all its stacks.
    (A key file that was renamed is such another file: the stack that names it no longer finds it.) Without a word all
    stacks are selected, the example too.

    Args:
        words: names and paths, in any mixture.
        directory: where relative paths begin and the project is searched.
    """
    search = _Selector(directory)
    for word in words:
        search.take(word)
    if not words:
        search.take_all()
    return StackSelection(tuple(search.found.values()), tuple(search.problems), tuple(search.others))


@dataclass(slots=True)
class _Selector:
    """The selection so far, and the projects read for it: a hundred key files read each stack file once."""

    directory: Path
    found: dict[Path, StackFile] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    _projects: dict[Path, _KnownProject | None] = field(default_factory=dict)

    def take_all(self) -> None:
        try:
            project = self._project(self.directory)
        except SettingsError as error:
            self.problems += error.findings
            return
        if project is None:
            text = "there is no Pulumi.yaml here or above: run this in the project's directory, or name a file"
            self.problems.append(Problem(text))
        elif not (project.files or project.missing_files()):
            place = stackfile.shown_path(project.project.stack_file("*").parent)
            self.problems.append(Problem(f"{place} has no stack file"))
        else:
            self._add(project, (*project.files, *project.missing_files()))
            self.problems += map(project.unread, project.unread_files())

    def take(self, word: str) -> None:
        try:
            if not (self._take_stack(word) or self._take_path(word)):
                self.problems.append(Problem(self._nothing(word)))
        except SettingsError as error:
            self.problems += error.findings

    def _take_stack(self, word: str) -> bool:
        project = self._project(self.directory)
        if project and "/" in word and word.split("/")[1:-1] != [project.project.name]:
            return False  # a path, and not organization/project/stack
        if project is None or (path := project.project.stack_file(word)) not in project.files:
            return False
        self._add(project, [path])
        return True

    def _take_path(self, word: str) -> bool:
        path = self.directory / word
        if not _is_file(path):
            return False
        project = self._project(path.parent)
        files = project.select(path) if project else []
        if project and files:
            self._add(project, files)
            if path in files and path.resolve() not in {file.resolve() for file in project.files}:
                self.problems.append(project.unread(path))
        else:
            self.others.append(word)
        return True

    def _nothing(self, word: str) -> str:
        project = self._project(self.directory)
        stacks = f"; stacks here: {', '.join(project.project.stack_files()) or 'none'}" if project else ""
        return f"{shown(word)} is neither a stack nor a file{stacks}"

    def _add(self, project: _KnownProject, files: Iterable[Path]) -> None:
        for file in files:
            self.found.setdefault(_real(file), StackFile(file, project.project))

    def _project(self, directory: Path) -> _KnownProject | None:
        place = _real(directory)
        if place not in self._projects:
            project = find_project(place)
            self._projects[place] = _KnownProject(project, list(project.stack_files().values())) if project else None
        return self._projects[place]


@dataclass(slots=True)
class _KnownProject:
    project: Project
    files: list[Path]
    _key_files: dict[Path, set[Path]] | None = None  # stack file → the key files it names

    def select(self, path: Path) -> list[Path]:
        """Return the stack files that a file of this project selects, without those that do not mention EnOS."""
        is_stack_file = stackfile.STACK_FILE.fullmatch(path.name)
        files = [path] if is_stack_file else [*self._beside(path), *self._naming(path)] or self.files
        ours = self.project.name == ENOS_OTA or _speaks_of_enos(self.project.path)
        return [file for file in files if ours or _speaks_of_enos(file)]

    def missing_files(self) -> list[Path]:
        """Stack files that are missing although their folders hold set files."""
        directory = self.project.stack_file("*").parent
        missing = stacks_without_file(directory, self.files) if directory.is_dir() else ()
        return [self.project.stack_file(stack) for stack in missing]

    def _beside(self, path: Path) -> list[Path]:
        """The stack file of the folder of set files that a file is in."""
        folder = _real(path.parent)
        files = (*self.files, *self.missing_files())
        return [file for file in files if (own := set_folder_path(file)) and _real(own) == folder]

    def unread_files(self) -> list[Path]:
        """Files named like a stack file of this project, but with another ending, or in another directory."""
        root = self.project.root
        places = dict.fromkeys([root, self.project.stack_file("*").parent])
        there = (path for place in places for path in sorted(place.glob("Pulumi.*")))
        return [path for path in there if stackfile.STACK_FILE.fullmatch(path.name) and path not in self.files]

    def unread(self, path: Path) -> Problem:
        """The warning that a stack file is not read."""
        stack = path.name.removeprefix("Pulumi.").rpartition(".")[0]
        place = stackfile.shown_path(self.project.stack_file(stack))
        text = f"Pulumi and enos-ota do not read this file; the configuration of stack {shown(stack)} is {shown(place)}"
        return Problem(text, stackfile.shown_path(path), severity="warning")

    def _naming(self, key_file: Path) -> list[Path]:
        """The stack files whose sets name a key file, or that cannot be read."""
        if self._key_files is None:
            self._key_files = {file: set(self._named_by(file)) for file in self.files}
        wanted = _real(key_file)
        return [file for file, named in self._key_files.items() if wanted in named or file in named]

    def _named_by(self, file: Path) -> Iterator[Path]:
        """The key files that a stack's sets name; the stack file itself where that is unknown."""
        document, folder = stackfile.read(file, self.project.name), read_set_folder(file)
        if document.flaws or folder.problems:
            yield file
            return
        listed = items_of(document.values.get(SETS_KEY)) or []
        for base, item in [(file, item) for item in listed] + [(each.path, each.item) for each in folder.files]:
            named = item.get("deviceKeysFile") if isinstance(item, dict) else None
            if isinstance(named, str):
                try:
                    yield _real(base.parent / named)
                except (OSError, ValueError):
                    yield file  # not a path: the check reports it


def _speaks_of_enos(file: Path) -> bool:
    """Whether a stack file or Pulumi.yaml of a project of another name mentions EnOS; it may hold any YAML."""
    try:
        return ENOS.encode() in files.read(file).lower()
    except OSError:
        return True  # the check reports why


def _real(path: Path) -> Path:
    """Follow links; Path.resolve fails on a loop of them."""
    return Path(os.path.realpath(path))


def _is_file(path: Path) -> bool:
    """Whether there is anything but a directory; the check reports why a pipe or a broken link cannot be read."""
    try:
        return os.path.lexists(path) and not path.is_dir()
    except (OSError, ValueError):
        return False

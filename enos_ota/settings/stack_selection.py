"""Which stack files an operator or a pre-commit hook means: by a stack's name, or by a file that concerns it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enos_ota.devicekeys import files
from enos_ota.devicekeys.yamltext import shown
from enos_ota.settings import Problem, SettingsError, stackfile
from enos_ota.settings.models import ENOS, ENOS_OTA
from enos_ota.settings.project import find_project
from enos_ota.settings.sets import SETS_KEY

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
    """What names and paths stand for.

    Attributes:
        files: the stack files, each once, in the order in which they were meant.
        problems: what stands for nothing; and warnings of stack files that no command reads.
        others: files that are nothing of ours, as they were given: they belong to no project, or to one that has
            nothing to do with EnOS.
    """

    files: tuple[StackFile, ...]
    problems: tuple[Problem, ...]
    others: tuple[str, ...]


def select_stack_files(words: Sequence[str], directory: Path) -> StackSelection:
    """The stack files that are meant.

    A word is the name of a stack of the project that the directory is in, or a path: a stack file stands for itself, a
    key file for the stacks that name it, any other file of a project for all stacks of that project. (A key file that
    was renamed is such another file: the stack that names it no longer finds it.) No word at all means all stacks, the
    example among them.

    Args:
        words: names and paths, in any mixture.
        directory: where paths begin, and where the project is looked for.
    """
    search = _Search(directory)
    for word in words:
        search.take(word)
    if not words:
        search.take_all()
    return StackSelection(tuple(search.found.values()), tuple(search.problems), tuple(search.others))


@dataclass(slots=True)
class _Search:
    """What was found so far, and projects that were looked at, so that a hundred key files read a stack file once."""

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
        elif not project.files:
            place = stackfile.shown_path(project.project.stack_file("*").parent)
            self.problems.append(Problem(f"{place} has no stack file"))
        else:
            self._add(project, project.files)
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
        files = project.meant_by(path) if project else []
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

    def meant_by(self, path: Path) -> list[Path]:
        """The stack files that a file of this project stands for, without those that say nothing of EnOS."""
        files = [path] if stackfile.STACK_FILE.fullmatch(path.name) else self._naming(path) or self.files
        ours = self.project.name == ENOS_OTA or _speaks_of_enos(self.project.path)
        return [file for file in files if ours or _speaks_of_enos(file)]

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
        """The stack files that name a key file; those that cannot be read may be among them."""
        if self._key_files is None:
            self._key_files = {file: set(self._named_by(file)) for file in self.files}
        wanted = _real(key_file)
        return [file for file, named in self._key_files.items() if wanted in named or file in named]

    def _named_by(self, file: Path) -> Iterator[Path]:
        """The key files that a stack file names; itself if nobody can tell."""
        document = stackfile.read(file, self.project.name)
        if document.flaws:
            yield file
            return
        for item in _items(document.values.get(SETS_KEY)):
            named = item.get("deviceKeysFile") if isinstance(item, dict) else None
            if isinstance(named, str):
                try:
                    yield _real(file.parent / named)
                except (OSError, ValueError):
                    yield file  # no path at all: checking it will tell


def _speaks_of_enos(file: Path) -> bool:
    """Whether a stack file, or the Pulumi.yaml, of a project of another name is ours; it may hold any YAML."""
    try:
        return ENOS.encode() in files.read(file).lower()
    except OSError:
        return True  # checking it will tell


def _items(sets: Any) -> list[Any]:
    if isinstance(sets, str):
        try:
            sets = json.loads(sets)
        except (ValueError, RecursionError):
            return []
    return sets if isinstance(sets, list) else []


def _real(path: Path) -> Path:
    """Where links lead; a loop of them to itself, which Path.resolve does not survive."""
    return Path(os.path.realpath(path))


def _is_file(path: Path) -> bool:
    """Whether there is anything but a directory: why a pipe or a broken link cannot be read, checking it tells."""
    try:
        return os.path.lexists(path) and not path.is_dir()
    except (OSError, ValueError):
        return False

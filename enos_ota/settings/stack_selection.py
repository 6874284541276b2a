"""Stack files selected by the name of a stack, or by a path, as an operator or a pre-commit hook gives them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from enos_ota.devicekeys import files
from enos_ota.devicekeys.visible import shown
from enos_ota.settings.models import ENOS, ENOS_OTA
from enos_ota.settings.problems import Problem, SettingsError
from enos_ota.settings.set_files import set_folder_path, stacks_without_file
from enos_ota.settings.stackfile import STACK_FILE, find_project, shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from enos_ota.settings.stackfile import Project


@dataclass(slots=True)
class StackSelection:
    """The stack files that names and paths select, each once and in their order, with the project of each.

    A stack file that is missing although its folder holds set files is among them. `problems` are about names and paths
    that select nothing, and stack files that no command reads; `others` are files that do not belong to a project of
    enos-ota, as they were given.
    """

    files: dict[Path, Project] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def select_stack_files(words: Sequence[str], directory: Path) -> StackSelection:
    """Select stack files.

    A word is the name of a stack of the project around the directory, or a path: a stack file selects itself, a file
    in a folder of set files that stack, any other file of a project all its stacks. Without a word all stacks are
    selected, the example too.
    """
    search = _SelectionSearch(directory)
    try:
        if not words:
            search.take_all()
    except SettingsError as error:
        search.selection.problems += error.findings
    for word in words:
        try:
            search.take(word)
        except SettingsError as error:
            search.selection.problems += error.findings
    return search.selection


@dataclass(slots=True)
class _SelectionSearch:
    """The selection so far, and the projects read for it, by folder."""

    directory: Path
    selection: StackSelection = field(default_factory=StackSelection)
    _projects: dict[Path, _ProjectStacks | None] = field(default_factory=dict)

    def take_all(self) -> None:
        stacks = self._stacks(self.directory)
        if stacks is None:
            text = "there is no Pulumi.yaml here or above: run this in the project's directory, or name a file"
            self.selection.problems.append(Problem(text))
        elif not stacks.all:
            place = shown_path(stacks.project.stack_file("*").parent)
            self.selection.problems.append(Problem(f"{place} has no stack file"))
        else:
            self._add(stacks, stacks.all)
            self.selection.problems += map(stacks.unread, stacks.unread_files())

    def take(self, word: str) -> None:
        stacks, path = self._stacks(self.directory), self.directory / word
        if stacks and (file := stacks.named(word)):
            self._add(stacks, [file])
        elif _is_file(path):
            self._take_path(word, path)
        else:
            known = f"; stacks here: {', '.join(stacks.project.stack_files()) or 'none'}" if stacks else ""
            self.selection.problems.append(Problem(f"{shown(word)} is neither a stack nor a file{known}"))

    def _take_path(self, word: str, path: Path) -> None:
        stacks = self._stacks(path.parent)
        found = stacks.selected_by(path) if stacks else []
        if stacks and found:
            self._add(stacks, found)
            if path in found and path.resolve() not in {file.resolve() for file in stacks.files}:
                self.selection.problems.append(stacks.unread(path))
        else:
            self.selection.others.append(word)

    def _add(self, stacks: _ProjectStacks, found: Iterable[Path]) -> None:
        known = set(map(_real, self.selection.files))
        self.selection.files |= {file: stacks.project for file in found if _real(file) not in known}

    def _stacks(self, directory: Path) -> _ProjectStacks | None:
        place = _real(directory)
        if place not in self._projects:
            project = find_project(place)
            self._projects[place] = _ProjectStacks(project) if project else None
        return self._projects[place]


class _ProjectStacks:
    """The stack files of a project; `all` has those too that are missing although their folders hold set files."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.files = list(project.stack_files().values())
        directory = project.stack_file("*").parent
        missing = stacks_without_file(directory, self.files) if directory.is_dir() else ()
        self.all = [*self.files, *map(project.stack_file, missing)]

    def named(self, word: str) -> Path | None:
        """Return the stack file of a stack, which may be written organization/project/stack."""
        is_path = "/" in word and word.split("/")[1:-1] != [self.project.name]
        file = self.project.stack_file(word)
        return file if file in self.files and not is_path else None

    def selected_by(self, path: Path) -> list[Path]:
        """Return the stack files that a file of this project selects, without those that do not mention EnOS."""
        folder = _real(path.parent)
        if STACK_FILE.fullmatch(path.name):
            found = [path]
        else:
            found = [file for file in self.all if (own := set_folder_path(file)) and _real(own) == folder] or self.files
        ours = self.project.name == ENOS_OTA or _mentions_enos(self.project.file.path)
        return [file for file in found if ours or _mentions_enos(file)]

    def unread_files(self) -> list[Path]:
        """Return files named like a stack file of this project, but with another ending, or in another directory."""
        places = dict.fromkeys([self.project.root, self.project.stack_file("*").parent])
        there = (path for place in places for path in sorted(place.glob("Pulumi.*")))
        return [path for path in there if STACK_FILE.fullmatch(path.name) and path not in self.files]

    def unread(self, path: Path) -> Problem:
        """Return the warning that a stack file is not read."""
        stack = path.name.removeprefix("Pulumi.").rpartition(".")[0]
        place = shown_path(self.project.stack_file(stack))
        text = f"Pulumi and enos-ota do not read this file; the configuration of stack {shown(stack)} is {shown(place)}"
        return Problem(text, shown_path(path), severity="warning")


def _mentions_enos(file: Path) -> bool:
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

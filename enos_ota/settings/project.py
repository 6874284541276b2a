"""A stack's configuration as commands read it: from its files, without an engine.

The caller passes in a function that decrypts values, see `enos_ota.engine.stack_secrets`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from enos_ota.devicekeys import yamltext
from enos_ota.devicekeys.visible import shown
from enos_ota.settings import NoCredentials, Problem, SettingsError, project_around, short_name, stackfile
from enos_ota.settings.check import check_all_but_sets

if TYPE_CHECKING:
    from enos_ota.settings.stackfile import Document

PULUMI_STACK: Final = "PULUMI_STACK"
"""The environment variable that names the stack, for Pulumi and for these commands."""

EXAMPLE: Final = "example"
"""The name of the stack file to copy; it is no stack."""

_CA_BUNDLE: Final = "enos:caBundle"
_CREDENTIALS: Final = {"enos:appKey": "ENOS_APP_KEY", "enos:appSecret": "ENOS_APP_SECRET"}


_MOST_PARTS: Final = 3
"""organization/project/stack; without a project Pulumi takes that of the folder."""

_NO_PROJECT: Final = "there is no Pulumi.yaml here or above: run this in the project's directory"


class UnreadableSecret(Exception):  # noqa: N818 - names the fact
    """An encrypted value could not be decrypted; the text is the reason."""


ReadSecret: TypeAlias = Callable[[Path, str, str, Mapping[str, str]], str]
"""Decrypts a value of a stack: project folder, stack as written, full key, environment; raises `UnreadableSecret`."""


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a Pulumi.yaml.

    Attributes:
        root: The folder.
        name: The project's name, the namespace of keys without one.
    """

    root: Path
    name: str

    @property
    def path(self) -> Path:
        """Pulumi.yaml."""
        return stackfile.read_project(self.root).path

    def stack_file(self, stack: str) -> Path:
        """Return the stack file of a stack, which need not exist; the name may be qualified."""
        return stackfile.stack_file_path(self.root, stack)

    def stacks(self) -> tuple[str, ...]:
        """The stacks that have a stack file, sorted, without the example."""
        return tuple(name for name in self.stack_files() if name != EXAMPLE)

    def stack_files(self) -> dict[str, Path]:
        """Every stack file by the stack's name, sorted, with the example."""
        pattern = self.stack_file("*")
        prefix, _, suffix = pattern.name.partition("*")
        found = {path.name[len(prefix) : -len(suffix)]: path for path in sorted(pattern.parent.glob(pattern.name))}
        return {name: path for name, path in found.items() if name}


def find_project(directory: Path) -> Project | None:
    """Return the project around a folder; None if there is none.

    Raises:
        SettingsError: Pulumi.yaml cannot be read, or has no name.
    """
    root = project_around(directory)
    try:
        file = stackfile.read_project(root)
    except stackfile.NoProject:
        return None
    name = file.keys.get("name")
    if not isinstance(name, str) or not name:
        raise SettingsError([Problem("must give the project a name", stackfile.shown_path(file.path))])
    return Project(root, name)


def choose_stack(project: Project, named: str | None, environ: Mapping[str, str]) -> str:
    """Return the stack: the named one, else that of PULUMI_STACK, else the only one.

    The name is returned as written: Pulumi needs `organization/project/stack` in full.

    Raises:
        SettingsError: There is none, or there are several; or it is a stack of another project.
    """
    if stack := named or environ.get(PULUMI_STACK):
        source = "--stack" if named else PULUMI_STACK
        parts = stack.split("/")
        if len(parts) > _MOST_PARTS or not all(parts):
            text = f"{source} {shown(stack)} is no stack name: write stack, or organization/project/stack"
            raise SettingsError([Problem(text)])
        if len(parts) == _MOST_PARTS and parts[1] != project.name:
            text = f"{source} {shown(stack)} is a stack of project {shown(parts[1])}, but this is "
            raise SettingsError([Problem(f"{text}project {shown(project.name)}: change one or the other")])
        return stack
    stacks = project.stacks()
    if len(stacks) == 1:
        return stacks[0]
    place = stackfile.shown_path(project.stack_file("*").parent)
    if stacks:
        text = f"{place} has several stacks ({', '.join(stacks)}): name one with --stack, or set {PULUMI_STACK}"
    else:
        text = f"{place} has no stack file; name the stack with --stack, or set {PULUMI_STACK}"
    raise SettingsError([Problem(text)])


@dataclass(frozen=True, slots=True)
class StackConfig:
    """The configuration of one stack; `get` is the argument of `enos_ota.settings.load_connection` and its like.

    Attributes:
        project: The project; None outside of any, then the environment is the whole configuration.
        full_name: The name of the stack as written, with or without organization and project: the argument for
            Pulumi. Empty if there is no stack.
        file: The stack file; None if there is none.
        document: The configuration as written; None if there is none, or it cannot be used.
    """

    project: Project | None
    full_name: str
    file: Path | None
    _values: Mapping[str, Any]
    _decrypt: Callable[[str], str | None]
    document: Document | None = None

    @property
    def stack(self) -> str:
        """The short name of the stack; empty if there is none."""
        return short_name(self.full_name)

    @property
    def not_named(self) -> tuple[str, ...]:
        """The stacks of the project, if none was chosen."""
        return () if self.stack or self.project is None else self.project.stacks()

    def get(self, key: str) -> str | None:
        """Return the text of a key such as `enos:apiGateway`, as Pulumi would pass it to a program, decrypted.

        The path of a CA bundle, relative to the project, is returned relative to the working directory.

        Raises:
            SettingsError: It is a secret and cannot be decrypted.
        """
        value = self._values.get(key)
        if value is None:
            return None
        if stackfile.is_secret(value):
            return self._decrypt(key)
        if isinstance(value, yamltext.Unquoted):
            return value.text
        if not isinstance(value, str):
            return json.dumps(value, ensure_ascii=False, default=str)
        if key == _CA_BUNDLE and self.project:
            return stackfile.shown_path(self.project.root / value)
        return value


def locate_stack(directory: Path, named: str | None, environ: Mapping[str, str]) -> tuple[Project, str, Path]:
    """Return the project, the name of the stack as written, and its stack file, which need not exist.

    Raises:
        SettingsError: There is no project, or the stack is not determined.
    """
    project = find_project(directory)
    if project is None:
        raise SettingsError([Problem(_NO_PROJECT)])
    stack = choose_stack(project, named, environ)
    return project, stack, project.stack_file(stack)


def read_stack_config(
    directory: Path, named: str | None, environ: Mapping[str, str], read_secret: ReadSecret, *, needed: bool = False
) -> StackConfig:
    """Read the configuration of a stack, from its files alone.

    Args:
        directory: The folder in which the command runs.
        named: The stack that the operator named, if any.
        environ: The environment.
        read_secret: Decrypts what is encrypted.
        needed: Whether a stack is required. Otherwise the environment alone may suffice, and the configuration is
            empty if the stack is not determined.

    Raises:
        SettingsError: There is no project or stack, and one is needed or was named; or the configuration has a
            problem outside of its sets.
    """
    project = find_project(directory)
    if project is None:
        if needed or named:
            raise SettingsError([Problem(_NO_PROJECT)])
        return StackConfig(None, "", None, {}, nothing_decrypted)
    stack = ""
    try:
        stack = choose_stack(project, named, environ)
    except SettingsError:
        if needed or named or environ.get(PULUMI_STACK):
            raise
        if project.stacks():
            return StackConfig(project, "", None, {}, nothing_decrypted)
    file = project.stack_file(stack)
    if (needed or named) and not os.path.lexists(file):
        others = f"; the stacks here are {', '.join(stacks)}" if (stacks := project.stacks()) else ""
        raise SettingsError([Problem(f"there is no such file{others}", stackfile.shown_path(file))])
    return config_of(project, stack, environ, read_secret)


def config_of(project: Project, stack: str, environ: Mapping[str, str], read_secret: ReadSecret) -> StackConfig:
    """Read the configuration of a stack of a project, from its stack file, if there is one, and from Pulumi.yaml.

    Args:
        project: The project.
        stack: The stack, as `choose_stack` returns it; empty for Pulumi.yaml alone.
        environ: The environment.
        read_secret: Decrypts what is encrypted.

    Raises:
        SettingsError: A file cannot be read, or has a problem outside of its sets.
    """
    file = project.stack_file(stack)
    document = stackfile.read(file, project.name)
    if problems := document.flaws or check_all_but_sets(document, environ):
        raise SettingsError(problems)
    found = file if document.exists else None
    decrypt = _decryption(project, stack, file, environ, read_secret)
    return StackConfig(project, stack, found, document.values, decrypt, document)


def nothing_decrypted(_: str) -> None:
    """Decrypt nothing, for a configuration without a usable stack file."""


def _decryption(
    project: Project, stack: str, file: Path, environ: Mapping[str, str], read_secret: ReadSecret
) -> Callable[[str], str | None]:
    """Decrypt the secrets that are needed: credentials in the environment win, so those of the file are not."""
    not_needed = _CREDENTIALS.keys() if all(environ.get(name) for name in _CREDENTIALS.values()) else ()

    def decrypt(key: str) -> str | None:
        if key in not_needed:
            return None
        try:
            return read_secret(project.root, stack, key, environ)
        except UnreadableSecret as error:
            problem = Problem(_undecrypted(key, str(error)), stackfile.shown_path(file), path=key)
            raise (NoCredentials if key in _CREDENTIALS else SettingsError)([problem]) from None

    return decrypt


def _undecrypted(key: str, why: str) -> str:
    pair = " and ".join(_CREDENTIALS.values())
    way = f"set {pair}, or " if key in _CREDENTIALS else ""
    return f"{key} is encrypted and could not be read ({why}): {way}make `pulumi config get {key}` work"

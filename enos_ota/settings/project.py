"""A stack's configuration as commands read it: from its files, without an engine.

The caller passes in a function that decrypts values, see `enos_ota.engine.stack_secrets`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from enos_ota.devicekeys import yamltext
from enos_ota.devicekeys.visible import shown
from enos_ota.settings import stackfile
from enos_ota.settings.check import check_all_but_sets
from enos_ota.settings.connection import VARIABLES
from enos_ota.settings.problems import NoCredentials, Problem, SettingsError
from enos_ota.settings.stackfile import Document, Project, find_project, require_project, short_name, shown_path

PULUMI_STACK: Final = "PULUMI_STACK"
"""The environment variable that names the stack, for Pulumi and for these commands."""

_CA_BUNDLE: Final = "enos:caBundle"
_CREDENTIALS: Final = {"enos:appKey": "ENOS_APP_KEY", "enos:appSecret": "ENOS_APP_SECRET"}
_NEEDED: Final = tuple(VARIABLES[name] for name in ("apiGateway", "orgId", "appKey", "appSecret"))
"""The variables of the environment that suffice without a stack file."""

_MOST_PARTS: Final = 3
"""organization/project/stack; without a project Pulumi takes that of the folder."""


class UnreadableSecret(Exception):  # noqa: N818 - names the fact
    """An encrypted value could not be decrypted; the text is the reason."""


ReadSecret: TypeAlias = Callable[[Path, str, str, Mapping[str, str]], str]
"""Decrypts a value of a stack: project folder, stack as written, full key, environment; raises `UnreadableSecret`."""


def choose_stack(project: Project, named: str | None, environ: Mapping[str, str]) -> str:
    """Return the stack: the named one, else that of PULUMI_STACK, else the only one.

    The name is returned as written: Pulumi needs `organization/project/stack` in full.
    """
    if stack := named or environ.get(PULUMI_STACK):
        source = "--stack" if named else PULUMI_STACK
        parts = stack.split("/")
        if len(parts) > _MOST_PARTS or not all(parts):
            text = f"{source} {shown(stack)} is no stack name: write stack, or organization/project/stack"
            raise SettingsError([Problem(text)])
        if len(parts) == _MOST_PARTS and parts[1] != project.name:
            text = f"{source} {shown(stack)} is a stack of project {shown(parts[1])}, but this is project"
            raise SettingsError([Problem(f"{text} {shown(project.name)}: change one or the other")])
        return stack
    stacks = project.stacks()
    if len(stacks) == 1:
        return stacks[0]
    place = shown_path(project.stack_file("*").parent)
    if stacks:
        text = f"{place} has several stacks ({', '.join(stacks)}): name one with --stack, or set {PULUMI_STACK}"
    else:
        text = f"{place} has no stack file; name the stack with --stack, or set {PULUMI_STACK}"
    raise SettingsError([Problem(text)])


@dataclass(frozen=True, slots=True)
class StackConfig:
    """The configuration of one stack; `get` is the argument of `enos_ota.settings.load_connection` and its like.

    Attributes:
        project: None outside of any project; then the environment is the whole configuration.
        full_name: The stack as written, with or without organization and project: the argument for Pulumi. Or empty.
        file: The stack file; None if there is none.
        document: The configuration as written; None if there is none, or it cannot be used.
    """

    project: Project | None = None
    full_name: str = ""
    file: Path | None = None
    _values: Mapping[str, Any] = field(default_factory=dict)
    _decrypt: Callable[[str], str | None] = lambda _: None
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
            return shown_path(self.project.root / value)
        return value


def locate_stack(directory: Path, named: str | None, environ: Mapping[str, str]) -> tuple[Project, str, Path]:
    """Return the project, the name of the stack as written, and its stack file, which need not exist."""
    project = require_project(directory)
    stack = choose_stack(project, named, environ)
    return project, stack, project.stack_file(stack)


def read_stack_config(
    directory: Path, named: str | None, environ: Mapping[str, str], read_secret: ReadSecret, *, needed: bool = False
) -> StackConfig:
    """Read the configuration of a stack, from its files alone.

    Without `needed` the environment alone may suffice: the configuration is empty if the stack is not determined.
    Problems of sets do not count.
    """
    project = require_project(directory) if needed or named else find_project(directory)
    if project is None:
        return StackConfig()
    stack = ""
    try:
        stack = choose_stack(project, named, environ)
    except SettingsError:
        if needed or named or environ.get(PULUMI_STACK):
            raise
        if project.stacks():
            return StackConfig(project)
    file = project.stack_file(stack)
    if (needed or named) and not os.path.lexists(file):
        others = f"; the stacks here are {', '.join(stacks)}" if (stacks := project.stacks()) else ""
        raise SettingsError([Problem(f"there is no such file{others}", shown_path(file))])
    return config_of(project, stack, environ, read_secret)


def config_of(project: Project, stack: str, environ: Mapping[str, str], read_secret: ReadSecret) -> StackConfig:
    """Read the configuration of a stack of a project; `stack` is empty for Pulumi.yaml alone."""
    file = project.stack_file(stack)
    document = stackfile.read(file, project.name)
    if problems := document.flaws or check_all_but_sets(document, environ):
        raise SettingsError(problems)
    # Credentials in the environment win, so those of the file are not needed.
    not_needed = _CREDENTIALS.keys() if all(environ.get(name) for name in _CREDENTIALS.values()) else ()

    def decrypt(key: str) -> str | None:
        if key in not_needed:
            return None
        try:
            return read_secret(project.root, stack, key, environ)
        except UnreadableSecret as error:
            way = f"set {' and '.join(_CREDENTIALS.values())}, or " if key in _CREDENTIALS else ""
            text = f"{key} is encrypted and could not be read ({error}): {way}make `pulumi config get {key}` work"
            raised = NoCredentials if key in _CREDENTIALS else SettingsError
            raise raised([Problem(text, shown_path(file), path=key)]) from None

    return StackConfig(project, stack, file if document.file.exists else None, document.values, decrypt, document)


def settings_from_environment(
    error: SettingsError, directory: Path, named: str | None, environ: Mapping[str, str]
) -> StackConfig:
    """Return an empty configuration, so that the environment decides everything.

    For commands that have to work while the stack file is unusable. `error` is the reason; it is raised if the files
    are valid, so that something else is wrong.
    """
    config = StackConfig(full_name=named or "")
    try:
        project = find_project(directory)
    except SettingsError:
        project = None  # Pulumi.yaml is invalid
    else:
        if project is None:
            raise error
    if project:
        stack = choose_stack(project, named, environ)
        document = stackfile.read(project.stack_file(stack), project.name)
        if not document.flaws and not check_all_but_sets(document, {}):
            raise error
        config = StackConfig(project, stack, document.file.path)
    if not all(environ.get(name) for name in _NEEDED):
        advice = f"To run without the stack file, set {', '.join(_NEEDED[:-1])} and {_NEEDED[-1]}."
        raise SettingsError(error.findings, advice) from None
    return config

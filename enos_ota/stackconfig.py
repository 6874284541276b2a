"""A stack's configuration as the commands read it: from its file, without an engine.

Pulumi itself is asked for one thing only, if it is there: to decrypt a secret.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from enos_ota import yamltext
from enos_ota.settings import Problem, SettingsError, project_around
from enos_ota.settings import document as documents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PULUMI_STACK: Final = "PULUMI_STACK"
"""The environment variable by which Pulumi, and these commands, are told the stack."""

_EXAMPLE: Final = "example"
"""A stack file of this name is there to be copied; it is nobody's stack."""


@dataclass(frozen=True, slots=True)
class Project:
    """A directory with a Pulumi.yaml.

    Attributes:
        root: The directory.
        name: The project's name, the namespace of keys that are written without one.
    """

    root: Path
    name: str

    def stack_file(self, stack: str) -> Path:
        """Where the configuration of a stack stands, or would."""
        return documents.stack_file_path(self.root, stack)

    def stacks(self) -> tuple[str, ...]:
        """The stacks that have a file, sorted, without the example."""
        pattern = self.stack_file("*")
        prefix, _, suffix = pattern.name.partition("*")
        names = (path.name[len(prefix) : -len(suffix)] for path in pattern.parent.glob(pattern.name))
        return tuple(sorted(name for name in names if name and name != _EXAMPLE))


def find_project(directory: Path) -> Project | None:
    """The project that a directory is in; None if it is in none.

    Raises:
        SettingsError: The project file cannot be read.
    """
    root = project_around(directory)
    try:
        file = documents.project_file(root)
    except SettingsError:
        return None
    try:
        tree = yamltext.load(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        raise SettingsError([Problem("cannot be read", documents.shown_path(file))]) from None
    name = tree.value.get("name") if isinstance(tree.value, dict) else None
    return Project(root, name if isinstance(name, str) else "")


def choose_stack(project: Project, named: str | None, environ: Mapping[str, str]) -> str:
    """The stack that is meant: the one that is named, else that of PULUMI_STACK, else the only one there is.

    Raises:
        SettingsError: There is none, or there are several.
    """
    if stack := named or environ.get(PULUMI_STACK):
        return stack
    stacks = project.stacks()
    if len(stacks) == 1:
        return stacks[0]
    place = documents.shown_path(project.stack_file("*").parent)
    if stacks:
        text = f"{place} has several stacks ({', '.join(stacks)}): name one with --stack, or set {PULUMI_STACK}"
    else:
        text = f"{place} has no stack file; name the stack with --stack, or set {PULUMI_STACK}"
    raise SettingsError([Problem(text)])


@dataclass(frozen=True, slots=True)
class StackConfig:
    """The configuration of one stack; `get` is what `enos_ota.settings.load_connection` and its like ask.

    Attributes:
        project: The project; None outside of any, then there is no configuration but the environment.
        stack: The stack; empty if there is none.
        file: Its file, which need not exist; None outside of a project.
    """

    project: Project | None
    stack: str
    file: Path | None
    _values: Mapping[str, Any]
    _decrypt: Callable[[str], str | None]

    def get(self, key: str) -> str | None:
        """The text of a key such as `enos:apiGateway`, as Pulumi would hand it to a program; secrets decrypted.

        Raises:
            SettingsError: It is a secret, and nobody here can decrypt it.
        """
        value = self._values.get(key)
        if value is None:
            return None
        if documents.is_secret(value):
            text = self._decrypt(key)
            if text is None:
                raise SettingsError(
                    [Problem(_undecrypted(key), documents.shown_path(self.file) if self.file else None)]
                )
            return text
        if isinstance(value, yamltext.Unquoted):
            return value.text
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_stack(directory: Path, named: str | None, environ: Mapping[str, str], *, needed: bool = False) -> StackConfig:
    """The configuration of the stack that is meant in a directory.

    Args:
        directory: Where the command runs.
        named: The stack that was asked for, if any.
        environ: The environment.
        needed: Whether there has to be a stack. Otherwise the environment alone may say how EnOS is reached, and where
            no stack can be told from it, there is an empty configuration.

    Raises:
        SettingsError: No project or no stack where one is needed or was named; the file is no stack file.
    """
    project = find_project(directory)
    if project is None:
        if needed or named:
            raise SettingsError([Problem("there is no Pulumi.yaml here or above: run this in the project's directory")])
        return _nothing(None)
    try:
        stack = choose_stack(project, named, environ)
    except SettingsError:
        if needed:
            raise
        return _nothing(project)
    file = project.stack_file(stack)
    document = documents.read(file, project.name)
    if document is None:
        if needed or named:
            raise SettingsError([Problem("there is no such file", documents.shown_path(file))])
        return _nothing(project)
    if document.flaws:
        raise SettingsError(document.flaws)
    return StackConfig(project, stack, file, document.values, _by_pulumi(project, stack, environ))


def _nothing(project: Project | None) -> StackConfig:
    return StackConfig(project, "", None, {}, lambda _: None)


def _by_pulumi(project: Project, stack: str, environ: Mapping[str, str]) -> Callable[[str], str | None]:
    """Pulumi's own decryption; None where there is no `pulumi`, or it cannot."""

    def decrypt(key: str) -> str | None:
        pulumi = shutil.which("pulumi", path=environ.get("PATH", os.defpath))
        if pulumi is None:
            return None
        command = [pulumi, "--non-interactive", "config", "get", key, "--stack", stack]
        done = subprocess.run(
            command,
            cwd=project.root,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.rstrip("\n") if done.returncode == 0 else None

    return decrypt


def _undecrypted(key: str) -> str:
    variable = {"enos:appSecret": "ENOS_APP_SECRET", "enos:appKey": "ENOS_APP_KEY"}.get(key)
    way = f"set {variable}, or " if variable else ""
    return f"{key} is encrypted and could not be read: {way}make `pulumi config get {key}` work (passphrase, state)"

"""What a stack file that is broken still says with certainty: enough to look and to brake by, with the environment."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from enos_ota.devicekeys import files
from enos_ota.devicekeys.yamltext import Unquoted
from enos_ota.enos import ConfigurationError, check_gateway
from enos_ota.settings import stackfile as documents
from enos_ota.settings.check import AUDIT_LOG_KEY, check_all_but_sets
from enos_ota.settings.connection import VARIABLES
from enos_ota.settings.problems import Problem, SettingsError
from enos_ota.settings.project import StackConfig, choose_stack, find_project, nothing_decrypted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enos_ota.settings.stackfile import Document

_NEEDED: Final = tuple(VARIABLES[name] for name in ("apiGateway", "orgId", "appKey", "appSecret"))
"""Variables that say where EnOS is, and who asks."""

_LINE: Final = re.compile(
    r"""^[ \t]*(["']?)enos:(?:config:)?(?P<name>apiGateway|orgId)\1[ \t]*:"""
    r"""[ \t]+(["']?)(?P<value>[^"'#\s]+)\3[ \t\r]*(?:\#.*)?$""",
    re.MULTILINE,
)
"""A line that gives one of these keys, whatever stands around it."""

ADVICE: Final = f"To do without the stack file: set {', '.join(_NEEDED[:-1])} and {_NEEDED[-1]}."
"""For whoever is kept from it by a broken file."""


def suffices(environ: Mapping[str, str]) -> bool:
    """Whether the environment alone says how EnOS is reached."""
    return all(environ.get(name) for name in _NEEDED)


def without_file(error: SettingsError, directory: Path, named: str | None, environ: Mapping[str, str]) -> StackConfig:
    """The configuration to go by where a project or stack file is broken, and the environment says where EnOS is.

    Args:
        error: What is wrong with the configuration.
        directory: Where the command runs.
        named: The stack that was asked for, if any.
        environ: The environment.

    Raises:
        SettingsError: It is not the file that is broken, the environment does not suffice, or the file names another
            EnOS.
    """
    config = StackConfig(None, named or "", None, {}, nothing_decrypted)
    try:
        project = find_project(directory)
    except SettingsError:
        project = None  # that is what is broken
    else:
        if project is None:
            raise error
    if project:
        stack = choose_stack(project, named, environ)
        file = project.stack_file(stack)
        values = salvage(file, environ, project.name)
        if values is None:
            raise error
        config = StackConfig(project, stack, file, values, nothing_decrypted)
    if not suffices(environ):
        raise SettingsError(error.findings, ADVICE) from None
    return config


def salvage(file: Path, environ: Mapping[str, str], project: str) -> dict[str, str] | None:
    """The configuration to go by of a stack file with a problem outside of its sets; None if it has none by itself.

    That is where the audit log is, if that is beyond doubt.

    Raises:
        SettingsError: It names another EnOS than the environment does, which is a slip, whatever else is broken.
    """
    document = documents.read(file, project)
    problems = document.flaws or check_all_but_sets(document, {})
    if not problems:
        return None  # it is the environment that does not go with it
    nouns = {"apiGateway": "gateway", "orgId": "organization"}
    if others := [each for name, noun in nouns.items() if (each := _other(document, name, noun, environ))]:
        raise SettingsError(others)
    log = document.values.get(AUDIT_LOG_KEY)
    is_certain = not document.flaws and not any(each.path.startswith(AUDIT_LOG_KEY) for each in problems)
    return {AUDIT_LOG_KEY: log} if is_certain and isinstance(log, str) else {}


def _other(document: Document, name: str, noun: str, environ: Mapping[str, str]) -> Problem | None:
    """That a file names another EnOS than the environment under `enos:`, if it says nowhere what that does."""
    key, variable = f"enos:{name}", VARIABLES[name]
    meant = _normal(name, environ.get(variable, ""))
    value = document.values.get(key)
    found = document.problem(key, (), "")
    said = {_normal(name, str(value)): found} if isinstance(value, (str, Unquoted)) else {}
    if document.flaws:
        # A file with the marks of a merge, say, is no YAML at all, and its lines are plain all the same.
        text = _text(document.path)
        for match in _LINE.finditer(text):
            if match["name"] == name:
                line = text.count("\n", 0, match.start()) + 1
                said.setdefault(_normal(name, match["value"]), replace(found, line=line))
    said.pop("", None)
    if not said or not meant or meant in said:
        return None
    other, place = next(iter(said.items()))
    advice = f"point {variable} at it, or choose another --stack"
    return replace(place, text=f"the {noun} differs: {key} is {other}, {variable} is {meant}; {advice}")


def _normal(name: str, text: str) -> str:
    if name != "apiGateway":
        return text
    try:
        return check_gateway(text)
    except ConfigurationError:
        return ""


def _text(path: Path) -> str:
    try:
        return files.read(path).decode("utf-8-sig", "replace")
    except OSError:
        return ""

"""Whether the configuration says how EnOS is reached, and where each value comes from."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from enos_ota.engine.stack_secrets import read_stack
from enos_ota.operations.doctor.findings import Cause, Finding, State
from enos_ota.settings import SettingsError, load_address, load_connection, read_stack_file
from enos_ota.settings import stackfile as documents
from enos_ota.settings.connection import VARIABLES
from enos_ota.settings.models import ENOS, SECRETS
from enos_ota.settings.project import StackConfig, locate_stack, settings_from_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from enos_ota.settings import Connection, EnosAddress, Problem

_SOURCES: Final = {f"{ENOS}:{name}": variable for name, variable in VARIABLES.items()}
_SECRET: Final = frozenset(f"{ENOS}:{name}" for name in SECRETS)
_ADVICE: Final = "Correct what is named above."
_MOST: Final = 20  # problems that are listed here; `validate` lists all
_NO_FILE: Final = Finding("stack file", State.SKIPPED, "there is none, or none was named")


def check_configuration(
    directory: Path, stack: str | None, environ: Mapping[str, str]
) -> tuple[Finding, StackConfig | None, Connection | None]:
    """What stack file and environment say together; None for what they do not give.

    Args:
        directory: where the command runs.
        stack: the stack that was asked for, if any.
        environ: the environment.
    """
    try:
        config = read_stack(directory, stack, environ)
    except SettingsError as error:
        return _without_file(error, directory, stack, environ)
    where = sources(config, environ)
    try:
        connection = load_connection(config.get, environ)
    except SettingsError as error:
        return _wrong(error, where), config, None
    stack_named = f"stack {config.stack}" if config.stack else "the environment alone"
    text = f"{stack_named}: organization {connection.org_id} on {connection.gateway}"
    return Finding("configuration", State.OK, text, where), config, connection


def address_of(config: StackConfig, environ: Mapping[str, str]) -> EnosAddress | None:
    """Gateway and organization where nothing else is needed to know them, None if nobody says or they are wrong."""
    try:
        return load_address(config.get, environ)
    except SettingsError:
        return None


def check_files(directory: Path, stack: str | None, environ: Mapping[str, str]) -> Finding:
    """Whether the stack file and its key files are sound; the arguments are those of `check_configuration`."""
    try:
        project, named, file = locate_stack(directory, stack, environ)
    except SettingsError:
        return _NO_FILE
    if not os.path.lexists(file):
        return _NO_FILE
    name = documents.shown_path(file)
    _, problems = read_stack_file(file, environ, project=project.name)
    if not problems:
        return Finding("stack file", State.OK, f"{name} and its key files have no problem")
    details = tuple(str(problem) for problem in problems[:_MOST])
    rest = len(problems) - _MOST
    more = (f"… and {rest} more: `enos-ota validate {shlex.quote(named)}`",) if rest > 0 else ()
    text = f"{name} has {_count(problems)}"
    return Finding("stack file", State.FAILED, text, (*details, *more), _ADVICE, Cause.CONFIGURATION)


def sources(config: StackConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Where each value comes from, a line each; never the value."""
    document = config.document
    pair = all(environ.get(_SOURCES[key]) for key in _SECRET)
    lines = [f"no stack was named; there are {', '.join(config.not_named)}"] if config.not_named else []
    for key, variable in _SOURCES.items():
        told = []
        if environ.get(variable):
            told.append(f"{variable} in the environment")
        if document and key in document.values:
            place = document.problem(key, (), "")
            secret = ", encrypted" if documents.is_secret(document.values[key]) else ""
            beside = ", not used" if pair and key in _SECRET else ""
            told.append(f"{place.file}:{place.line}{secret}{beside}")
        usual = "not set; the usual authorities are trusted" if key == "enos:caBundle" else "not set"
        lines.append(f"{key}: {'; '.join(told) or usual}")
    return tuple(lines)


def _stack_file(directory: Path, stack: str | None, environ: Mapping[str, str]) -> Path | None:
    try:
        return locate_stack(directory, stack, environ)[2]
    except SettingsError:
        return None


def _without_file(
    error: SettingsError, directory: Path, stack: str | None, environ: Mapping[str, str]
) -> tuple[Finding, StackConfig | None, Connection | None]:
    """What is left where the stack file is broken: what the environment says, if it says enough."""
    file = _stack_file(directory, stack, environ)
    found = _wrong(error, (), file)
    able = f"jobs, tasks{', stop and cancel' if file else ' and stop'}"
    try:
        config = settings_from_environment(error, directory, stack, environ)
        connection = load_connection(config.get, environ)
    except SettingsError as other:
        more = tuple(str(problem) for problem in other.findings if problem not in error.findings)
        way = f"{other.advice} {able.capitalize()} can." if other.advice else ""
        advice = " ".join(filter(None, (found.advice, way)))
        return replace(found, details=(*found.details, *more), advice=advice), None, None
    text = f"the environment alone: organization {connection.org_id} on {connection.gateway}"
    details = (*found.details, text, *sources(config, environ))
    advice = " ".join(filter(None, (found.advice, f"Meanwhile {able} go by the environment.")))
    return replace(found, details=details, advice=advice), config, connection


def _wrong(error: SettingsError, where: tuple[str, ...], file: Path | None = None) -> Finding:
    name = documents.shown_path(file) if file and os.path.lexists(file) else None
    if name and all(problem.file == name for problem in error.findings):
        text = f"nothing of {name} can be used before it is mended; its problems are below"
        return Finding("configuration", State.FAILED, text, where, cause=Cause.CONFIGURATION)
    details = (*error.problems[:_MOST], *where)
    text = f"it has {_count(error.findings)}"
    return Finding("configuration", State.FAILED, text, details, _ADVICE, Cause.CONFIGURATION)


def _count(problems: Sequence[Problem]) -> str:
    return "a problem" if len(problems) == 1 else f"{len(problems)} problems"

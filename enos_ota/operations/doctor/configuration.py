"""The configuration of the stack, and where each value comes from."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from enos_ota.engine.stack_secrets import read_stack
from enos_ota.operations.doctor.findings import CONFIGURATION, Finding, FindingState
from enos_ota.plan.naming import counted
from enos_ota.settings import SettingsError, load_connection, read_stack_file, stackfile
from enos_ota.settings.connection import VARIABLES
from enos_ota.settings.models import ENOS, SECRETS
from enos_ota.settings.project import StackConfig, locate_stack, settings_from_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enos_ota.settings import Connection

_SOURCES: Final = {f"{ENOS}:{name}": variable for name, variable in VARIABLES.items()}
_SECRET: Final = frozenset(f"{ENOS}:{name}" for name in SECRETS)
_ADVICE: Final = "Correct these problems."
_MOST: Final = 20
"""Problems that are listed; `validate` lists all."""
_NO_FILE: Final = Finding("stack file", FindingState.SKIPPED, "there is none, or no stack was named")


def check_configuration(
    directory: Path, stack: str | None, environ: Mapping[str, str]
) -> tuple[Finding, StackConfig | None, Connection | None]:
    """Check the configuration from stack file and environment. Return it as far as it can be used."""
    try:
        config = read_stack(directory, stack, environ)
    except SettingsError as error:
        return _check_environment(error, directory, stack, environ)
    sources = _sources(config, environ)
    try:
        connection = load_connection(config.get, environ)
    except SettingsError as error:
        return _invalid(error, sources), config, None
    name = f"stack {config.stack}" if config.stack else "the environment alone"
    text = f"{name}: organization {connection.org_id} on {connection.gateway}"
    return Finding("configuration", FindingState.OK, text, sources), config, connection


def check_files(directory: Path, stack: str | None, environ: Mapping[str, str]) -> Finding:
    """Check the stack file, its set files and key files."""
    try:
        project, name, file = locate_stack(directory, stack, environ)
    except SettingsError:
        return _NO_FILE
    if not os.path.lexists(file):
        return _NO_FILE
    path = stackfile.shown_path(file)
    _, problems = read_stack_file(file, environ, project=project.name)
    if not problems:
        return Finding("stack file", FindingState.OK, f"{path} and its key files have no problem")
    more = len(problems) - _MOST
    rest = [f"… and {more} more: `enos-ota validate {shlex.quote(name)}`"] if more > 0 else []
    text = f"{path} has {counted(len(problems), 'problem')}"
    return _failed("stack file", text, (*map(str, problems[:_MOST]), *rest), _ADVICE)


def _sources(config: StackConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return where each value comes from, a line each; never the value."""
    document = config.document
    has_credentials = all(environ.get(_SOURCES[key]) for key in _SECRET)
    lines = [f"no stack was named; there are {', '.join(config.not_named)}"] if config.not_named else []
    for key, variable in _SOURCES.items():
        places = [f"{variable} in the environment"] if environ.get(variable) else []
        if document and key in document.values:
            place = document.problem(key, (), "")
            encrypted = ", encrypted" if stackfile.is_secret(document.values[key]) else ""
            unused = ", not used" if has_credentials and key in _SECRET else ""
            places.append(f"{place.file}:{place.line}{encrypted}{unused}")
        lines.append(f"{key}: {'; '.join(places) or 'not set'}")
    return tuple(lines)


def _check_environment(
    error: SettingsError, directory: Path, stack: str | None, environ: Mapping[str, str]
) -> tuple[Finding, StackConfig | None, Connection | None]:
    """Check what is left if the stack file is invalid: the environment, if it is complete."""
    found = _invalid(error, (), check_files(directory, stack, environ))
    try:
        config = settings_from_environment(error, directory, stack, environ)
        connection = load_connection(config.get, environ)
    except SettingsError as other:
        more = tuple(str(problem) for problem in other.findings if problem not in error.findings)
        advice = " ".join(filter(None, (found.advice, other.advice)))
        return replace(found, details=(*found.details, *more), advice=advice), None, None
    text = f"the environment alone: organization {connection.org_id} on {connection.gateway}"
    details = (*found.details, text, *_sources(config, environ))
    advice = "Until then, jobs, tasks, stop and cancel use the environment."
    return replace(found, details=details, advice=f"{found.advice} {advice}".strip()), config, connection


def _invalid(error: SettingsError, sources: tuple[str, ...], files: Finding = _NO_FILE) -> Finding:
    """Return the finding about an invalid configuration; the problems of the stack file have a finding of their own."""
    listed = {detail.partition(":")[0] for detail in files.details}
    if files.details and all(problem.file in listed for problem in error.findings):
        return _failed("configuration", "the stack file has problems, which are listed below", sources)
    text = f"it has {counted(len(error.findings), 'problem')}"
    return _failed("configuration", text, (*error.problems[:_MOST], *sources), _ADVICE)


def _failed(check: str, text: str, details: tuple[str, ...], advice: str = "") -> Finding:
    return Finding(check, FindingState.FAILED, text, details, advice, CONFIGURATION)

"""Whether the configuration says how EnOS is reached, and where each value comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enos_ota.doctor.findings import Finding, State
from enos_ota.settings import SettingsError, check_stack_file, load_address, load_connection
from enos_ota.settings import document as documents
from enos_ota.settings.connection import VARIABLES
from enos_ota.settings.models import ENOS, SECRETS
from enos_ota.stackconfig import StackConfig, read_stack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enos_ota.settings import Address, Connection

_SOURCES: Final = {f"{ENOS}:{name}": variable for name, variable in VARIABLES.items()}
_SECRET: Final = frozenset(f"{ENOS}:{name}" for name in SECRETS)
_MOST: Final = 20  # problems that are listed here; `validate` lists all


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
        return _wrong(error), None, None
    where = sources(config, environ)
    try:
        connection = load_connection(config.get, environ)
    except SettingsError as error:
        return _wrong(error, where), config, None
    stack_named = f"stack {config.stack}" if config.stack else "the environment alone"
    text = f"{stack_named}: organization {connection.org_id} on {connection.gateway}"
    return Finding("configuration", State.OK, text, where), config, connection


def address_of(config: StackConfig, environ: Mapping[str, str]) -> Address | None:
    """Gateway and organization where nothing else is needed to know them, None if nobody says or they are wrong."""
    try:
        return load_address(config.get, environ)
    except SettingsError:
        return None


def check_files(config: StackConfig | None) -> Finding:
    """Whether the stack file and its key files are sound."""
    if config is None or config.file is None or config.project is None:
        return Finding("stack file", State.SKIPPED, "there is none")
    name = documents.shown_path(config.file)
    problems = check_stack_file(config.file, project=config.project.name)
    if not problems:
        return Finding("stack file", State.OK, f"{name} and its key files have no problem")
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    details = tuple(str(problem) for problem in problems[:_MOST])
    advice = "Correct the files; `enos-ota validate` lists every problem."
    return Finding("stack file", State.FAILED, f"{name} has {count}", details, advice)


def sources(config: StackConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Where each value comes from, a line each; never the value."""
    document = documents.read(config.file, config.project.name) if config.file and config.project else None
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


def _wrong(error: SettingsError, where: tuple[str, ...] = ()) -> Finding:
    count = "a problem" if len(error.findings) == 1 else f"{len(error.findings)} problems"
    details = (*error.problems[:_MOST], *where)
    return Finding("configuration", State.FAILED, f"it has {count}", details, "Correct what is named above.")

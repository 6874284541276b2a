"""Settings from the environment alone, for commands that have to work while the stack file is unusable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enos_ota.settings import stackfile
from enos_ota.settings.check import check_all_but_sets
from enos_ota.settings.connection import VARIABLES
from enos_ota.settings.problems import SettingsError
from enos_ota.settings.project import StackConfig, choose_stack, find_project, nothing_decrypted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NEEDED: Final = tuple(VARIABLES[name] for name in ("apiGateway", "orgId", "appKey", "appSecret"))

_ADVICE: Final = f"To run without the stack file, set {', '.join(_NEEDED[:-1])} and {_NEEDED[-1]}."


def settings_from_environment(
    error: SettingsError, directory: Path, named: str | None, environ: Mapping[str, str]
) -> StackConfig:
    """Return an empty configuration, so that the environment decides everything.

    Args:
        error: Why the configuration of the stack cannot be used.
        directory: Where the command runs.
        named: The stack that the operator named, if any.
        environ: The environment.

    Raises:
        SettingsError: The project file and the stack file are valid, so that something else is wrong; or the
            environment lacks one of the variables.
    """
    config = StackConfig(None, named or "", None, {}, nothing_decrypted)
    try:
        project = find_project(directory)
    except SettingsError:
        project = None  # Pulumi.yaml is invalid
    else:
        if project is None:
            raise error
    if project:
        stack = choose_stack(project, named, environ)
        file = project.stack_file(stack)
        document = stackfile.read(file, project.name)
        if not document.flaws and not check_all_but_sets(document, {}):
            raise error
        config = StackConfig(project, stack, file, {}, nothing_decrypted)
    if not all(environ.get(name) for name in _NEEDED):
        raise SettingsError(error.findings, _ADVICE) from None
    return config

"""The command line, `enos-ota`: one module a command, imported when the command is asked for."""

from __future__ import annotations

import importlib
from typing import Final

import click

from enos_ota import __version__

COMMANDS: Final = ("review", "simulate", "validate", "doctor", "jobs", "tasks", "adopt", "cancel", "stop", "retry")
"""In the order of help. Each is the attribute of its name in `enos_ota.cli.<name>`."""


class _Commands(click.Group):
    """Commands by name. A module that is not asked for is not imported: it may need much, or an optional package."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"{__name__}.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command), cmd_name  # noqa: S101 - for the type checker
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="enos-ota", message="%(prog)s %(version)s")
def main() -> None:
    """Call back a firmware rollout on Envision EnOS as safely as a code change.

    Exit codes: 0 fine, 1 the answer is no, 2 wrong usage or configuration, 3 it could not be done or determined.
    """

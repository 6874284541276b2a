"""The command line, `enos-ota`: one module for each command, imported when the command is used."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from enos_ota import __version__
from enos_ota.cli.failures import NO_ROOM, Undetermined, as_json
from enos_ota.cli.plain import plain
from enos_ota.cli.rows import has_begun

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = ("review", "validate", "doctor", "jobs", "tasks", "stop", "cancel", "adopt", "retry", "simulate")
"""In the order of help. Each is the attribute of its name in `enos_ota.cli.<name>`."""

DEBUG: Final = "ENOS_OTA_DEBUG"
"""The environment variable with which an unexpected error shows its traceback."""


_TYPED: Final = "enos_ota.typed"
_FORMAT: Final = re.compile("\0--format[=\0]([^\0]*)")


class _Commands(click.Group):
    """Commands by name. Other modules are not imported, because they may need an optional package."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"{__name__}.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command), cmd_name  # noqa: S101 - for the type checker
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Keep the arguments: they name the format of error messages, also of those about the arguments."""
        ctx.meta[_TYPED] = tuple(args)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; with --format json, also print an error as a document on stdout."""
        try:
            return self._run(ctx)
        except click.ClickException as error:
            if _is_json(ctx.meta.get(_TYPED, ())) and not has_begun(ctx):
                with contextlib.suppress(OSError):
                    click.echo(json.dumps(as_json(error)))
            raise

    def _run(self, ctx: click.Context) -> object:
        """Run a command; print unexpected errors without a traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Undetermined("interrupted") from None
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM and error.filename is None:
                raise Undetermined(f"stdout cannot be written ({error.strerror})") from None  # help, for instance
            if os.environ.get(DEBUG):
                raise
            place = traceback.extract_tb(error.__traceback__)[-1]
            what = f"unexpected {type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
            raise Undetermined(
                f"{what}: {plain(str(error))}. "
                f"This is a mistake in enos-ota: run it again with {DEBUG}=1 and report what that shows"
            ) from None


def _is_json(typed: Sequence[str]) -> bool:
    """Whether a command line asks for JSON; as everywhere, the last --format counts."""
    return _FORMAT.findall("\0".join(("", *typed)))[-1:] == ["json"]


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="enos-ota", message="%(prog)s %(version)s")
def main() -> None:
    """Call back a firmware rollout on Envision EnOS as safely as a code change.

    Exit codes: 0 success, 1 refused or a check failed, 2 wrong usage or configuration, 3 the command failed or its
    result is unknown, also after an interrupt (Ctrl-C, SIGTERM) or at its deadline (enos-ota:deadline).

    If stdout cannot be written, a command that changes something prints its result on stderr and keeps its exit code. A
    command that only reads ends with 3, and removes what it wrote if stdout is a file. If the reader of a pipe ends
    (| head), jobs and tasks end with 0; doctor, validate and review keep their exit code.

    With --format json, stdout has one JSON document, also if the command fails: an object with exitCode and error,
    which has the message of stderr and, if EnOS refused a request, its code and requestId. A result has its own form
    even with exit code 1. (A list of jobs or tasks that ends early is not valid JSON: check the exit code.)
    """

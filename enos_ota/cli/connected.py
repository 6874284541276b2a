"""The EnOS client of commands that only read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from enos_ota.cli.failures import Undetermined, exit_with_message
from enos_ota.cli.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.enos import EnosClient
    from enos_ota.settings import Connection
    from enos_ota.settings.project import StackConfig


@contextlib.contextmanager
def connected(stack: str | None) -> Iterator[tuple[EnosClient, Connection]]:
    """Open a client with the settings of stack file and environment; errors end the command, see `exit_with_message`.

    Its waits end at the deadline of the stack, see `enos-ota:deadline`. If the stack file is invalid, the environment
    alone decides.

    Args:
        stack: the stack that the operator named, if any. Without a stack the environment alone may be enough.
    """
    from enos_ota.engine.stack_secrets import read_stack  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.enos import SYSTEM_CLOCK  # noqa: PLC0415 - the same
    from enos_ota.reconciler.deadline import COMMAND_IS_OVER, Deadline, Stop, Stopped  # noqa: PLC0415 - the same
    from enos_ota.settings import SettingsError, load_connection  # noqa: PLC0415 - the same
    from enos_ota.settings.client import create_client  # noqa: PLC0415 - the same

    with exit_with_message():
        config = _usable_config(stack)
        try:
            connection = load_connection(config.get, os.environ)
        except SettingsError:
            if config.not_named:
                read_stack(Path.cwd(), stack, os.environ, needed=True)  # lists the stacks
            raise
        with create_client(connection) as client:
            ending = Deadline(SYSTEM_CLOCK, Stop(), connection.deadline, COMMAND_IS_OVER)
            try:
                yield ending.limit(client), connection
            except Stopped as end:
                raise Undetermined(f"{end}") from None


def _usable_config(stack: str | None) -> StackConfig:
    from enos_ota.engine.stack_secrets import read_stack  # noqa: PLC0415 - as above
    from enos_ota.settings import SettingsError  # noqa: PLC0415 - as above
    from enos_ota.settings.project import settings_from_environment  # noqa: PLC0415 - as above

    try:
        return read_stack(Path.cwd(), stack, os.environ)
    except SettingsError as error:
        config = settings_from_environment(error, Path.cwd(), stack, os.environ)
        first, *others = error.problems
        more = f" (and {len(others)} more)" if others else ""
        click.echo(plain(f"The stack file is not used, and the environment decides: {first}{more}"), err=True)
        return config

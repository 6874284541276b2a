"""The client that a command works with: the stack that is meant, its settings, EnOS."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from enos_ota.cli.failures import Undetermined, told
from enos_ota.cli.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.enos import EnosClient
    from enos_ota.settings import Connection
    from enos_ota.settings.project import StackConfig


@contextlib.contextmanager
def connected(stack: str | None) -> Iterator[tuple[EnosClient, Connection]]:
    """A client of the EnOS that stack file and environment name, closed at the end; failures as `told` puts them.

    Its waits end at the deadline of the stack, see `enos-ota:deadline`.

    A stack file that is broken keeps nobody from looking, if the environment says where EnOS is.

    Args:
        stack: the stack that was asked for, if any. Without one the environment alone may say all.
    """
    from enos_ota.enos import SYSTEM_CLOCK  # noqa: PLC0415 - the same
    from enos_ota.reconciler.ending import COMMAND_IS_OVER, EarlyEnd, Ending, Stop  # noqa: PLC0415 - the same
    from enos_ota.settings import SettingsError, load_connection  # noqa: PLC0415 - the same
    from enos_ota.settings.client import create_client  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.settings.project import read_stack  # noqa: PLC0415 - the same

    with told():
        config = _legible(stack)
        try:
            connection = load_connection(config.get, os.environ)
        except SettingsError:
            if config.not_named:
                read_stack(Path.cwd(), stack, os.environ, needed=True)  # says which there are
            raise
        with create_client(connection) as client:
            ending = Ending(SYSTEM_CLOCK, Stop(), connection.deadline, COMMAND_IS_OVER)
            try:
                yield ending.limit(client), connection
            except EarlyEnd as end:
                raise Undetermined(f"{end}") from None


def _legible(stack: str | None) -> StackConfig:
    from enos_ota.salvage import without_file  # noqa: PLC0415 - as above
    from enos_ota.settings import SettingsError  # noqa: PLC0415 - as above
    from enos_ota.settings.project import read_stack  # noqa: PLC0415 - as above

    try:
        return read_stack(Path.cwd(), stack, os.environ)
    except SettingsError as error:
        config = without_file(error, Path.cwd(), stack, os.environ)
        first, *others = error.problems
        more = f" (and {len(others)} more)" if others else ""
        said = f"Nothing of the stack file is used, and EnOS is what the environment says, because of {first}{more}"
        click.echo(plain(said), err=True)
        return config

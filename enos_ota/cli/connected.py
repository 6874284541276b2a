"""The client that a command works with: the stack that is meant, its settings, EnOS."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from enos_ota.cli.failures import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.enos import EnosClient
    from enos_ota.settings import Connection


@contextlib.contextmanager
def connected(stack: str | None) -> Iterator[tuple[EnosClient, Connection]]:
    """A client of the EnOS that stack file and environment name, closed at the end; failures as `told` puts them.

    Args:
        stack: the stack that was asked for, if any. Without one the environment alone may say all.
    """
    from enos_ota.connect import client_of  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.settings import SettingsError, load_connection  # noqa: PLC0415 - the same
    from enos_ota.stackconfig import read_stack  # noqa: PLC0415 - the same

    with told():
        config = read_stack(Path.cwd(), stack, os.environ)
        try:
            connection = load_connection(config.get, os.environ)
        except SettingsError:
            if config.not_named:
                read_stack(Path.cwd(), stack, os.environ, needed=True)  # says which there are
            raise
        with client_of(connection) as client:
            yield client, connection

"""Reference of the commands, from their `--help`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from enos_ota.cli import COMMANDS, main

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH: Final = 100


def parts() -> dict[str, str]:
    """Return the generated parts of docs/cli.md: the list of all commands, and the help of each."""
    top = click.Context(main, info_name="enos-ota", terminal_width=_WIDTH, **main.context_settings)
    return {"overview": _block(main.get_help(top)), "commands": "\n\n".join(_commands(top))}


def _commands(top: click.Context) -> Iterator[str]:
    for name in COMMANDS:
        command = main.get_command(top, name)
        assert command, name  # noqa: S101 - for the type checker
        with click.Context(command, parent=top, info_name=name) as context:
            yield f"## enos-ota {name}\n\n{_block(command.get_help(context))}"


def _block(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"```text\n{lines}\n```"

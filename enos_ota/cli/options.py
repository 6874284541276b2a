"""Options that several commands have."""

from __future__ import annotations

import os
from typing import Final

import click

from enos_ota.cli import completion

stack: Final = click.option(
    "-s",
    "--stack",
    metavar="NAME",
    shell_complete=completion.stacks,
    help="the stack whose settings to use (default: PULUMI_STACK, else the only one there is)",
)

table_or_json: Final = click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="table is for people; json is one list",
)


def as_typed(text: str) -> str:
    """The text of an option as it was typed: in a locale such as C, Python may have left it undecoded."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        raise click.BadParameter("it is not UTF-8") from None


def job_id(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Refuse what an unset variable, or a copy from a chat, makes of a job's id: EnOS's own words would say less."""
    from enos_ota.settings import ids  # noqa: PLC0415 - help needs none of it

    if text is None:
        return None
    if not text.strip():
        raise click.BadParameter("it is empty")
    typed = as_typed(text)
    if typed.startswith("-"):
        raise click.BadParameter(f"{typed} is an option: the id before it is missing or empty")
    if why := ids.problem(typed):
        raise click.BadParameter(f"it {why}")
    return typed


job: Final = click.option("-j", "--job", "job_id", metavar="ID", required=True, callback=job_id, help="the OTA job")

text_or_json: Final = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json is for machines",
)

"""Options that several commands have, and the examples at the end of their help."""

from __future__ import annotations

import os
from typing import Final

import click

from enos_ota.cli import completion
from enos_ota.devicekeys import rules as keys

_LONGEST: Final = 500
"""Characters of a reason, as in a stack file."""


def examples(*lines: str) -> str:
    """Return the epilog of a command, whose lines are never wrapped."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


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
    """Return the text of an option as it was typed: in a locale such as C, Python may have left it undecoded."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        raise click.BadParameter("it is not UTF-8") from None


def job_id(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Refuse an id that an unset variable or a copy from a chat has spoilt: the answer of EnOS would explain less."""
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


def _one_line(_: click.Context, __: click.Parameter, text: str | None) -> str:
    if text is None:
        return ""
    stripped = as_typed(text).strip()
    if not stripped:
        # An unset shell variable must not turn an expectation into none.
        raise click.BadParameter("it is empty")
    if any(map(keys.is_control, stripped)):
        raise click.BadParameter("it has control characters or line breaks: it must be one line")
    if len(stripped) > _LONGEST:
        raise click.BadParameter(f"it is longer than {_LONGEST} characters")
    return stripped


reason: Final = click.option(
    "-r",
    "--reason",
    metavar="TEXT",
    required=True,
    callback=_one_line,
    help="why, one line, for the audit log and for reviewers",
)

reason_if_any: Final = click.option(
    "-r",
    "--reason",
    metavar="TEXT",
    callback=_one_line,
    help="why, one line, for reviewers",
)

name: Final = click.option(
    "--name",
    metavar="NAME",
    callback=_one_line,
    help="the name of the new set; a number is added if it is taken (default: the job's name)",
)


def _day_to_come(_: click.Context, __: click.Parameter, text: str | None) -> str:
    if text is None:
        return ""
    from enos_ota.plan import days  # noqa: PLC0415 - slow to import, and help needs none of it

    if not days.is_day(text):
        raise click.BadParameter("it is not a date such as 2027-03-31")
    if days.is_over(text, today := days.today()):
        raise click.BadParameter(f"this day is in the past: today is {today.isoformat()}, in UTC")
    return text


expires: Final = click.option(
    "--expires",
    metavar="YYYY-MM-DD",
    callback=_day_to_come,
    help="the last day of the new set; afterwards the set is only reported (default: none)",
)

expect_firmware: Final = click.option(
    "--expect-firmware",
    "firmware_version",
    metavar="VERSION",
    callback=_one_line,
    help="the firmware version that the job must have; otherwise no request is sent",
)

"""Options of commands that write."""

from __future__ import annotations

from typing import Final

import click

from enos_ota.cli.options import as_typed
from enos_ota.devicekeys import rules as keys

_LONGEST: Final = 500
"""Characters of a reason, as in a stack file."""


def _one_line(_: click.Context, __: click.Parameter, text: str | None) -> str:
    if text is None:
        return ""
    stripped = as_typed(text).strip()
    if not stripped:
        # As where a variable is not set: an expectation that is empty would expect nothing.
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
    help="why, one line: for the audit log, and those who read it later",
)

reason_if_any: Final = click.option(
    "-r",
    "--reason",
    metavar="TEXT",
    callback=_one_line,
    help="why, one line: for those who read it later",
)

name: Final = click.option(
    "--name",
    metavar="NAME",
    callback=_one_line,
    help="the set; one that is there already gets the keys (default: a new one, named after the job)",
)


def _day_to_come(_: click.Context, __: click.Parameter, text: str | None) -> str:
    if text is None:
        return ""
    from enos_ota.plan import days  # noqa: PLC0415 - slow to import, and help needs none of it

    if not days.is_day(text):
        raise click.BadParameter("it is no date such as 2027-03-31")
    if days.is_over(text, today := days.today()):
        raise click.BadParameter(f"that day is over: today is {today.isoformat()}, in UTC")
    return text


expires: Final = click.option(
    "--expires",
    metavar="YYYY-MM-DD",
    callback=_day_to_come,
    help="the last day of a new set: afterwards it is only reported (default: none)",
)

overwrite: Final = click.option("--overwrite", is_flag=True, help="replace a key file of other content")

expect_firmware: Final = click.option(
    "--expect-firmware",
    "firmware_version",
    metavar="VERSION",
    callback=_one_line,
    help="the firmware that the job must be about; otherwise nothing is sent",
)

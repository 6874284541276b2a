"""Options of the commands that send writing requests or write sets."""

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

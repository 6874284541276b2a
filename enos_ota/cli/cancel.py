"""`enos-ota cancel`. The names of its options are those of `CancelRequest`."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from enos_ota.cli import options
from enos_ota.cli.failures import Refused
from enos_ota.cli.output import say, say_aside, write_outcome
from enos_ota.cli.plain import plain

if TYPE_CHECKING:
    from enos_ota.operations.context import OperationContext


@click.command()
@options.stack
@options.job
@click.option("-k", "--keys", metavar="FILE", default="", help="a key file (.txt, .csv, .yaml); - reads stdin")
@click.option("--waiting", is_flag=True, help="all devices of the job whose task is init or published")
@options.reason
@options.expect_firmware
@options.name
@options.expires
@click.option(
    "--record-aside",
    "aside",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="write the set, its key file and the project's audit log into DIR instead of the project",
)
@click.option("-y", "--yes", is_flag=True, help="do not ask; needs --expect")
@click.option(
    "--expect",
    type=click.IntRange(0),
    metavar="N",
    help="the number of device keys of --keys, or the highest number of --waiting; otherwise no request is sent",
)
@options.text_or_json
def cancel(*, stack: str | None, waiting: bool, output: str, **asked: Any) -> None:
    """Cancel OTA tasks now: without a pull request, and without the Pulumi engine.

    For emergencies. The guard, the limits, the audit log and ENOS_OTA_BREAK_GLASS are those of `pulumi up`. The limits
    of every set that already contains one of these keys also apply: guard, expected firmware, expiry date. The command
    shows a preview and, if a task can be cancelled, asks you to type the number of devices. Before the first cancel it
    writes a new set, stacks/STACK/NAME.yaml, and its key file beside it, so that nothing is lost whatever happens. Add
    both to a pull request: `pulumi up` then adopts the set without sending a request. Keys that a set declares already
    stay in that set; no existing file is changed.

    If the project cannot be written, --record-aside writes into another directory. If the stack file is invalid, it is
    not used: the environment must have ENOS_API_GATEWAY, ENOS_ORG_ID, ENOS_APP_KEY and ENOS_APP_SECRET, and because the
    guard is unknown, ENOS_OTA_BREAK_GLASS must give a reason.

    Ctrl-C: no further request is sent, and the command waits up to 5 s for the answers to those it sent; a second
    Ctrl-C ends it at once. It prints what was sent. Run the same command again, or `pulumi up`, to cancel the rest.

    Exit codes: 0 every task is cancelled or too late; 1 refused, or a key cannot be cancelled; 3 the cancel failed
    wholly or in part, or was interrupted.
    """
    from enos_ota.cli.operating import operation  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.operations import cancel as cancelling  # noqa: PLC0415 - the same
    from enos_ota.operations.stages import CancelRequest  # noqa: PLC0415 - the same

    request = CancelRequest(**asked)
    if bool(request.keys) == waiting:
        raise click.UsageError("Which devices? Give either --keys FILE or --waiting.")
    if request.yes and request.expect is None:
        raise click.UsageError("--yes needs --expect N, the number of device keys.")
    if request.keys == "-" and not request.yes:
        raise click.UsageError("--keys - reads stdin, so it cannot ask for a confirmation: add --yes --expect N.")
    is_json = output == "json"
    with operation(stack, requires_stack=True, works_without_stack_file=True, aside=request.aside) as context:
        show, confirm = say_aside if is_json else say, partial(_confirm, context)
        report = cancelling.cancel(context, request, show=show, confirm=confirm)
        if report is None:
            if is_json:
                about = {"stack": context.config.stack, "job": request.job_id, "reason": request.reason}
                write_outcome(json.dumps(about | {"keys": 0, "cancelled": 0, "files": [], "exitCode": 0}))
            return
        if not is_json:
            report.write(say, say_aside)
        else:
            write_outcome(json.dumps(report.as_json()))
            for line in report.hints() if report.is_written else [report.error()]:
                say_aside(line)
        raise click.exceptions.Exit(report.exit_code)


def _confirm(context: OperationContext, number: int) -> None:
    """Ask the operator to type the number of devices."""
    from enos_ota.operations.errors import NOTHING_DONE  # noqa: PLC0415 - slow to import, and help needs none of it

    try:
        question = f"To cancel, type the number of devices ({number})"
        typed = click.prompt(question, default="", show_default=False, err=True).strip()
    except click.Abort:  # Ctrl-C, or the end of stdin
        say_aside("")  # ends the line of the question
        if context.stop.reason:
            raise KeyboardInterrupt from None
        in_scripts = "" if sys.stdin.isatty() else " In scripts: --yes --expect N."
        raise Refused(f"not confirmed. {NOTHING_DONE}{in_scripts}") from None
    if not sys.stdin.isatty():
        say_aside("")
    if typed != str(number):
        found = f"you typed {typed!r}" if typed else "you typed nothing"
        raise Refused(plain(f"{found}, but the number of devices is {number}. {NOTHING_DONE}"))

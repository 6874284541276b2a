"""`enos-ota retry`. The names of its options are those of `RetryRequest`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from enos_ota.cli import options
from enos_ota.cli.output import say, say_aside, write_outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enos_ota.operations.retry import RetryResult


@click.command()
@options.stack
@options.job
@click.option("-k", "--keys", metavar="FILE", required=True, help="a key file (.txt, .csv, .yaml); - reads stdin")
@click.option(
    "--expect",
    type=click.IntRange(1),
    metavar="N",
    required=True,
    help="the number of device keys; otherwise no request is sent",
)
@options.reason_if_any
@options.expect_firmware
@click.option("--failed-too", is_flag=True, help="also retry tasks that failed for other reasons than a cancel")
@options.text_or_json
def retry(*, stack: str | None, output: str, **asked: Any) -> None:
    """Undo a cancel: tell EnOS to push the firmware to these devices again.

    Only tasks that read as cancelled are sent. The stack's guard counts them. Keys that a stack of this project still
    declares are refused, because the next `pulumi up` would cancel them again. (This command does not know the keys
    that only a program of your own declares.) Every request is recorded in the audit log.

    Exit codes: 0 retried, or waiting already; 1 refused, or some or all tasks were not retried; 3 the retry failed
    wholly or in part, or was interrupted. Ctrl-C works as in cancel.
    """
    from enos_ota.cli.operating import operation  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.operations import retry as retrying  # noqa: PLC0415 - the same

    with operation(stack, requires_stack=True) as context:
        result = retrying.retry(context, retrying.RetryRequest(**asked))
        if output == "json":
            write_outcome(json.dumps(result.as_json()))
        else:
            _write(result)
        raise click.exceptions.Exit(result.exit_code)


def _write(result: RetryResult) -> None:
    from enos_ota.operations.retry_batches import RetryState  # noqa: PLC0415 - as above
    from enos_ota.plan.live import WAITING  # noqa: PLC0415 - as above
    from enos_ota.plan.naming import counted, listed, shown  # noqa: PLC0415 - as above

    outcome, check = result.outcome, result.check
    say(f"{len(outcome.retried)} of {counted(len(result.keys), 'device')} retried (job {result.request.job_id})")
    if not_failed := check.of(RetryState.NOT_FAILED):
        waiting = [key for key in not_failed if check.tasks[key][0].status in WAITING]
        others = sorted(set(not_failed).difference(waiting))
        for keys, description in ((waiting, "waiting already"), (others, RetryState.NOT_FAILED.value)):
            if keys:
                say(f"{counted(len(keys), 'device')} {description} ({_some(result, keys)}): nothing to retry")
        if len(not_failed) == len(result.keys):
            say_aside("Error: none of these tasks reads as cancelled. If they were retried before, you are done.")
    for state, keys in result.refused.items():
        hint = "; --failed-too retries them" if state is RetryState.FAILED else ""
        say_aside(f"Error: {counted(len(keys), 'device')} refused, {state.value} ({_some(result, keys)}){hint}")
    if outcome.pending:
        accepted = f", of which EnOS accepted {outcome.accepted}" if outcome.accepted else ""
        some = listed([shown(key) for key in outcome.pending])
        say_aside(f"Error: {counted(len(outcome.pending), 'device')} not read as retried ({some}){accepted}")
    if outcome.problem:
        problem = outcome.problem.rstrip(".")
        say_aside(f"Error: {problem}. Run the same command again: it sends only tasks that still read as cancelled.")


def _some(result: RetryResult, keys: Sequence[str]) -> str:
    from enos_ota.plan.naming import listed, one_line, shown  # noqa: PLC0415 - as above

    return listed([f"{shown(key)} {one_line(status)}".strip() for key, status in result.statuses(keys).items()])

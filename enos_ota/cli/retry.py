"""`enos-ota retry`. What it needs is imported when it runs: help needs none of it."""

from __future__ import annotations

import click

from enos_ota.cli import acting, options


@click.command()
@options.stack
@options.job
@click.option("-k", "--keys", metavar="FILE", required=True, help="a key file (.txt, .csv, .yaml); - reads stdin")
@click.option(
    "--expect",
    type=click.IntRange(1),
    metavar="N",
    required=True,
    help="how many device keys these are; with another number nothing is sent",
)
@acting.reason_if_any
@acting.expect_firmware
@click.option("--failed-too", is_flag=True, help="also retry tasks that failed for other reasons than a cancel")
@options.text_or_json
def retry(
    *,
    stack: str | None,
    job_id: str,
    keys: str,
    expect: int,
    reason: str,
    firmware_version: str,
    failed_too: bool,
    output: str,
) -> None:
    """Undo a cancel: have EnOS push the firmware to these devices again.

    Only tasks that read as cancelled are sent. The stack's guard counts them. Keys that any stack of this project still
    declares are refused: the next `pulumi up` would cancel them again. (Those that only a program of your own declares
    it cannot see.) Every request is in the audit log.

    Exit codes: 0 retried, or on their way by themselves; 1 refused, not a single one was retried, or some could not be;
    3 it could not be done, wholly or in part, or was interrupted. Ctrl-C works as in cancel.
    """
    from enos_ota.operations.retry import Order, run  # noqa: PLC0415 - slow to import, and help needs none of it

    order = Order(job_id, keys, expect, reason, firmware_version=firmware_version, failed_too=failed_too)
    run(order, stack=stack, output=output)

"""`enos-ota adopt`. What it needs is imported when it runs: help needs none of it."""

from __future__ import annotations

import click

from enos_ota.cli import acting, options


@click.command()
@options.stack
@options.job
@acting.name
@acting.expires
@acting.reason_if_any
@acting.overwrite
@click.option("--dry-run", is_flag=True, help="show what would be written, and write nothing")
@options.text_or_json
def adopt(
    *,
    stack: str | None,
    job_id: str,
    name: str,
    expires: str,
    reason: str,
    overwrite: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Declare in a stack what is cancelled in an OTA job already.

    Writes a set into the stack file and its device keys into a file beside it. The stack file's other values and its
    comments stay, and in the usual block style every other byte. Nothing is sent: `pulumi up` takes the set over, and
    keeps it cancelled from then on. Keys that a set of the stack declares already are left there.

    Exit codes: 0 written, or nothing to write; 1 no task reads as cancelled; 3 EnOS could not be asked, or it was
    interrupted.
    """
    from enos_ota.operations.adopt import Order, run  # noqa: PLC0415 - slow to import, and help needs none of it

    order = Order(job_id, name=name, reason=reason, expires=expires, overwrite=overwrite, dry_run=dry_run)
    run(order, stack=stack, output=output)

"""`enos-ota cancel`. What it needs is imported when it runs: help needs none of it."""

from __future__ import annotations

from pathlib import Path

import click

from enos_ota.cli import acting, options


@click.command()
@options.stack
@options.job
@click.option("-k", "--keys", metavar="FILE", default="", help="a key file (.txt, .csv, .yaml); - reads stdin")
@click.option("--waiting", is_flag=True, help="all devices of the job whose task is init or published")
@acting.reason
@acting.expect_firmware
@acting.name
@acting.expires
@acting.overwrite
@click.option(
    "--record-aside",
    "aside",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="leave the project alone: what would be written into it is written into DIR",
)
@click.option("-y", "--yes", is_flag=True, help="do not ask; needs --expect")
@click.option(
    "--expect",
    type=click.IntRange(0),
    metavar="N",
    help="with --keys how many device keys these are, with --waiting how many at most; otherwise nothing is sent",
)
@options.text_or_json
def cancel(
    *,
    stack: str | None,
    job_id: str,
    keys: str,
    waiting: bool,
    reason: str,
    firmware_version: str,
    name: str,
    expires: str,
    overwrite: bool,
    aside: Path | None,
    yes: bool,
    expect: int | None,
    output: str,
) -> None:
    """Cancel OTA tasks now: without a pull request, and without an engine.

    For 3 a.m. The guard, the limits, the audit log and ENOS_OTA_BREAK_GLASS are those of `pulumi up`; what sets ask for
    that get keys, or declare some of them already, holds too: guard, expected firmware, last day. It shows what it
    will do and, if anything can be cancelled, has you type the number of devices. Before anything is sent a set and its
    key file are written into the project, so that nothing is lost whatever happens; the pull request that follows
    adopts it without a write.

    Where the project cannot be written, or its stack file cannot be edited, --record-aside writes the set, its key file
    and the project's audit log into another directory, for the pull request later. Of a stack file that is broken
    outside of its sets nothing is used: address and credentials come from the environment then, and as nobody knows the
    guard, ENOS_OTA_BREAK_GLASS has to give a reason. A file that legibly names another EnOS is refused all the same.

    Ctrl-C: nothing new is sent, and cancel waits up to 5 s for the answers to what was sent; Ctrl-C again ends it at
    once. It prints what was sent. The next `pulumi up`, or the same command, does the rest.

    Exit codes: 0 all is as asked, or is too late; 1 refused, or a key could not be dealt with; 3 it could not be done,
    wholly or in part, or was interrupted.
    """
    if bool(keys) == waiting:
        raise click.UsageError("Which devices? Give either --keys FILE or --waiting.")
    if yes and expect is None:
        raise click.UsageError("--yes needs --expect N, the number of device keys.")
    if keys == "-" and not yes:
        raise click.UsageError("--keys - reads stdin, so that nobody can be asked: add --yes --expect N.")
    from enos_ota.operations.cancel import run  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.operations.order import Order  # noqa: PLC0415 - the same

    order = Order(
        job_id,
        keys,
        reason,
        name=name,
        firmware_version=firmware_version,
        expires=expires,
        yes=yes,
        expect=expect,
        overwrite=overwrite,
        aside=aside,
    )
    run(order, stack=stack, output=output)

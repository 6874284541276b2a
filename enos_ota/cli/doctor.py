"""`enos-ota doctor`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from enos_ota.cli import options
from enos_ota.cli.output import write_verdict
from enos_ota.cli.plain import plain

if TYPE_CHECKING:
    from enos_ota.operations.doctor import Finding

_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red", "unknown": "magenta", "skipped": "bright_black"}
_VERDICTS: Final = {0: "ok", 1: "failed", 2: "misconfigured", 3: "unknown"}
_STATE_WIDTH: Final = 9
_CHECK_WIDTH: Final = 15


@click.command(
    epilog=options.examples(
        "# before a rollback, with its job",
        "enos-ota doctor --stack prod --job 65a1b2c3d4e5f60718293a4b",
    )
)
@options.stack
@click.option(
    "-j",
    "--job",
    "job_id",
    metavar="ID",
    callback=options.job_id,
    help="an OTA job to check too: its status, and the texts of its failed tasks",
)
@options.text_or_json
@click.pass_context
def doctor(ctx: click.Context, *, stack: str | None, job_id: str | None, output: str) -> None:
    """Check everything that a cancel needs, and print what to do about each problem.

    Only reads: configuration (where each value comes from, never a secret), network, TLS, clock, credentials,
    permission, the job, the texts of its cancelled tasks, Pulumi's engine and state.

    Exit codes: 0 no problem, or only warnings; 1 EnOS refuses the credentials, the permission or the job, or the job's
    cancelled tasks have an unknown text; 2 the stack file, a key file or the environment is invalid; 3 a check failed:
    no connection to the gateway, TLS failed, or an error of EnOS. If there are several, the first of 2, 1, 3 counts.
    """
    from enos_ota.operations.doctor import examine, exit_code  # noqa: PLC0415 - slow to import, and help needs none of it

    findings = []
    for finding in examine(Path.cwd(), stack, job_id, os.environ):
        findings.append(finding)
        if output == "text":
            _write(finding)
    code = exit_code(findings)
    if output == "json":
        checks = [_as_json(finding) for finding in findings]
        write_verdict(json.dumps({"verdict": _VERDICTS[code], "exitCode": code, "checks": checks}, indent=2))
    ctx.exit(code)


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "state": finding.state.value,
        "exitCode": finding.exit_code,
        "text": finding.text,
        "details": finding.details,
        "advice": finding.advice,
    }


def _write(finding: Finding) -> None:
    state = click.style(finding.state.value.ljust(_STATE_WIDTH), fg=_COLOURS[finding.state.value])
    write_verdict(f"{state}{finding.check.ljust(_CHECK_WIDTH)}{plain(finding.text)}")
    margin = " " * (_STATE_WIDTH + _CHECK_WIDTH)
    for detail in finding.details:
        write_verdict(f"{margin}{plain(detail)}")
    if finding.advice:
        write_verdict(f"{margin}-> {plain(finding.advice)}")

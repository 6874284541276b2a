"""`enos-ota jobs`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from enos_ota.cli import options
from enos_ota.cli.rows import Column, age, write_json, write_table

if TYPE_CHECKING:
    from enos_ota.enos import Job


@click.command(
    epilog=options.examples(
        "# which jobs push the firmware that has to go",
        "enos-ota jobs --firmware-version 2.3.0 --status started",
    )
)
@options.stack
@click.option("--firmware-version", metavar="V", help="only jobs that push this version")
@click.option("--status", type=click.Choice(["started", "stopped"]), help="only jobs in this state")
@options.table_or_json
def jobs(*, stack: str | None, firmware_version: str | None, status: str | None, output: str) -> None:
    """List the OTA jobs of the organization, newest first.

    Only reads. Names and texts are EnOS's own; characters that do not print are escaped.
    """
    from enos_ota.cli.operating import reading  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.enos import JobStatus  # noqa: PLC0415 - the same

    with reading(stack) as context:
        found = context.client.search_jobs(
            firmware_version=firmware_version, status=JobStatus(status) if status else None
        )
        if output == "json":
            write_json(map(as_json, found))
        elif not write_table(found, _columns(time.time())):
            click.echo("No job was found.", err=True)


def as_json(job: Job) -> dict[str, Any]:
    """Return a job with EnOS's own names; `automaticRetry` is `enableRetry` of its retryPolicy, times are Unix ms."""
    return {
        "jobId": job.job_id,
        "name": job.name,
        "firmwareVersion": job.firmware_version,
        "firmwareId": job.firmware_id,
        "firmwareName": job.firmware_name,
        "productKey": job.product_key,
        "type": job.type,
        "status": job.raw_status,
        "upgradePolicy": job.upgrade_policy,
        "automaticRetry": job.automatic_retry,
        "maximumConcurrency": job.maximum_concurrency,
        "createTime": job.create_time,
    }


def _columns(now: float) -> list[Column[Job]]:
    return [
        Column("NAME", lambda job: job.name, folds=True),
        Column("JOB", lambda job: job.job_id),
        Column("FIRMWARE", lambda job: job.firmware_version),
        Column("PRODUCT", lambda job: job.product_key),
        Column("STATUS", lambda job: job.raw_status),
        Column("POLICY", _policy, folds=True),
        Column("AGE", lambda job: age(job.create_time, now)),
    ]


def _policy(job: Job) -> str:
    """Return the upgrade policy, and whether failed tasks are retried: a cancelled task is a failed one [I]."""
    return ", ".join(filter(None, [job.upgrade_policy, "retries" if job.automatic_retry else ""]))
